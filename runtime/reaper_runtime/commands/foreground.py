"""`run` and `exec` without --detach: signals go to the process, its terminal comes to ours, its exit code is ours."""

import fcntl
import os
import signal
import socket
import struct
import termios
import tty

from reaper_runtime.errors import FailedPrecondition, ReaperError
from reaper_runtime.host.relay import CopyRelay
from reaper_runtime.host.terminal import set_size
from reaper_runtime.wire import messages as m

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from reaper_runtime.commands.client import Supervisor

_FORWARDED = (
    signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2, signal.SIGCONT,
)  # fmt: skip
_DRAIN_SECONDS = 2.0  # after the end, for output that is still in the terminal


class Foreground:
    """One process that the caller waits for."""

    def __init__(self, remote: "Supervisor", container: str, exec_id: str = "") -> None:
        self._remote = remote
        self._container = container
        self._exec_id = exec_id

    def wait(self, on_started: "Callable[[int], None]" = lambda _pid: None, master: int = -1) -> int:
        """Start the process and give its exit code, once its terminal, if there is one, has been read to its end.

        Raises FailedPrecondition when it cannot be started.
        """
        terminal = _Relay(self._remote, master) if master >= 0 else None
        try:
            code: int = self._remote.run(self._follow(on_started, terminal))
            return code
        finally:
            if terminal is not None:
                terminal.restore()

    async def _follow(self, on_started: "Callable[[int], None]", terminal: "_Relay | None") -> int:
        remote, loop = self._remote, self._remote.loop
        for number in _FORWARDED:
            loop.on_signal(number, lambda number=number: loop.spawn_detached(self._forward(number)))  # type: ignore[misc]
        wait = m.WaitRequest(id=self._container, exec_id=self._exec_id)
        ended = loop.spawn(remote.ask("Wait", wait, m.WaitResponse))  # before it can end and be forgotten
        started = await remote.ask("Start", m.StartRequest(id=self._container, exec_id=self._exec_id), m.StartResponse)
        on_started(started.pid)
        answer: m.WaitResponse = await ended
        if terminal is not None:
            await terminal.drained()
        return answer.exit_status

    async def _forward(self, number: int) -> None:
        request = m.KillRequest(id=self._container, exec_id=self._exec_id, signal=number)
        try:
            await self._remote.ask("Kill", request, m.Empty)
        except ReaperError:
            return  # it has ended meanwhile


class _Relay:
    """Our standard input and output, and the master side of the process's terminal."""

    def __init__(self, remote: "Supervisor", master: int) -> None:
        self._loop = remote.loop
        self._master = master
        self._saved = termios.tcgetattr(0) if os.isatty(0) else None
        os.set_blocking(master, False)
        self._output = CopyRelay(self._loop, os.dup(master), os.dup(1))
        self._input = self._relay_input()
        if self._saved is not None:
            tty.setraw(0)
            self._resize()
            self._loop.on_signal(signal.SIGWINCH, self._resize)

    async def drained(self) -> None:
        """Wait for what the process has written; somebody may hold the terminal open, but not us."""
        self._output.end()
        timer = self._loop.call_later(_DRAIN_SECONDS, self._output.close)
        await self._output.drained
        timer.cancel()

    def restore(self) -> None:
        """Give our own terminal back as it was."""
        if self._saved is not None:
            termios.tcsetattr(0, termios.TCSADRAIN, self._saved)

    def _relay_input(self) -> CopyRelay | None:
        source, target = os.dup(0), os.dup(self._master)
        try:
            return CopyRelay(self._loop, source, target)
        except PermissionError:  # epoll_ctl(2) takes no files, and /dev/null is one
            os.close(source)
            os.close(target)
            if os.path.realpath("/proc/self/fd/0") == os.devnull:
                return None
            raise FailedPrecondition("a terminal takes its input from a terminal or a pipe, not from a file") from None

    def _resize(self) -> None:
        rows, columns = struct.unpack("4H", fcntl.ioctl(0, termios.TIOCGWINSZ, b"\0" * 8))[:2]
        set_size(self._master, columns, rows)


def console_pair() -> tuple[socket.socket, int]:
    """A console socket of our own: where the terminal will arrive, and the end to hand over."""
    ours, theirs = socket.socketpair()
    return ours, theirs.detach()


def receive_master(ours: socket.socket) -> int:
    """The master side of the terminal; raises FailedPrecondition when it did not come."""
    _, descriptors, _, _ = socket.recv_fds(ours, 256, 1)
    ours.close()
    if not descriptors:
        raise FailedPrecondition("the process's terminal did not arrive")
    os.set_inheritable(descriptors[0], False)
    return descriptors[0]
