"""A terminal for programs that want one."""

from __future__ import annotations

import codecs
import fcntl
import os
import pty
import select
import struct
import termios
import time
from typing import TYPE_CHECKING

from tests.patience import patience

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


_WINDOW = (24, 80)  # rows, columns


class Typist:
    """A program on a terminal, and somebody who types."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str] | None = None) -> None:
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            os.execve(command[0], list(command), dict(environment or os.environ))
        # kubectl tells of a window that is one larger first, and then of the right one. Of a terminal without a size
        # that makes 1 x 1, and there bash shows no prompt.
        self.resize(*_WINDOW)
        self._waits = select.poll()  # select cannot take descriptors above 1023
        self._waits.register(self._fd, select.POLLIN)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")  # a read may end within a character
        self.seen, self._ended = "", False

    def type(self, text: str) -> None:
        """Press these keys."""
        os.write(self._fd, text.encode())

    def resize(self, rows: int, columns: int) -> None:
        """Give the window another size: the program hears SIGWINCH."""
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def wait_for(self, text: str, seconds: float = 30) -> None:
        """Until the screen shows a text."""
        deadline = time.monotonic() + patience(seconds)
        while text not in self.seen:
            assert self._waits.poll(max(0.0, deadline - time.monotonic()) * 1000), (
                f"{text!r} did not appear; there is {self.seen!r}"
            )
            self.seen += self._read()
            assert not self._ended, f"{text!r} did not appear before the end; there is {self.seen!r}"

    def end(self) -> int:
        """Read to the end, and give the program's exit code."""
        while not self._ended:
            self.seen += self._read()
        os.close(self._fd)
        return os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])

    def _read(self) -> str:
        try:
            more = os.read(self._fd, 4096)
        except OSError:  # EIO: the other side is gone
            more = b""
        self._ended = not more
        return self._decoder.decode(more)
