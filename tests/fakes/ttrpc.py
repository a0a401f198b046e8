"""The other side of a ttrpc connection, in the same loop: sends any bytes, and collects the frames that come."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING

from reaper_runtime.loop import READ, Future, Loop
from reaper_runtime.wire.messages import Request, Response, Status
from reaper_runtime.wire.server import Server
from reaper_runtime.wire.ttrpc import REQUEST, RESPONSE, Frame, FrameReader, encode_frame

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reaper_runtime.wire.protobuf import Message
    from reaper_runtime.wire.server import Methods


def listen(path: Path) -> socket.socket:
    """A listening socket."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    listener.bind(str(path))
    listener.listen()
    return listener


class Peer:
    """A client of a server under test."""

    def __init__(self, loop: Loop, path: Path) -> None:
        self.loop = loop
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.connect(str(path))
        self.sock.setblocking(False)
        self.frames: list[Frame] = []
        self.closed = Future()
        self._reader = FrameReader()
        self._waiting: list[Future] = []
        self._stream = -1
        loop.watch(self.sock.fileno(), READ, self._receive)

    async def send(self, data: bytes) -> None:
        """Send bytes as they are, however long the other side takes."""
        view = memoryview(data)
        while view:
            try:
                view = view[self.sock.send(view) :]
            except BlockingIOError:
                over = Future()
                self.loop.call_later(0.001, over.set)
                await over

    async def request(self, service: str, method: str, payload: Message, timeout_nano: int = 0) -> int:
        """Send a request; gives its stream id."""
        self._stream += 2
        request = Request(service=service, method=method, payload=payload.encode(), timeout_nano=timeout_nano)
        await self.send(encode_frame(self._stream, REQUEST, request.encode()))
        return self._stream

    async def answer(self, stream: int) -> Response:
        """The answer on a stream; raises ConnectionError if there will not be one."""
        while True:
            for frame in self.frames:
                if frame.stream == stream:
                    assert frame.type == RESPONSE
                    self.frames.remove(frame)
                    return Response.decode(frame.body)
            if self.closed.done:
                raise ConnectionError("the server closed the connection")
            more = Future()
            self._waiting.append(more)
            await more

    async def call(self, service: str, method: str, payload: Message, timeout_nano: int = 0) -> Response:
        """Request and answer."""
        return await self.answer(await self.request(service, method, payload, timeout_nano))

    def close(self) -> None:
        """Go away. Harmless when closed before."""
        if self.sock.fileno() >= 0:
            self.loop.unwatch(self.sock.fileno())
            self.sock.close()

    def _receive(self, _events: int) -> None:
        try:
            data = self.sock.recv(1 << 16)
        except BlockingIOError:
            return
        except ConnectionResetError:
            data = b""
        if data:
            self.frames += self._reader.feed(data)
        else:
            self.close()
            self.closed.set()
        waiting, self._waiting = self._waiting, []
        for future in waiting:
            future.set()


class FakeContainerd:
    """containerd's event service: keeps what is forwarded to it, unless it is down or refuses."""

    SERVICE = "containerd.services.events.ttrpc.v1.Events"

    def __init__(self, loop: Loop, path: Path) -> None:
        self.loop = loop
        self.path = path
        self.received: list[Message] = []
        self.server: Server | None = None
        self.start()

    def start(self) -> None:
        """Listen, as after a restart."""
        self.server = Server(self.loop, listen(self.path), {self.SERVICE: self.methods()}, lambda _line: None)

    def stop(self) -> None:
        """Go down: connections are lost and new ones refused. Harmless when it is down."""
        if self.server is not None:
            self.server.close()
            self.server = None
            os.unlink(self.path)  # noqa: PTH108

    def methods(self) -> Methods:
        from reaper_runtime.wire.messages import Empty, ForwardRequest

        async def forward(request: Message) -> Message:
            self.received.append(request)
            return Empty()

        return {"Forward": (ForwardRequest, forward)}


def code(response: Response) -> int:
    """The google.rpc.Code of an answer: 0 is success."""
    return (response.status or Status()).code


def message(response: Response) -> str:
    """The message of an answer that is an error."""
    return (response.status or Status()).message


def collect(lines: list[str]) -> Callable[[str], None]:
    """A log that keeps its lines."""
    return lines.append
