"""A network that holds bytes back: they arrive in the end, long after their sender has given up."""

from __future__ import annotations

import contextlib
import socket
import threading

_CHUNK = 65536


class SlowNetwork:
    """A TCP proxy on loopback."""

    def __init__(self, port: int) -> None:
        """`port`: that of the server on loopback."""
        self._server = port
        self._flows = threading.Event()
        self._flows.set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets = [self._listener]
        self.port = int(self._listener.getsockname()[1])
        self.held = 0  # bytes to the server that had to wait
        threading.Thread(target=self._accept, daemon=True).start()

    def hold(self) -> None:
        """From now on nothing arrives, in either direction."""
        self._flows.clear()

    def let_go(self) -> None:
        """All of it arrives."""
        self._flows.set()

    def close(self) -> None:
        self.let_go()
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(("127.0.0.1", self._server))
                self._sockets += [client, server]
                for source, target in ((client, server), (server, client)):
                    arguments = (source, target, source is client)
                    threading.Thread(target=self._pass_on, args=arguments, daemon=True).start()

    def _pass_on(self, source: socket.socket, target: socket.socket, up: bool) -> None:  # noqa: FBT001
        with contextlib.suppress(OSError):
            while data := source.recv(_CHUNK):
                if up and not self._flows.is_set():
                    self.held += len(data)
                self._flows.wait()
                target.sendall(data)
            self._flows.wait()
            target.shutdown(socket.SHUT_WR)
