"""A loop for each test, closed and without a defect at its end; a pod in it; real processes, none of which is left."""

from __future__ import annotations

import ctypes
import gc
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reaper_runtime.exits import Exit, Reaper
from reaper_runtime.host import libc, procfs
from reaper_runtime.host.cgroup import cgroup, directory, hierarchies
from reaper_runtime.host.cgroup.hierarchies import UNIFIED, Hierarchies
from reaper_runtime.host.stdio import StdioPaths
from reaper_runtime.loop import Loop
from reaper_runtime.oci import bundle
from reaper_runtime.pod import Pod
from reaper_runtime.process import RUNNING, STOPPED, HostProcess
from reaper_runtime.state import PodState
from tests.fakes.cgroups import Taken, has_hugetlb
from tests.fakes.containers import NOWHERE, SLEEP
from tests.fakes.rootfs import Overlays
from tests.fakes.runtime import run_in, settled, write_bundle

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from reaper_runtime.container import Container

    Make = Callable[..., Awaitable[Container]]

_PR_SET_CHILD_SUBREAPER = 36


@pytest.fixture(scope="session", autouse=True)
def _frozen() -> None:
    """What other tests have left is not looked through for garbage any more, nor in what is forked here."""
    gc.collect()
    gc.freeze()


@pytest.fixture
def defects() -> list[Exception]:
    """What nobody awaited and the loop reported. A test that provokes one removes it."""
    return []


@pytest.fixture
def loop(defects: list[Exception]) -> Iterator[Loop]:
    made = Loop(defects.append)
    yield made
    made.close()
    assert defects == []


@pytest.fixture
def run(loop: Loop) -> Callable[..., Any]:
    """run(coroutine): its result, from a loop that runs as long as it takes and no longer."""
    return lambda story, within=40.0: run_in(loop, story, within)


@pytest.fixture
def reaper(loop: Loop) -> Iterator[Reaper]:
    """The one that reaps, in a process that orphans come to. What a test leaves running is killed."""
    me = os.getpid()
    before = {(p.pid, p.start_time) for p in procfs.descendants(me)}
    libc.become_subreaper()
    yield Reaper(loop)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    procfs.kill_all(lambda: [p for p in procfs.descendants(me) if (p.pid, p.start_time) not in before])
    while _left(me, before):
        os.waitid(os.P_ALL, 0, os.WEXITED)
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def _left(me: int, before: set[tuple[int, int]]) -> bool:
    return any(p.parent == me and (p.pid, p.start_time) not in before for p in procfs.processes())


@pytest.fixture
def exits() -> list[tuple[str, str, int]]:
    """Container id, exec id and exit code of each end that was published, in order."""
    return []


@pytest.fixture
def pod(loop: Loop, reaper: Reaper, exits: list[tuple[str, str, int]], tmp_path: Path) -> Iterator[Pod]:
    def on_exit(container: str, exec_id: str, _pid: int, ended: Exit) -> None:
        exits.append((container, exec_id, ended.code))

    group = f"unit-test-{os.getpid()}"  # cgroups are the machine's: another run of the tests must not share them
    made = Pod(loop, reaper, PodState("k8s.io", group, str(tmp_path / "state")), on_exit)
    yield made
    hosts = [
        process
        for container in made.containers.values()
        for process in (container.init, *container.execs.values())
        if isinstance(process, HostProcess)
    ]
    for process in hosts:
        run_in(loop, process.discard())
    for process in hosts:
        run_in(loop, settled(process.published))  # what clears up after it has ended, too
    for container in made.containers.values():
        container.tracking.remove()
    cgroup.forget(*made.names)


@pytest.fixture
def fifos(tmp_path: Path) -> Iterator[StdioPaths]:
    """Streams as containerd makes them, with somebody who reads the outputs."""
    paths = [tmp_path / f"fifo-{name}" for name in ("in", "out", "err")]
    for path in paths:
        os.mkfifo(path)
    readers = [os.open(path, os.O_RDONLY | os.O_NONBLOCK) for path in paths[1:]]
    yield StdioPaths(*map(str, paths))
    for fd in readers:
        os.close(fd)


@pytest.fixture
def taken(monkeypatch: pytest.MonkeyPatch) -> Iterator[Taken]:
    """Skips where version 2 lacks the controller. What is in the slice is removed: it must have ended."""
    mount = hierarchies.current().mounts.get(UNIFIED)
    if mount is None or "hugetlb" not in Path(mount, "cgroup.controllers").read_text().split():
        pytest.skip("no controller hugetlb in cgroup version 2")
    monkeypatch.setattr(hierarchies, "_found", Hierarchies({UNIFIED: mount}, ["hugetlb"]))
    made = Taken(mount)
    enabled = [above for above in made.place.parents if above.is_relative_to(mount) and not has_hugetlb(above)]
    yield made
    for place in (*made.place.glob("*/"), made.place):
        place.rmdir()
    directory.remove_empty(str(made.place.parent))
    for place in filter(has_hugetlb, enabled):
        (place / "cgroup.subtree_control").write_text("-hugetlb")
    monkeypatch.undo()
    hierarchies.refresh()


@pytest.fixture
def make_overlay(tmp_path: Path) -> Iterator[Overlays]:
    """Overlays below a folder of the test; none of them is left."""
    made = Overlays(tmp_path)
    yield made
    made.remove()


@pytest.fixture
def make(pod: Pod, tmp_path: Path) -> Make:
    """A container in a state, or just started."""

    async def container(*args: str, name: str = "one", state: str = RUNNING, **process: Any) -> Container:
        loaded = bundle.load(write_bundle(tmp_path / name, *(args or SLEEP), **process))
        made = await pod.create(name, loaded, NOWHERE)
        if state in (RUNNING, STOPPED):
            await made.start("", lambda _pid: None)
        if state == STOPPED:
            made.kill("", signal.SIGKILL, everything=False)
            await made.init.published
        assert made.init.status == state or (args and made.init.status == STOPPED)  # a short program
        return made

    return container
