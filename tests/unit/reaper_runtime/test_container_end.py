"""The end of a container: nothing survives its init process, and everybody hears of it, in order."""

from __future__ import annotations

import os
import signal
import sys
from typing import TYPE_CHECKING, Any

import pytest

from reaper_runtime.errors import FailedPrecondition, NotFound, ReaperError
from reaper_runtime.host import procfs
from reaper_runtime.host.stdio import StdioPaths
from reaper_runtime.oci import bundle
from reaper_runtime.process import STOPPED
from tests.fakes.containers import NOWHERE, SLEEP, THREADED, exit_code, start_exec
from tests.fakes.runtime import Reader, eventually, is_alive, needs_root, open_fds, settled, shell, spec, write_bundle

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator
    from pathlib import Path

    from reaper_runtime.container import Container
    from reaper_runtime.loop import Loop
    from reaper_runtime.pod import Pod

    Run = Callable[..., Any]
    Make = Callable[..., Awaitable[Container]]

pytestmark = needs_root


def test_the_end_of_init_ends_the_execs_and_is_published_last(
    run: Run, make: Make, exits: list[tuple[str, str, int]]
) -> None:
    async def story() -> None:
        container = await make()
        pids = [await start_exec(container, name) for name in ("a", "b")]
        pids.append(await start_exec(container, "waiting", start=False))
        container.kill("", signal.SIGKILL, everything=False)
        await container.init.published
        assert not any(is_alive(pid) for pid in pids)
        for name in ("a", "b"):
            with pytest.raises(FailedPrecondition):
                await container.start(name, lambda _pid: None)

    run(story())
    assert sorted(exits[:-1]) == [("one", "a", 137), ("one", "b", 137)]  # not the one that never ran
    assert exits[-1] == ("one", "", 137)


def test_an_exec_in_preparation_does_not_hold_up_the_end_of_init(
    run: Run, make: Make, loop: Loop, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def story() -> None:
        container = await make()
        monkeypatch.setattr(os, "setsid", lambda: os.kill(os.getpid(), signal.SIGSTOP))  # it never gets to the gate
        adding = loop.spawn(container.add_exec("x", spec(*SLEEP), NOWHERE))
        os.kill(container.init.pid, signal.SIGKILL)
        assert await exit_code(container) == 137
        with pytest.raises(FailedPrecondition):
            await adding
        assert container.execs == {}

    run(story())


def test_waiting_for_what_could_not_be_created_ends(run: Run, make: Make, loop: Loop) -> None:
    async def story() -> None:
        container = await make()
        adding = loop.spawn(container.add_exec("x", spec("/bin/true", cwd="/no/such/place"), NOWHERE))
        waiting = loop.spawn(exit_code(container, "x"))
        deleting = loop.spawn(container.delete("x"))
        for outcome in (adding, waiting, deleting):
            await settled(outcome)
        with pytest.raises(NotFound, match="could not be created"):
            waiting.result()

    run(story())


BACKGROUND = "sleep 61 & (setsid sleep 62 &) ; (setsid sh -c 'sleep 63 & sleep 64' &) ; "


def test_background_children_and_daemons_die_with_init(run: Run, make: Make, loop: Loop, pod: Pod) -> None:
    async def story() -> None:
        container = await make("/bin/sh", "-c", BACKGROUND + "sleep 65")
        await eventually(loop, lambda: len(container.pids()) >= 7)
        pids = container.pids()
        assert len(set(pids)) == len(pids)
        os.kill(container.init.pid, signal.SIGKILL)
        await container.init.published
        assert [pid for pid in pids if is_alive(pid)] == []

    run(story())


@pytest.mark.parametrize("exec_id", ["", "x"])
def test_what_a_thread_has_forked_is_seen_and_dies_with_init(run: Run, make: Make, loop: Loop, exec_id: str) -> None:
    async def story() -> None:
        container = await make(*(SLEEP if exec_id else THREADED))
        if exec_id:
            await start_exec(container, exec_id, spec(*THREADED))
        await eventually(loop, lambda: len(container.pids()) == (3 if exec_id else 2))
        pids = container.pids()
        container.kill("", signal.SIGKILL, everything=False)
        await container.init.published
        assert not any(is_alive(pid) for pid in pids)

    run(story())


def test_what_an_exec_left_behind_dies_with_init_also_beside_another_container(
    run: Run, make: Make, loop: Loop, pod: Pod
) -> None:
    async def story() -> None:
        other = await make("/bin/sh", "-c", "sleep 60 & sleep 60", name="other")
        await eventually(loop, lambda: len(other.pids()) == 3)
        container = await make()
        await start_exec(container, "x", shell("sleep 60 >/dev/null &"))
        assert await exit_code(container, "x") == 0
        await container.delete("x")
        await eventually(loop, lambda: len(container.pids()) == 2)
        left = [pid for pid in container.pids() if pid != container.init.pid]
        container.kill("", signal.SIGKILL, everything=False)
        await container.init.published
        assert not any(is_alive(pid) for pid in left)
        assert len(other.pids()) == 3

    run(story())


def test_kill_all_reaches_every_process(run: Run, make: Make, loop: Loop) -> None:
    async def story() -> None:
        container = await make("/bin/sh", "-c", BACKGROUND + "sleep 65")
        await eventually(loop, lambda: len(container.pids()) >= 7)
        pids = container.pids()
        container.kill("", signal.SIGKILL, everything=True)
        await eventually(loop, lambda: not any(is_alive(pid) for pid in pids))

    run(story())


# Writes a letter for each of two real-time signals, which queue and of which the lower comes first. Its parent waits.
COUNTER = """
import os, signal, sys
numbers = {signal.SIGRTMIN, signal.SIGRTMIN + 1}
signal.pthread_sigmask(signal.SIG_BLOCK, numbers)
if os.fork():
    signal.pause()
while True:
    with open(sys.argv[1], "a") as file:
        file.write("ab"[signal.sigwait(numbers) - signal.SIGRTMIN])
"""


@pytest.mark.parametrize("exec_id", ["", "x"])
def test_kill_all_signals_each_process_once(run: Run, make: Make, loop: Loop, tmp_path: Path, exec_id: str) -> None:
    seen = tmp_path / "seen"
    counter = (sys.executable, "-c", COUNTER, str(seen))

    async def story() -> None:
        container = await make(*(counter if not exec_id else ("/bin/sh", "-c", "trap '' 34 35; sleep 60 & wait")))
        if exec_id:
            await start_exec(container, exec_id, spec(*counter))
        await eventually(loop, lambda: len(container.pids()) == (4 if exec_id else 2))
        for number in (signal.SIGRTMIN, signal.SIGRTMIN + 1):
            container.kill("", number, everything=True)
        await eventually(loop, lambda: seen.exists() and "b" in seen.read_text())
        assert seen.read_text() == "ab"

    run(story())


def test_kill_all_reaches_an_exec_itself(run: Run, make: Make) -> None:
    async def story() -> None:
        container = await make()
        await start_exec(container, "x")
        container.kill("", signal.SIGTERM, everything=True)
        assert await exit_code(container, "x") == 143

    run(story())


def test_the_pid_of_an_ended_exec_may_be_another_containers_by_now(run: Run, make: Make, loop: Loop) -> None:
    async def story() -> None:
        other = await make("/bin/sh", "-c", "sleep 60 & wait", name="other")
        await eventually(loop, lambda: len(other.pids()) == 2)
        container = await make("/bin/sh", "-c", "sleep 60 & wait")
        await eventually(loop, lambda: len(container.pids()) == 2)
        await start_exec(container, "x", shell("true"))
        await exit_code(container, "x")
        container.process("x").pid = other.init.pid
        assert len(container.pids()) == 2
        container.kill("", signal.SIGKILL, everything=False)
        await container.init.published
        assert len(other.pids()) == 2

    run(story())


def test_a_delete_while_another_is_under_way_gives_the_same(run: Run, make: Make, loop: Loop) -> None:
    async def story() -> None:
        container = await make()
        await start_exec(container, "x", shell("exit 3"))
        await exit_code(container, "x")
        first = await container.delete("x")
        await start_exec(container, "y", start=False)
        both = [loop.spawn(container.delete("y")), loop.spawn(container.delete("y"))]
        answers = [first, *[await outcome for outcome in both]]
        assert [ended.code for _, ended in answers] == [3, 137, 137]

    run(story())


def test_output_is_complete_when_delete_answers(run: Run, pod: Pod, loop: Loop, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "out")
    reader = Reader(loop, tmp_path / "out")

    async def story() -> None:
        loaded = bundle.load(write_bundle(tmp_path / "one", "/bin/sh", "-c", "seq 1 50000"))
        container = await pod.create("one", loaded, StdioPaths("", str(tmp_path / "out"), ""))
        await container.start("", lambda _pid: None)
        await container.init.published
        await container.delete("")
        await reader.ended

    run(story())
    assert reader.data == "".join(f"{n}\n" for n in range(1, 50001)).encode()


def test_who_keeps_the_output_open_outside_does_not_hold_up_delete(
    run: Run, pod: Pod, loop: Loop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("reaper_runtime.process.DRAIN_SECONDS", 0.05)
    os.mkfifo(tmp_path / "out")
    reader = Reader(loop, tmp_path / "out")

    async def story() -> None:
        loaded = bundle.load(write_bundle(tmp_path / "one", *SLEEP))
        container = await pod.create("one", loaded, StdioPaths("", str(tmp_path / "out"), ""))
        await container.start("", lambda _pid: None)
        stranger = os.open(f"/proc/{container.init.pid}/fd/1", os.O_WRONLY)
        container.kill("", signal.SIGKILL, everything=False)
        await container.delete("") if container.init.status == STOPPED else await container.init.published
        await container.delete("")
        os.close(stranger)
        await reader.ended

    run(story())


def test_records_go_with_what_they_record(run: Run, make: Make, pod: Pod) -> None:
    async def story() -> None:
        container = await make()
        await start_exec(container, "x")
        assert sorted(record.name for record in pod.state.records()) == ["one", "one:x"]
        container.kill("", signal.SIGKILL, everything=False)
        await container.init.published
        await container.delete("")  # and nobody deletes the exec
        assert not os.path.exists(pod.state.path)  # noqa: PTH110

    run(story())


def test_a_process_that_cannot_be_recorded_is_not_left_behind(run: Run, make: Make, pod: Pod, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("not a folder")

    async def story() -> None:
        before = open_fds()
        with pytest.raises(ReaperError, match="one cannot be recorded in"):
            await make()
        assert open_fds() == before
        assert pod.containers == {}

    children = procfs.children(os.getpid())
    run(story())
    assert procfs.children(os.getpid()) == children


@pytest.fixture
def broken_clearing(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    def fail(*_: object) -> None:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr("reaper_runtime.host.procfs.children", fail)
        yield


@pytest.mark.usefixtures("broken_clearing")
def test_the_end_is_published_although_clearing_up_failed(run: Run, make: Make, defects: list[Exception]) -> None:
    async def story() -> None:
        container = await make("/bin/true")
        assert await exit_code(container) == 0

    run(story())
    assert [type(defect) for defect in defects] == [OSError]
    defects.clear()
