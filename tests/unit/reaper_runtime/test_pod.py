"""A pod: its containers beside one another, its sandbox, and that cycles of them leave nothing."""

from __future__ import annotations

import errno
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from reaper_runtime.config import Config
from reaper_runtime.errors import AlreadyExists, FailedPrecondition, NotFound, Unavailable
from reaper_runtime.host import procfs
from reaper_runtime.host.stdio import StdioPaths
from reaper_runtime.oci import bundle
from reaper_runtime.placement import Placement
from reaper_runtime.process import RUNNING
from tests.fakes.runtime import (
    eventually,
    few_descriptors,
    is_alive,
    needs_root,
    open_fds,
    turn,
    write_bundle,
    write_sandbox,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from reaper_runtime.container import Container
    from reaper_runtime.loop import Loop
    from reaper_runtime.pod import Pod

    Run = Callable[..., Any]
    Start = Callable[..., Awaitable[Container]]

pytestmark = needs_root
NOWHERE = StdioPaths("", "", "")


@pytest.fixture
def start(pod: Pod, tmp_path: Path) -> Start:
    async def container(name: str, script: str = "sleep 60", stdio: StdioPaths = NOWHERE) -> Container:
        made = await pod.create(name, bundle.load(write_bundle(tmp_path / name, "/bin/sh", "-c", script)), stdio)
        await made.start("", lambda _pid: None)
        return made

    return container


@pytest.fixture
def sandbox(pod: Pod, tmp_path: Path) -> Callable[[], Awaitable[Container]]:
    async def container() -> Container:
        made = await pod.create("sandbox", bundle.load(write_sandbox(tmp_path / "sandbox")), NOWHERE)
        await made.start("", lambda _pid: None)
        return made

    return container


def test_an_id_in_use_is_refused_and_the_first_lives_on(run: Run, start: Start, pod: Pod) -> None:
    async def story() -> None:
        first = await start("one")
        with pytest.raises(AlreadyExists, match="container one exists already"):
            await start("one")
        assert pod.container("one") is first
        assert first.init.status == RUNNING

    run(story())


def test_an_unknown_container_is_not_found(pod: Pod) -> None:
    with pytest.raises(NotFound, match="there is no container x in this pod"):
        pod.container("x")


def test_a_container_that_cannot_be_prepared_leaves_nothing(run: Run, pod: Pod, tmp_path: Path) -> None:
    async def story() -> None:
        before = open_fds()
        loaded = bundle.load(write_bundle(tmp_path / "one", "/bin/true", cwd="/no/such/place"))
        with pytest.raises(FailedPrecondition, match="/no/such/place"):
            await pod.create("one", loaded, NOWHERE)
        assert pod.containers == {}
        assert list(pod.state.records()) == []
        assert open_fds() == before

    run(story())


def test_a_container_that_has_no_file_system_leaves_nothing(
    run: Run, pod: Pod, fifos: StdioPaths, tmp_path: Path
) -> None:
    pod._placement = Placement(Config(overlay_isolation="none"), "k8s.io")
    pod._network = ""  # its sandbox has none
    asks = {"reaper.runtime/network": "pod"}
    loaded = bundle.load(write_bundle(tmp_path / "one", "/bin/true", annotations=asks))
    before = open_fds()
    with pytest.raises(FailedPrecondition, match="names no network namespace"):
        run(pod.create("one", loaded, fifos))
    assert pod.containers == {}
    assert open_fds() == before


@pytest.mark.parametrize("spare", range(14))
def test_a_container_for_which_the_node_lacks_a_descriptor_leaves_none(
    run: Run, pod: Pod, fifos: StdioPaths, tmp_path: Path, spare: int
) -> None:
    """Wherever it fails: at its streams, or at its fork."""
    loaded = bundle.load(write_bundle(tmp_path / "one", "/bin/true"))
    before = open_fds()
    with few_descriptors(spare), pytest.raises((FailedPrecondition, Unavailable), match="Too many open files"):
        run(pod.create("one", loaded, fifos))
    assert pod.containers == {}
    assert open_fds() == before


def test_the_sandbox_lives_until_it_is_killed(
    run: Run, sandbox: Callable[[], Awaitable[Container]], exits: list[tuple[str, str, int]], pod: Pod
) -> None:
    async def story() -> None:
        container = await sandbox()
        assert container.pids() == [os.getpid()]
        with pytest.raises(FailedPrecondition):
            await container.delete("")
        container.kill("", signal.SIGKILL, everything=False)
        pid, ended = await container.delete("")
        assert (pid, ended.code) == (os.getpid(), 137)

    run(story())
    assert exits == [("sandbox", "", 137)]
    assert list(pod.state.records()) == []


def test_the_end_of_one_container_leaves_the_others_alone(
    run: Run, sandbox: Callable[[], Awaitable[Container]], start: Start, loop: Loop
) -> None:
    async def story() -> None:
        await sandbox()
        one = await start("one", "sleep 60 & sleep 60")
        two = await start("two", "sleep 60 & sleep 60")
        await eventually(loop, lambda: len(one.pids()) == len(two.pids()) == 3)
        assert not set(one.pids()) & set(two.pids())
        gone, kept = one.pids(), two.pids()
        one.kill("", signal.SIGKILL, everything=False)
        await one.init.published
        assert not any(is_alive(pid) for pid in gone)
        assert all(is_alive(pid) for pid in kept)

    run(story())


def test_a_daemon_of_the_only_container_dies_with_it(run: Run, start: Start, loop: Loop) -> None:
    async def story() -> None:
        one = await start("one", "(setsid sh -c 'setsid sleep 60 & exit' &) ; sleep 60")
        await eventually(loop, lambda: len(one.pids()) >= 3)
        await eventually(loop, lambda: any(p.parent == os.getpid() for p in _beside(one)))
        pids = one.pids()
        os.kill(one.init.pid, signal.SIGTERM)
        await one.init.published
        assert [pid for pid in pids if is_alive(pid)] == []

    run(story())


def _beside(container: Container) -> list[procfs.Stat]:
    """Processes of a container that are not its init."""
    found = [procfs.stat(pid) for pid in container.pids() if pid != container.init.pid]
    return [process for process in found if process is not None]


def test_what_outlived_a_container_dies_at_the_latest_with_the_pod(
    run: Run, sandbox: Callable[[], Awaitable[Container]], start: Start, loop: Loop
) -> None:
    async def story() -> None:
        pause = await sandbox()
        one = await start("one", "(setsid sleep 60 &) ; sleep 60")
        await eventually(loop, lambda: len(one.pids()) == 3)
        pids = one.pids()
        one.kill("", signal.SIGKILL, everything=False)
        await one.init.published
        pause.kill("", signal.SIGKILL, everything=False)
        await pause.init.published
        assert not any(is_alive(pid) for pid in pids)

    run(story())


def test_a_process_that_does_not_die_does_not_hold_up_the_end_for_ever(
    run: Run, pod: Pod, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reaper_runtime.pod.DEATH_SECONDS", 0.02)
    me = procfs.stat(os.getpid())
    assert me is not None
    before = open_fds()
    run(pod.all_dead([me, me]), within=20)
    assert open_fds() == before


@pytest.mark.timeout(240)  # some seconds on an idle machine
def test_two_hundred_cycles_leave_no_descriptor_no_process_and_no_record(
    run: Run, start: Start, pod: Pod, loop: Loop, tmp_path: Path, exits: list[tuple[str, str, int]]
) -> None:
    for name in ("in", "out", "err"):
        os.mkfifo(tmp_path / name)
    readers = [os.open(tmp_path / name, os.O_RDONLY | os.O_NONBLOCK) for name in ("out", "err")]
    stdio = StdioPaths(*(str(tmp_path / name) for name in ("in", "out", "err")))

    async def cycle() -> None:
        one = await start("one", "exit 3", stdio)
        assert (await one.init.published).code == 3
        await one.delete("")
        del pod.containers["one"]

    async def story() -> tuple[int, int]:
        await cycle()
        before = open_fds()
        for _ in range(200):
            await cycle()
        return before, open_fds()

    before, after = run(story(), within=200)
    for fd in readers:
        os.close(fd)
    assert before == after
    assert list(pod.state.records()) == []
    assert len(exits) == 201


def test_the_end_is_told_when_somebody_has_begun_to_read_the_output(
    run: Run, start: Start, loop: Loop, tmp_path: Path, exits: list[tuple[str, str, int]]
) -> None:
    """containerd gives a FIFO up that it has opened and not yet come to read, as soon as it hears of the end."""
    os.mkfifo(tmp_path / "out")
    reader = os.open(tmp_path / "out", os.O_RDONLY | os.O_NONBLOCK)

    async def story() -> None:
        one = await start("one", "echo quick", StdioPaths("", str(tmp_path / "out"), ""))
        await one.init.ended
        await turn(loop, 0.02)
        assert exits == []
        assert os.read(reader, 100) == b"quick\n"
        await one.init.published
        assert exits == [("one", "", 0)]
        await one.delete("")

    run(story())
    os.close(reader)


def test_the_end_is_told_though_nobody_reads_the_output(
    run: Run, start: Start, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reaper_runtime.container.HEARD_SECONDS", 0.02)
    os.mkfifo(tmp_path / "out")
    reader = os.open(tmp_path / "out", os.O_RDONLY | os.O_NONBLOCK)

    async def story() -> None:
        one = await start("one", "echo quick", StdioPaths("", str(tmp_path / "out"), ""))
        assert (await one.init.published).code == 0
        await one.delete("")

    run(story())
    assert os.read(reader, 100) == b"quick\n"
    os.close(reader)


def test_the_end_is_told_though_a_stream_fails(
    run: Run, start: Start, tmp_path: Path, defects: list[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(tmp_path / "out")
    reader = os.open(tmp_path / "out", os.O_RDONLY | os.O_NONBLOCK)

    async def fail() -> None:
        raise OSError(errno.EIO, "no more")

    async def story() -> None:
        one = await start("one", "sleep 60", StdioPaths("", str(tmp_path / "out"), ""))
        monkeypatch.setattr(one.init.streams, "heard", fail)  # type: ignore[attr-defined]
        one.kill("", signal.SIGKILL, everything=False)
        assert (await one.init.published).code == 137
        await one.delete("")

    run(story())
    assert [str(error) for error in defects] == ["[Errno 5] no more"]
    defects.clear()
    os.close(reader)


@pytest.mark.timeout(240)  # a second on an idle machine, half a minute on one that others use
def test_hundred_containers_at_once_each_have_their_own_end(
    run: Run, start: Start, loop: Loop, exits: list[tuple[str, str, int]]
) -> None:
    async def one(number: int) -> int:
        container = await start(f"c{number}", f"exit {number}")
        code: int = (await container.init.published).code
        return code

    async def story() -> list[int]:
        outcomes = [loop.spawn(one(number)) for number in range(100)]
        return [await outcome for outcome in outcomes]

    assert run(story(), within=200) == list(range(100))
    assert sorted(exits) == sorted((f"c{n}", "", n) for n in range(100))
