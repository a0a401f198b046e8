"""A cgroup of the machine for one test, and processes in it; nothing of either is left."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from reaper_runtime.host.cgroup import cgroup, directory

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reaper_runtime.host.cgroup.cgroup import Cgroup

    Sleeper = Callable[..., int]

NAMES = ("unit-test", f"cgroup-{os.getpid()}")


@pytest.fixture
def group() -> Iterator[Cgroup]:
    """A cgroup that tracks; skips where the node has none that can be written."""
    made = cgroup.track(*NAMES, "one")
    if made is None:
        pytest.skip("no cgroup can be written here")
    yield made
    directory.kill(made.tracking)
    made.remove()
    cgroup.forget(*NAMES)


@pytest.fixture
def sleeper(group: Cgroup) -> Iterator[Sleeper]:
    """Starts a process in the group, or elsewhere, that waits to be killed; gives its pid."""
    pids: list[int] = []

    def start(files: tuple[str, ...] | None = None) -> int:
        receive, send = os.pipe()
        pid = os.fork()
        if pid == 0:
            directory.join(group.join_files(group.directories) if files is None else files)
            os.write(send, b"x")
            while True:
                signal.pause()
        os.read(receive, 1)
        os.close(receive)
        os.close(send)
        pids.append(pid)
        return pid

    yield start
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
