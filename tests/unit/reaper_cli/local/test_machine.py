"""How a process on this machine is attended to its end."""

from __future__ import annotations

import signal
import subprocess

import pytest

from reaper_cli.errors import Interrupted, Terminated, TimedOut
from reaper_cli.local.machine import attend

OUT_OF_TIME = subprocess.TimeoutExpired("x", 1)


class FakeProcess:
    """A process whose every wait() ends as it was told; it keeps what was done to it."""

    def __init__(self, *ends: int | BaseException) -> None:
        self._ends = list(ends)
        self.done: list[str] = []

    def wait(self, timeout: float | None = None) -> int:
        self.done.append(f"wait {timeout}")
        end = self._ends.pop(0)
        if isinstance(end, BaseException):
            raise end
        return end

    def send_signal(self, sig: int) -> None:
        self.done.append(signal.Signals(sig).name)

    def kill(self) -> None:
        self.done.append("kill")


def test_its_exit_code_is_passed_on() -> None:
    process = FakeProcess(3)
    assert attend(process, None, 5, process.kill) == 3


def test_ctrl_c_is_left_to_the_terminal_and_the_process() -> None:
    process = FakeProcess(KeyboardInterrupt(), KeyboardInterrupt(), 5)
    assert attend(process, None, 5, process.kill) == 5
    assert process.done == ["wait None"] * 3


def test_who_ends_this_program_ends_the_process() -> None:
    process = FakeProcess(Terminated(), 143)
    with pytest.raises(Interrupted, match=r"^stopped; it ended with exit code 143$"):
        attend(process, None, 5, process.kill)
    assert process.done == ["wait None", "SIGTERM", "wait 5"]


@pytest.mark.parametrize("end", [OUT_OF_TIME, Terminated()])
def test_a_process_that_holds_on_is_killed_after_its_grace_or_when_asked_again(end: BaseException) -> None:
    process = FakeProcess(Terminated(), KeyboardInterrupt(), end, 137)
    with pytest.raises(Interrupted, match="137"):
        attend(process, None, 5, process.kill)
    assert process.done == ["wait None", "SIGTERM", "wait 5", "wait 5", "kill", "wait None"]


def test_a_deadline_ends_it_likewise() -> None:
    process = FakeProcess(OUT_OF_TIME, OUT_OF_TIME, 137)
    with pytest.raises(TimedOut, match=r"^stopped after 9 s, .* exit code 137$"):
        attend(process, 9, 5, process.kill)
    assert process.done == ["wait 9", "SIGTERM", "wait 5", "kill", "wait None"]
