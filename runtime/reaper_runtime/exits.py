"""The one place that reaps: exit code and time of every child, recorded once, by the kernel's word."""

import os
import time

from reaper_runtime.loop import Future
from reaper_runtime.stdlib import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from reaper_runtime.loop import Loop


class Exit:
    """How a process ended: exit code (128 + n when signal n killed it), and when, in nanoseconds of the epoch."""

    __slots__ = ("at", "code")

    def __init__(self, code: int, at: int) -> None:
        self.code = code
        self.at = at

    @classmethod
    def now(cls, code: int) -> "Exit":
        """An end that we know of without a process: of the sandbox, or of what never started."""
        return cls(code, time.time_ns())


class Reaper:
    """Waits for all children of this process. A child is expected, or an orphan that came to us as subreaper."""

    def __init__(self, loop: "Loop") -> None:
        self._expected: dict[int, Future] = {}
        loop.on_signal(signal.SIGCHLD, self.reap)

    def expect(self, pid: int) -> Future:
        """The Exit of a child, as a future. Call it before control returns to the loop after the fork."""
        future = self._expected[pid] = Future()
        return future

    def expects(self, pid: int) -> bool:
        """Whether this child is one that we started, and not an orphan that came to us."""
        return pid in self._expected

    def reap(self) -> None:
        """Reap every child that has ended. One SIGCHLD can stand for many of them."""
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG)
            except ChildProcessError:
                return
            if ended is None:
                return
            expected = self._expected.pop(ended.si_pid, None)
            if expected is not None:
                expected.set(Exit(_code(ended.si_code, ended.si_status), time.time_ns()))


def _code(how: int, status: int) -> int:
    return status if how == os.CLD_EXITED else 128 + status
