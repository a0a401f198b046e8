"""What the kernel tells by itself: OOM kills of both versions, and that a cgroup is frozen."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reaper_runtime.errors import FailedPrecondition
from reaper_runtime.host.cgroup import cgroup, directory, hierarchies
from reaper_runtime.host.cgroup.cgroup import Cgroup
from reaper_runtime.host.cgroup.hierarchies import UNIFIED
from reaper_runtime.host.cgroup.notices import OomWatch, freeze
from tests.fakes.runtime import eventually, open_fds, turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reaper_runtime.loop import Loop
    from tests.fakes.cgroups import Taken

    Run = Callable[..., Any]
    Sleeper = Callable[..., int]


def _eat(files: tuple[str, ...]) -> int:
    pid = os.fork()
    if pid == 0:
        directory.join(files)
        eaten = bytearray()
        while len(eaten) < 1 << 30:
            eaten += bytes(1 << 20)
        os._exit(0)
    return pid


@pytest.fixture
def small() -> Iterator[Cgroup]:
    """A cgroup with 16 MiB of memory."""
    if not {"memory", UNIFIED} & set(hierarchies.current().mounts):
        pytest.skip("no memory controller")
    names = ("unit-test", f"oom-{os.getpid()}", "one")
    made = cgroup.limit("/".join(("reaper", *names)), *names)
    limit = made.find("memory", "memory.max") or made.find("memory", "memory.limit_in_bytes")
    if not limit:
        pytest.skip("no memory controller")
    directory.write(limit, str(16 << 20))
    yield made
    made.remove()
    for place in made.directories:
        Path(place).parent.rmdir()


def _run_out_of_memory(group: Cgroup) -> None:
    assert os.WTERMSIG(os.waitpid(_eat(group.join_files(group.directories)), 0)[1]) == 9


def test_an_oom_kill_calls_back(loop: Loop, run: Run, small: Cgroup) -> None:
    calls: list[bool] = []
    before = open_fds()
    watch = OomWatch(loop, small, lambda: calls.append(True))

    async def story() -> None:
        _run_out_of_memory(small)
        await eventually(loop, lambda: calls)
        small.remove()
        told = len(calls)
        await turn(loop, 0.05)
        assert len(calls) == told, "the removal is no OOM kill"

    run(story())
    watch.close()
    watch.close()
    assert open_fds() == before


def test_an_oom_kill_in_a_cgroup_that_is_removed_is_known_by_the_one_above(loop: Loop, small: Cgroup) -> None:
    """As systemd removes a unit's, before anybody has read what it counted."""
    if not small.unified:
        pytest.skip("no memory controller of version 2")
    calls: list[bool] = []
    watch = OomWatch(loop, small, lambda: calls.append(True), above=True)
    _run_out_of_memory(small)
    assert small.remove() == []
    watch.check()
    watch.check()
    assert (len(calls), watch.kills) == (1, 1)
    watch.close()


def test_an_oom_kill_is_known_before_the_loop_hears_of_it(loop: Loop, run: Run, small: Cgroup) -> None:
    calls: list[bool] = []
    watch = OomWatch(loop, small, lambda: calls.append(True))
    watch.check()
    assert calls == []
    _run_out_of_memory(small)
    watch.check()
    assert calls
    told = len(calls)
    run(turn(loop, 0.05))
    watch.check()
    assert len(calls) == told, "it is told once"
    watch.close()
    watch.check()


def test_a_watch_that_cannot_be_made_leaves_no_descriptor(loop: Loop, tmp_path: Path) -> None:
    (tmp_path / "memory.oom_control").touch()
    before = open_fds()
    with pytest.raises(OSError, match=r"cgroup.event_control"):
        OomWatch(loop, Cgroup({"memory": str(tmp_path)}, limited=True), lambda: None)
    assert open_fds() == before


class InPlaceOfMemory(Cgroup):
    """A cgroup whose memory.events are those of hugetlb, which every machine with version 2 leaves to it."""

    def find(self, controller: str, file: str) -> str:
        return super().find(controller, file.replace("memory.events", "hugetlb.2MB.events"))


def test_a_watch_whose_file_went_with_its_controller_tells_nothing(loop: Loop, run: Run, taken: Taken) -> None:
    group = InPlaceOfMemory(cgroup.limit(f"{taken.path}/one", "ns", "pod", "one").paths, limited=True)
    calls: list[bool] = []
    before = open_fds()
    watch = OomWatch(loop, group, lambda: calls.append(True))
    assert open_fds() == before + 1
    taken.away()
    watch.check()
    assert not loop._callbacks, "such a file may be ready for ever"
    run(turn(loop, 0.02))
    watch.close()
    assert (calls, open_fds()) == ([], before)


def test_a_group_without_memory_is_not_watched(loop: Loop, tmp_path: Path) -> None:
    before = open_fds()
    OomWatch(loop, Cgroup({"": str(tmp_path)}, limited=True), lambda: None).close()
    assert open_fds() == before


def test_freeze_and_thaw(loop: Loop, run: Run, group: Cgroup, sleeper: Sleeper) -> None:
    if not group.find(UNIFIED, "cgroup.freeze"):
        pytest.skip("no cgroup version 2 to freeze with")
    sleeper()
    events = Path(group.paths[UNIFIED], "cgroup.events")

    async def story() -> None:
        await freeze(loop, group, frozen=True)
        assert "frozen 1" in events.read_text()
        await freeze(loop, group, frozen=False)
        assert "frozen 0" in events.read_text()

    before = open_fds()
    run(story())
    assert open_fds() == before


def test_version_1_cannot_freeze(loop: Loop, run: Run, tmp_path: Path) -> None:
    (tmp_path / "cgroup.freeze").touch()
    with pytest.raises(FailedPrecondition, match="needs cgroup version 2"):
        run(freeze(loop, Cgroup({"pids": str(tmp_path)}, limited=False), frozen=True))
