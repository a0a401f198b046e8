"""Cgroups of the machine: members, killing, removing; also with a tree below, and without cgroup.kill."""

from __future__ import annotations

import os
import select
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reaper_runtime.host.cgroup import directory, hierarchies
from tests.fakes.runtime import is_alive

if TYPE_CHECKING:
    from collections.abc import Callable

    from reaper_runtime.host.cgroup.cgroup import Cgroup

    Sleeper = Callable[..., int]


def _dies(pid: int) -> None:
    fd = os.pidfd_open(pid)
    assert select.select([fd], [], [], 5)[0], f"{pid} was not killed"
    os.close(fd)


def test_members_are_those_of_the_whole_tree(group: Cgroup, sleeper: Sleeper) -> None:
    below = f"{group.tracking}/below"
    Path(below).mkdir()
    pids = {sleeper(), sleeper((f"{below}/cgroup.procs",))}
    assert set(group.members()) == pids


def test_the_place_of_a_process_is_told_by_itself(group: Cgroup, sleeper: Sleeper) -> None:
    below = Path(group.tracking, "below")
    below.mkdir()
    pid = sleeper((f"{below}/cgroup.procs",))
    if "\n0::" not in Path(f"/proc/{pid}/cgroup").read_text():
        pytest.skip("no hierarchy of version 2")
    assert directory.place_of(pid, group.tracking) == str(below)
    assert directory.place_of(pid, str(below)) == str(below)
    assert directory.place_of(os.getpid(), group.tracking) is None


def test_not_every_nested_cgroup_is_read(tmp_path: Path) -> None:
    """Of many, the one that /proc names; another that says it has the process is not asked."""
    for place in ("c/a", "c/b", "proc/7"):
        (tmp_path / place).mkdir(parents=True)
    for place in ("a", "b"):
        (tmp_path / "c" / place / "cgroup.procs").write_text("7\n")
    (tmp_path / "proc" / "7" / "cgroup").write_text("0::/c/b\n")
    assert directory.place_of(7, str(tmp_path / "c"), str(tmp_path / "proc")) == str(tmp_path / "c" / "b")


def test_kill_reaches_the_whole_tree(group: Cgroup, sleeper: Sleeper) -> None:
    below = f"{group.tracking}/below"
    Path(below).mkdir()
    pids = [sleeper(), sleeper((f"{below}/cgroup.procs",))]
    assert {process.pid for process in group.kill()} == set(pids)
    for pid in pids:
        _dies(pid)


def test_kill_without_cgroup_kill(sleeper: Sleeper) -> None:
    mount = hierarchies.current().mounts.get("pids")
    if mount is None:
        pytest.skip("no hierarchy of version 1")
    place = Path(mount, f"reaper-unit-test-{os.getpid()}")
    place.mkdir()
    try:
        pid = sleeper((f"{place}/cgroup.procs",))
        assert [process.pid for process in directory.kill(str(place))] == [pid]
        _dies(pid)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    finally:
        assert directory.remove([str(place)]) == []


def test_what_has_members_is_not_removed(group: Cgroup, sleeper: Sleeper) -> None:
    pid = sleeper()
    assert set(group.remove()) == set(group.directories)
    assert is_alive(pid)
    group.kill()
    _dies(pid)
    os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
    assert group.remove() == []
    assert not Path(group.tracking).exists()


def test_an_empty_tree_is_removed_with_it(group: Cgroup) -> None:
    (Path(group.tracking) / "a" / "b").mkdir(parents=True)
    assert group.remove() == []
    assert not Path(group.tracking).exists()


def test_what_is_gone_is_empty(group: Cgroup) -> None:
    group.remove()
    assert group.members() == []
    assert group.kill() == []
    assert group.remove() == []


def test_joining_what_is_gone_names_the_file(group: Cgroup) -> None:
    group.remove()
    with pytest.raises(OSError, match=r"No such file or directory") as refused:
        directory.join(group.join_files(group.directories))
    assert refused.value.filename == f"{group.tracking}/cgroup.procs"
