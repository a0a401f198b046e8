"""The state machine of a process: every state with every verb, and only what was observed moves it."""

from __future__ import annotations

import os
import select
import signal
from typing import TYPE_CHECKING, Any

import pytest

from reaper_runtime.errors import FailedPrecondition, InvalidArgument, NotFound
from reaper_runtime.host.stdio import StdioPaths, Streams
from reaper_runtime.process import CREATED, MOVES, NEW, RUNNING, STOPPED, HostProcess, Process, SandboxProcess
from tests.fakes.runtime import eventually, needs_root, open_fds, run_in, shell, spec

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from reaper_runtime.exits import Reaper
    from reaper_runtime.loop import Loop

    Run = Callable[..., Any]
    Make = Callable[..., Awaitable[HostProcess]]

STATES = (NEW, CREATED, RUNNING, STOPPED)
LEGAL = {(NEW, CREATED), (NEW, STOPPED), (CREATED, RUNNING), (CREATED, STOPPED), (RUNNING, STOPPED)}


async def _sandbox(state: str) -> SandboxProcess:
    process = SandboxProcess()
    if state in (RUNNING, STOPPED):
        await process.start(lambda: None)
    if state == STOPPED:
        process.kill(signal.SIGKILL)
    assert process.status == state
    return process


@pytest.fixture
def host(loop: Loop, reaper: Reaper) -> Iterator[Make]:
    """A real process in a state. Nothing is left of it after the test."""
    made: list[HostProcess] = []

    async def make(state: str, wanted: Any = None) -> HostProcess:
        process = HostProcess(
            loop, wanted or spec("/bin/sleep", "60"), Streams(loop, StdioPaths("", "", ""), os.geteuid())
        )
        made.append(process)
        if state == NEW:
            process.streams.close_child_ends()
            return process
        await process.create(reaper)
        if state in (RUNNING, STOPPED):
            await process.start(lambda: None)
        if state == STOPPED:
            process.kill(signal.SIGKILL)
            await process.ended
        assert process.status == state
        return process

    yield make
    for process in made:
        run_in(loop, process.discard())


@pytest.mark.parametrize("before", STATES)
@pytest.mark.parametrize("after", STATES)
def test_only_the_legal_moves_are_made(before: str, after: str) -> None:
    process = SandboxProcess()
    process.status = before
    if (before, after) in LEGAL:
        process.move(after)
        assert process.status == after
    else:
        with pytest.raises(FailedPrecondition, match=f"the sandbox is {before}, and cannot become {after}"):
            process.move(after)
        assert process.status == before


def test_the_table_of_moves_has_every_state() -> None:
    assert tuple(MOVES) == STATES
    assert {(before, after) for before, many in MOVES.items() for after in many} == LEGAL


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("kind", ["host", "sandbox"])
@needs_root
def test_start_is_for_what_was_created(run: Run, host: Make, state: str, kind: str) -> None:
    async def story() -> None:
        if kind == "sandbox":
            if state == NEW:
                return  # a sandbox is made created
            process: Process = await _sandbox(state)
        else:
            process = await host(state)
        if state == CREATED:
            started: list[bool] = []
            await process.start(lambda: started.append(process.settled.done))
            assert (process.status, started, process.settled.done) == (RUNNING, [False], True)
        else:
            with pytest.raises(FailedPrecondition, match=f"{process.name} is {state}, and cannot be"):
                await process.start(lambda: pytest.fail("it was started"))
            assert process.status == state

    run(story())


@pytest.mark.parametrize("state", [CREATED, RUNNING, STOPPED])
@pytest.mark.parametrize("kind", ["host", "sandbox"])
@needs_root
def test_kill_is_for_what_has_not_ended(run: Run, host: Make, state: str, kind: str) -> None:
    async def story() -> None:
        process: Process = await (_sandbox(state) if kind == "sandbox" else host(state))
        if state == STOPPED:
            with pytest.raises(NotFound, match="finished already"):
                process.kill(signal.SIGTERM)
            return
        process.kill(signal.SIGKILL)
        assert (await process.ended).code == 137
        assert process.status == STOPPED

    run(story())


@pytest.mark.parametrize("state", [CREATED, RUNNING, STOPPED])
@needs_root
def test_closing_the_input_is_harmless_in_every_state(run: Run, host: Make, state: str) -> None:
    async def story() -> None:
        process = await host(state)
        process.close_stdin()
        process.close_stdin()
        (await _sandbox(state)).close_stdin()
        assert process.status == state

    run(story())


@pytest.mark.parametrize("number", [0, -9, 65, 1 << 31])
def test_what_is_no_signal_is_refused(number: int) -> None:
    with pytest.raises(InvalidArgument, match=f"{number} is not a signal: signals are 1 to 64"):
        SandboxProcess().kill(number)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGTERM, 0), (signal.SIGINT, 0), (signal.SIGKILL, 137), (signal.SIGHUP, None)]
)
def test_the_sandbox_ends_by_the_signals_that_end_a_pause_container(number: int, code: int | None) -> None:
    process = SandboxProcess()
    process.kill(number)
    assert (process.exit.code if process.exit else None) == code


def test_the_sandbox_has_the_pid_of_the_shim() -> None:
    assert SandboxProcess().pid == os.getpid()


@needs_root
def test_a_signal_that_is_survived_changes_nothing(run: Run, host: Make) -> None:
    async def story() -> None:
        process = await host(CREATED, shell("trap '' TERM; sleep 60"))
        await process.start(lambda: None)
        process.kill(signal.SIGCONT)
        assert process.status == RUNNING
        assert process.exit is None

    run(story())


@needs_root
def test_what_ends_at_the_gate_has_settled(run: Run, host: Make) -> None:
    async def story() -> None:
        process = await host(CREATED)
        process.kill(signal.SIGTERM)
        assert (await process.ended).code == 143
        assert process.settled.done

    run(story())


@needs_root
def test_a_start_that_fails_has_ended_and_says_so(run: Run, host: Make) -> None:
    async def story() -> None:
        process = await host(CREATED, spec("/no/such/program"))
        with pytest.raises(FailedPrecondition, match="does not exist"):
            await process.start(lambda: pytest.fail("it was started"))
        assert (process.status, process.start_failed, process.settled.done) == (STOPPED, True, True)

    run(story())


@needs_root
@pytest.mark.parametrize("ready", [False, True])
def test_a_process_killed_while_it_is_prepared_fails_its_creation(
    loop: Loop, run: Run, reaper: Reaper, monkeypatch: pytest.MonkeyPatch, *, ready: bool
) -> None:
    if not ready:
        monkeypatch.setattr(os, "setsid", lambda: os.kill(os.getpid(), signal.SIGSTOP))

    async def story() -> None:
        process = HostProcess(loop, spec("/bin/true"), Streams(loop, StdioPaths("", "", ""), os.geteuid()), "exec x")
        creating = loop.spawn(process.create(reaper))
        child = process._child
        assert child is not None
        if ready:
            select.select([child._gate], [], [])  # the word is there, and the loop has not read it
        os.kill(process.pid, signal.SIGKILL)
        if ready:
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
            reaper.reap()
        with pytest.raises(
            FailedPrecondition, match=r"^exec x (was killed while|died while it was prepared, with exit code 137)"
        ):
            await creating
        await process.discard()
        assert process.status == STOPPED

    before = open_fds()
    run(story())
    run(eventually(loop, lambda: open_fds() == before))
