"""One host process of a container, from fork to exit: its init process, or one that exec added."""

import os
from abc import ABC, abstractmethod

from reaper_runtime.errors import FailedPrecondition, InvalidArgument, NotFound, ReaperError
from reaper_runtime.exits import Exit
from reaper_runtime.host import process as host
from reaper_runtime.loop import Future
from reaper_runtime.stdlib import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from reaper_runtime.exits import Reaper
    from reaper_runtime.host.cgroup.cgroup import Cgroup
    from reaper_runtime.host.stdio import Stdio
    from reaper_runtime.loop import Loop
    from reaper_runtime.oci.process import ProcessSpec

NEW, CREATED, RUNNING, STOPPED = "new", "created", "running", "stopped"

# Every move that a process can make. Only what has been observed moves it: a signal sent changes nothing.
MOVES = {
    NEW: (CREATED, STOPPED),
    CREATED: (RUNNING, STOPPED),
    RUNNING: (STOPPED,),
    STOPPED: (),
}

DRAIN_SECONDS = 1.0  # after the exit, for output that somebody outside the container still holds open


class Process(ABC):
    """What the container and its API see of a process. `ended` gives its Exit as soon as it is known.

    `published` gives the same Exit later: once everybody may hear of it, in the order that containerd demands.
    """

    def __init__(self, name: str) -> None:
        """name: what an error calls it, as the subject of a sentence."""
        self.name = name
        self.pid = 0
        self.start_time = 0
        self.status = NEW
        self.ended = Future()
        self.settled = Future()  # Start has been answered, or never will be
        self.published = Future()
        self.start_failed = False
        self.has_started = False
        self.has_terminal = False

    def move(self, status: str) -> None:
        """Go to another status; raises FailedPrecondition if there is no such move."""
        if status not in MOVES[self.status]:
            raise FailedPrecondition(f"{self.name} is {self.status}, and cannot become {status}")
        self.status = status

    @property
    def exit(self) -> Exit | None:
        """Code and time of the end, or None while it has not ended."""
        return self.ended.result() if self.ended.done else None

    @abstractmethod
    async def start(self, on_started: "Callable[[], None]") -> None:
        """Run; on_started is called before anybody can hear of the exit."""

    def kill(self, number: int) -> None:
        """Send a signal; raises NotFound when the process has ended, InvalidArgument for no signal."""
        if not 1 <= number <= signal.SIGRTMAX:
            raise InvalidArgument(f"{number} is not a signal: signals are 1 to {int(signal.SIGRTMAX)}")
        if self.status == STOPPED:
            raise NotFound(f"{self.name} has finished already")
        self._signal(number)

    def close_stdin(self) -> None:
        """Give the process the end of its input, after what has been written. The sandbox has no input."""
        return

    def resize(self, width: int, height: int) -> None:
        """Columns and rows of its terminal; raises FailedPrecondition if it has none."""
        raise FailedPrecondition(f"{self.name} has no terminal to resize to {width}x{height}")

    @abstractmethod
    def _signal(self, number: int) -> None: ...

    def _end(self, ended: Exit) -> None:
        if self.status == CREATED:
            self.settled.set()
        self.status = STOPPED
        self.ended.set(ended)


class SandboxProcess(Process):
    """The pod's sandbox has no process: it "runs" until it is killed, with the shim's pid."""

    def __init__(self, name: str = "the sandbox") -> None:
        super().__init__(name)
        self.pid = os.getpid()
        self.move(CREATED)

    async def start(self, on_started: "Callable[[], None]") -> None:
        self.move(RUNNING)
        self.has_started = True
        on_started()
        self.settled.set()

    def _signal(self, number: int) -> None:
        if number in (signal.SIGKILL, signal.SIGTERM, signal.SIGINT):
            self._end(Exit.now(0 if number != signal.SIGKILL else 128 + number))


class HostProcess(Process):
    """A real process, child of this one."""

    def __init__(self, loop: "Loop", spec: "ProcessSpec", streams: "Stdio", name: str = "the process") -> None:
        super().__init__(name)
        self.spec = spec
        self.streams = streams
        self.has_terminal = spec.terminal
        self._loop = loop
        self._child: host.Child | None = None

    async def create(
        self, reaper: "Reaper", rootfs: "host.Rootfs | None" = None, cgroup: "Cgroup | None" = None
    ) -> None:
        """Fork it into this file system and cgroup, and let it prepare itself; raises FailedPrecondition if not."""
        streams = self.streams
        self._child = host.fork(
            self.spec, (streams.stdin, streams.stdout, streams.stderr, *streams.extra), rootfs, cgroup
        )
        self.pid, self.start_time = self._child.pid, self._child.start_time
        streams.close_child_ends()
        exited = reaper.expect(self.pid)
        exited.when_done(lambda: self._exited(exited.result()))
        try:
            await self._child.prepared(self._loop)
        except host.DiedWithoutWord:
            code = (await exited).code
            raise FailedPrecondition(f"{self.name} died while it was prepared, with exit code {code}") from None
        if self.status == STOPPED:
            raise FailedPrecondition(f"{self.name} was killed while it was prepared")
        self.move(CREATED)

    async def discard(self) -> None:
        """Leave nothing of what create() could not finish, or its caller not record."""
        if self._child is not None:
            if self.status != STOPPED:
                self._signal(signal.SIGKILL)
            await self.ended
            self._child.close()
        self.streams.close()

    async def start(self, on_started: "Callable[[], None]") -> None:
        """Let it execute its program; raises FailedPrecondition with the program, the node and the reason."""
        if self.status != CREATED or self._child is None:
            raise FailedPrecondition(f"{self.name} is {self.status}, and cannot be started")
        self.status = RUNNING  # from here on it may run, and end, at any moment
        try:
            await self._child.open_gate(self._loop)
        except ReaperError:
            self.start_failed = True
            await self.ended
            raise
        else:
            self.has_started = True
            on_started()
        finally:
            self.settled.set()

    def close_stdin(self) -> None:
        self.streams.close_stdin()

    def resize(self, width: int, height: int) -> None:
        self.streams.resize(width, height)

    def _signal(self, number: int) -> None:
        """To its whole process group, as a terminal or a service manager does (docs/decisions/0003)."""
        try:
            os.killpg(self.pid, number)  # not reaped yet, so the number is still its own
        except ProcessLookupError:
            os.kill(self.pid, number)

    def _exited(self, ended: Exit) -> None:
        if self.status == CREATED and self._child is not None:
            self._child.close()  # at any other time somebody is reading from it, and closes it
        self.streams.end_input()
        self._loop.call_later(DRAIN_SECONDS, self.streams.end_output)
        self._end(ended)
