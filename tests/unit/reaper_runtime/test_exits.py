"""Reaping: exact exit codes, signals as 128 + n, orphans, and many at once."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reaper_runtime.exits import Exit, Reaper
from tests.fakes.runtime import eventually, is_alive

if TYPE_CHECKING:
    from collections.abc import Callable

    from reaper_runtime.loop import Future, Loop

    Run = Callable[..., Any]


def _fork(reaper: Reaper, end: Callable[[], object]) -> tuple[int, Future]:
    pid = os.fork()
    if pid == 0:
        try:
            end()
        finally:
            os._exit(99)
    return pid, reaper.expect(pid)


async def _exit(future: Future) -> Exit:
    ended: Exit = await future
    return ended


@pytest.mark.timeout(240)  # some seconds on an idle machine
def test_every_exit_code_is_reported_as_it_is(reaper: Reaper, run: Run) -> None:
    children = {code: _fork(reaper, lambda code=code: os._exit(code))[1] for code in range(256)}  # type: ignore[misc]
    assert {code: run(_exit(future)).code for code, future in children.items()} == {code: code for code in range(256)}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGABRT, signal.SIGSEGV, signal.SIGRTMAX])
def test_death_by_a_signal_is_128_and_its_number(reaper: Reaper, run: Run, number: int) -> None:
    def die() -> None:
        os.setsid()
        if number not in (signal.SIGKILL, signal.SIGRTMAX):
            signal.signal(number, signal.SIG_DFL)  # or pytest's faulthandler prints a trace
        os.kill(os.getpid(), number)
        signal.pause()

    _, future = _fork(reaper, die)
    assert run(_exit(future)).code == 128 + number


def test_the_time_is_that_of_the_reaping(reaper: Reaper, run: Run) -> None:
    before = time.time_ns()
    _, future = _fork(reaper, lambda: os._exit(0))
    assert before <= run(_exit(future)).at <= time.time_ns()


def test_an_orphan_that_came_to_us_is_reaped(reaper: Reaper, loop: Loop, run: Run) -> None:
    receive, send = os.pipe()

    def leave_a_child() -> None:
        if os.fork() == 0:
            os.setsid()
            os.write(send, b"%d" % os.getpid())
        os._exit(0)

    _, future = _fork(reaper, leave_a_child)
    run(_exit(future))
    orphan = int(os.read(receive, 32))
    run(eventually(loop, lambda: not Path(f"/proc/{orphan}").exists()))
    os.close(receive)
    os.close(send)


def test_a_stopped_child_has_not_ended(reaper: Reaper, loop: Loop, run: Run) -> None:
    pid, future = _fork(reaper, signal.pause)
    os.kill(pid, signal.SIGSTOP)
    run(eventually(loop, lambda: ") T " in Path(f"/proc/{pid}/stat").read_text()))
    assert not future.done
    assert is_alive(pid)
    os.kill(pid, signal.SIGKILL)
    assert run(_exit(future)).code == 137


def test_it_knows_which_children_are_its_own(reaper: Reaper, run: Run) -> None:
    pid, future = _fork(reaper, lambda: os._exit(0))
    assert reaper.expects(pid)
    assert not reaper.expects(1)
    run(_exit(future))
    assert not reaper.expects(pid)


def test_an_end_without_a_process_has_the_present_time() -> None:
    before = time.time_ns()
    ended = Exit.now(137)
    assert ended.code == 137
    assert before <= ended.at <= time.time_ns()
