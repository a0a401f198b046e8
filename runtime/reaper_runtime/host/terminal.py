"""A process's terminal: a pseudoterminal (pty(7)) of its own, relayed from and to the FIFOs that containerd made."""

import fcntl
import os
import struct
import termios

from reaper_runtime.errors import Unavailable
from reaper_runtime.host.relay import CopyRelay
from reaper_runtime.host.stdio import Stdio, StdioPaths, Streams, open_input, open_output

TYPE_CHECKING = False
if TYPE_CHECKING:
    from reaper_runtime.loop import Loop
    from reaper_runtime.oci.process import ProcessSpec


class Terminal(Stdio):
    """One terminal as standard input, output and error. There is no separate standard error.

    The process makes it its controlling terminal; when the last one closes it, the output has drained.
    """

    def __init__(self, loop: "Loop", paths: StdioPaths, owner: int, size: tuple[int, int] | None = None) -> None:
        """owner: the user that may open the terminal again by its name; size: columns and rows.

        Raises Unavailable when the node has no terminal left.
        """
        super().__init__(loop)
        try:
            ours, theirs = os.openpty()
        except OSError as error:
            raise Unavailable(f"node {os.uname().nodename} has no terminal left: {error.strerror}") from error
        self.stdin = self.stdout = self.stderr = theirs
        self._child_ends.append(theirs)
        self._control = ours
        try:
            os.fchown(theirs, owner, -1)
            os.set_blocking(ours, False)
            if size is not None:
                self.resize(*size)
            if paths.stdin:
                reader, self._stdin_writer = open_input(paths.stdin)
                self._inputs.append(CopyRelay(loop, reader, os.dup(ours)))
            target = open_output(paths.stdout, self._kept_readers)
            self._add_output(CopyRelay(loop, os.dup(ours), target))
        except BaseException:
            self.close_child_ends()
            self.close()
            raise
        self._watch_outputs()

    def resize(self, width: int, height: int) -> None:
        """Columns and rows; the process gets SIGWINCH (tty_ioctl(4), TIOCSWINSZ). Nothing happens after the end."""
        if self._control >= 0:
            set_size(self._control, width, height)

    def close(self) -> None:
        super().close()
        if self._control >= 0:
            os.close(self._control)
            self._control = -1


def open_stdio(loop: "Loop", spec: "ProcessSpec", paths: StdioPaths, discard: frozenset[str]) -> Stdio:
    """The streams of a process, or its terminal, at these paths. Raises as Streams and Terminal do."""
    if not spec.terminal:
        return Streams(loop, paths, spec.user.uid, discard)
    shown = paths._replace(stdout="") if "stdout" in discard else paths
    return Terminal(loop, shown, spec.user.uid, spec.console_size)


def set_size(fd: int, width: int, height: int) -> None:
    """Columns and rows of a terminal (tty_ioctl(4), TIOCSWINSZ)."""
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack("4H", height, width, 0, 0))


def take_terminal() -> None:
    """In the child, leader of a new session: make standard input its controlling terminal."""
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
