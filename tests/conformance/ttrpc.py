"""A blocking ttrpc client and a collector of events, for driving a shim as containerd does."""

from __future__ import annotations

import socket
import threading
from typing import TYPE_CHECKING, TypeVar

from reaper_runtime.wire import messages as m
from reaper_runtime.wire.ttrpc import REQUEST, RESPONSE, FrameReader, encode_frame
from tests.patience import patience

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reaper_runtime.wire.protobuf import Message

Reply = TypeVar("Reply", bound="Message")

EVENTS = {
    f"containerd.events.{kind.__name__}": kind
    for kind in (
        m.TaskCreate,
        m.TaskStart,
        m.TaskExit,
        m.TaskDelete,
        m.TaskExecAdded,
        m.TaskExecStarted,
        m.TaskOOM,
        m.TaskPaused,
        m.TaskResumed,
    )
}


class RpcError(Exception):
    """The shim refused: google.rpc.Code and message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(f"code {code}: {message}")
        self.code = code
        self.message = message


class Call:
    """A request under way; result() waits for its answer."""

    def __init__(self) -> None:
        self._done = threading.Event()
        self._response = m.Response()
        self._lost = False

    def answer(self, response: m.Response | None) -> None:
        """Give the response, or None when the connection was lost."""
        self._lost = response is None
        self._response = response or m.Response()
        self._done.set()

    def result(self, kind: type[Reply], seconds: float = 10) -> Reply:
        """The answer; raises RpcError, ConnectionError, or TimeoutError."""
        if not self._done.wait(patience(seconds)):
            raise TimeoutError(f"no answer within {patience(seconds):g} s")
        if self._lost:
            raise ConnectionError("the shim closed the connection")
        status = self._response.status
        if status is not None and status.code:
            raise RpcError(status.code, status.message)
        return kind.decode(self._response.payload)


class Client:
    """One connection to a shim; calls may overlap."""

    def __init__(self, path: str, service: str) -> None:
        self._service = service
        self._sock = socket.socket(socket.AF_UNIX)
        self._sock.connect(path)
        self._stream = -1
        self._calls: dict[int, Call] = {}
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def begin(self, method: str, request: Message) -> Call:
        """Send a request and do not wait."""
        call = Call()
        body = m.Request(service=self._service, method=method, payload=request.encode()).encode()
        with self._lock:
            self._stream += 2
            self._calls[self._stream] = call
            self._sock.sendall(encode_frame(self._stream, REQUEST, body))
        return call

    def call(self, method: str, request: Message, kind: type[Reply], seconds: float = 10) -> Reply:
        """Send a request and wait for its answer; raises RpcError when it is refused."""
        return self.begin(method, request).result(kind, seconds)

    def send_raw(self, data: bytes) -> None:
        """Bytes as they are, for what no client should send."""
        self._sock.sendall(data)

    def close(self) -> None:
        """Close the connection and wait for the reader."""
        self._sock.shutdown(socket.SHUT_RDWR)
        self._reader.join(patience(5))
        self._sock.close()

    def _read(self) -> None:
        frames = FrameReader()
        while data := _receive(self._sock):
            for frame in frames.feed(data):
                if frame.type == RESPONSE and frame.stream in self._calls:
                    self._calls.pop(frame.stream).answer(m.Response.decode(frame.body))
        for call in self._calls.values():
            call.answer(None)


class EventCollector:
    """Listens as containerd's event service does, and keeps what shims send, in order."""

    def __init__(self, path: Path) -> None:
        self.address = str(path)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(16)
        self._events: list[Message] = []
        self._changed = threading.Condition()
        threading.Thread(target=self._accept, daemon=True).start()

    def wait_for(self, condition: Callable[[list[Message]], bool], seconds: float = 10) -> list[Message]:
        """All events so far, once the condition holds for them; raises TimeoutError with what there was."""
        with self._changed:
            if not self._changed.wait_for(lambda: condition(self._events), patience(seconds)):
                raise TimeoutError(f"events so far: {self._events}")
            return list(self._events)

    def close(self) -> None:
        """Stop listening."""
        self._listener.shutdown(socket.SHUT_RDWR)  # which wakes accept(); close() alone would not
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(sock,), daemon=True).start()

    def _serve(self, sock: socket.socket) -> None:
        frames = FrameReader()
        with sock:
            while data := _receive(sock):
                for frame in frames.feed(data):
                    self._keep(m.ForwardRequest.decode(m.Request.decode(frame.body).payload))
                    reply = m.Response(status=m.Status(), payload=m.Empty().encode())
                    try:
                        sock.sendall(encode_frame(frame.stream, RESPONSE, reply.encode()))
                    except (BrokenPipeError, ConnectionResetError):
                        return  # the shim was killed, or has ended: it does not wait for the last answer

    def _keep(self, request: m.ForwardRequest) -> None:
        envelope = request.envelope
        assert envelope is not None
        assert envelope.event is not None
        assert envelope.timestamp is not None
        assert envelope.timestamp.seconds > 0, "containerd refuses an event without a time"
        assert envelope.topic.startswith("/tasks/")
        with self._changed:
            self._events.append(EVENTS[envelope.event.type_url].decode(envelope.event.value))
            self._changed.notify_all()


def _receive(sock: socket.socket) -> bytes:
    try:
        return sock.recv(1 << 16)
    except OSError:
        return b""
