"""A fork into a cgroup: the child is in it from its first instruction, and is a Python process like any other."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from reaper_runtime.host import procfs
from reaper_runtime.host.cgroup import cgroup
from reaper_runtime.host.cgroup.hierarchies import UNIFIED
from reaper_runtime.host.clone import fork_into
from tests.fakes.runtime import open_fds

NAMES = ("unit-test", f"clone-{os.getpid()}")


def test_the_child_is_born_in_the_cgroup() -> None:
    made = cgroup.track(*NAMES, "one")
    if made is None or UNIFIED not in made.paths:
        pytest.skip("no cgroup version 2 that can be written")
    before = open_fds()
    receive, send = os.pipe()
    pid = fork_into(made.paths[UNIFIED])
    if pid == 0:
        os.write(send, f"{os.getpid()} {os.getppid()} {Path('/proc/self/cgroup').read_text()}".encode())
        os._exit(7)
    os.close(send)
    assert pid is not None
    told = os.read(receive, 4096).decode()
    os.close(receive)
    assert told.startswith(f"{pid} {os.getpid()} ")
    assert f"0::/reaper/{'/'.join(NAMES)}/one" in told
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    assert open_fds() == before
    made.remove()
    cgroup.forget(*NAMES)


@pytest.mark.parametrize("place", ["/nonexistent", "/tmp"])
def test_where_it_cannot_be_done_there_is_no_child(place: str) -> None:
    before = open_fds(), procfs.children(os.getpid())
    assert fork_into(place) is None
    assert (open_fds(), procfs.children(os.getpid())) == before
