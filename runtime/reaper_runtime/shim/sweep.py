"""What shims that were killed have left, where containerd asks for no `delete`.

It does not where the shim dies before `start` has answered, and not always where it dies while a container is created:
containerd then removes the bundle, and may have done so when it comes to run `delete` in it (core/runtime/v2:
TaskManager.Create removes it, ShimManager's binary has it as its working directory).

The fork server does this when one of its own shims was killed. Those of a fork server before it are looked at too, then
and at its start: nobody tells it of their end.
"""

import os
import time

from reaper_runtime.host import descriptors, procfs
from reaper_runtime.shim.delete import clear
from reaper_runtime.state import PodState, pods
from reaper_runtime.stdlib import signal

SECONDS = 6.0  # after a shim was killed: containerd gives `delete` 5, and its answer has the pid
LONGEST = 30.0  # seconds, however often more of them are killed meanwhile


class Sweeper:
    """Sweeps some time after it was asked to, in a process of its own: it waits for processes to die."""

    def __init__(self, root: str) -> None:
        """Takes SIGALRM over. root: where the records of pods are."""
        self._root = root
        self._asked = 0.0
        signal.signal(signal.SIGALRM, self._sweep)

    def ask(self) -> None:
        """A shim was killed, or may have been. The latest one has its SECONDS, unless that were to go on for ever."""
        now = time.monotonic()
        if not signal.getitimer(signal.ITIMER_REAL)[0]:
            self._asked = now
        if now - self._asked < LONGEST:
            signal.setitimer(signal.ITIMER_REAL, SECONDS)

    def _sweep(self, _number: int, _frame: object) -> None:
        try:
            if os.fork():
                return
        except OSError:
            self.ask()
            return
        try:
            for number in (signal.SIGCHLD, signal.SIGALRM, signal.SIGTERM):
                signal.signal(number, signal.SIG_DFL)  # those are the fork server's
            descriptors.close_from(3)  # whoever asked at this moment waits until all have closed
            sweep(self._root)
        finally:
            os._exit(0)


def sweep(root: str) -> None:
    """Kill and forget what belongs to pods whose shim is dead. Nobody is harmed who does the same at this moment."""
    for state in pods(root):
        try:
            _sweep_pod(state)
        except OSError:
            continue  # the other pods are not to suffer from it


def _sweep_pod(state: PodState) -> None:
    mark = state.marked()
    if mark is None or procfs.is_alive(mark.pid, mark.start_time):
        return
    records = list(state.records())
    if state.holds(mark):  # else they may be those of a new pod with that id
        clear(state, records, whole_pod=True, mark=mark)
        state.forget_half_written(None)
