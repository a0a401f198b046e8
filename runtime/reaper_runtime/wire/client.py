"""A ttrpc client in the loop: one call at a time is enough for what we call."""

import _socket

from reaper_runtime.errors import ReaperError, Unavailable
from reaper_runtime.loop import Future
from reaper_runtime.wire.connection import Connection
from reaper_runtime.wire.messages import Request, Response
from reaper_runtime.wire.ttrpc import REQUEST, encode_frame

TYPE_CHECKING = False
if TYPE_CHECKING:
    from reaper_runtime.loop import Loop
    from reaper_runtime.wire.protobuf import Message
    from reaper_runtime.wire.ttrpc import Frame

_AGAIN = (4, 8, 14)  # DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, UNAVAILABLE of google.rpc.Code


class Refused(ReaperError):
    """The other side of a call answered with an error, in its own words."""

    def __init__(self, method: str, code: int, reason: str) -> None:
        super().__init__(f"{method}: {reason} (code {code})")
        self.reason = reason
        self.may_succeed_later = code in _AGAIN


class Client:
    """A connection to a Unix socket. Raises Unavailable when it cannot be made, or is lost during a call."""

    def __init__(self, loop: "Loop", path: str) -> None:
        self._loop = loop
        self._path = path
        self._stream = -1
        self._pending: dict[int, Future] = {}
        sock = None
        try:
            sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_NONBLOCK)
            sock.connect(path)  # at once, or EAGAIN where the other side's queue is full
            self._connection = Connection(loop, sock, self._frame, self._closed)
        except OSError as error:
            if sock is not None:
                sock.close()
            raise Unavailable(f"{path} cannot be reached: {error.strerror}") from error

    @property
    def closed(self) -> bool:
        """Whether the connection is gone: a new Client is needed then."""
        return self._connection.closed

    async def call(self, service: str, method: str, request: "Message", seconds: float | None) -> bytes:
        """The answer's payload; raises Refused with the other side's message. No answer in time is Unavailable.

        seconds is None for what may take as long as it likes: the end of a process.
        """
        if self.closed:
            raise Unavailable(f"the connection to {self._path} was closed")
        self._stream += 2
        answer = self._pending[self._stream] = Future()
        body = Request(service=service, method=method, payload=request.encode()).encode()
        self._connection.send(encode_frame(self._stream, REQUEST, body))
        timer = None if seconds is None else self._loop.call_later(seconds, self.close)
        try:
            response: Response = await answer
        finally:
            if timer is not None:
                timer.cancel()
        if response.status is not None and response.status.code:
            raise Refused(method, response.status.code, response.status.message)
        return response.payload

    def close(self) -> None:
        """Close; calls under way fail with Unavailable."""
        self._connection.close()

    def _frame(self, frame: "Frame") -> None:
        answer = self._pending.pop(frame.stream, None)
        if answer is None:
            return
        try:
            frame.check_size()
            answer.set(Response.decode(frame.body))
        except ReaperError as error:
            answer.fail(error)

    def _closed(self) -> None:
        pending, self._pending = self._pending, {}
        for answer in pending.values():
            answer.fail(Unavailable(f"the connection to {self._path} was lost"))
