"""A non-blocking stream socket in the loop: reads frames, queues writes."""

import _socket

from reaper_runtime.loop import READ, WRITE
from reaper_runtime.wire.ttrpc import FrameReader

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from reaper_runtime.loop import Loop
    from reaper_runtime.wire.ttrpc import Frame

_CHUNK = 64 * 1024


class Connection:
    """One side of a ttrpc connection."""

    def __init__(
        self,
        loop: "Loop",
        sock: _socket.socket,
        on_frame: "Callable[[Frame], None]",
        on_close: "Callable[[], None]",
    ) -> None:
        """Takes the socket over. on_close is called once, also when the other side went away."""
        sock.setblocking(False)
        self._loop = loop
        self._sock = sock
        self._reader = FrameReader()
        self._unsent = bytearray()
        self._on_frame = on_frame
        self._on_close = on_close
        self.closed = False
        loop.watch(sock.fileno(), READ, self._ready)

    def send(self, data: bytes) -> None:
        """Send now, or queue what the socket does not take. Nothing happens on a closed connection."""
        if self.closed:
            return
        self._unsent += data
        self._flush()

    def close(self) -> None:
        """Close now and tell on_close."""
        if self.closed:
            return
        self.closed = True
        self._loop.unwatch(self._sock.fileno())
        self._sock.close()
        self._on_close()

    def _ready(self, events: int) -> None:
        if events & WRITE:
            self._flush()
        if not self.closed and events & ~WRITE:
            self._receive()

    def _receive(self) -> None:
        try:
            data = self._sock.recv(_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close()
            return
        for frame in self._reader.feed(data):
            self._on_frame(frame)
            if self.closed:
                return

    def _flush(self) -> None:
        before = bool(self._unsent)
        try:
            while self._unsent:
                del self._unsent[: self._sock.send(self._unsent)]
        except BlockingIOError:
            pass
        except OSError:
            self.close()
            return
        if before:
            self._loop.watch(self._sock.fileno(), READ | WRITE if self._unsent else READ, self._ready)
