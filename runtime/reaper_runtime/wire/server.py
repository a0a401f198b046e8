"""A ttrpc server: requests run concurrently, answers leave in whatever order they are ready."""

import _socket
import os
import struct

from reaper_runtime.errors import DeadlineExceeded, MalformedMessage, ReaperError, Unimplemented
from reaper_runtime.loop import READ
from reaper_runtime.wire.connection import Connection
from reaper_runtime.wire.messages import NANOSECONDS, Request, Response, Status
from reaper_runtime.wire.ttrpc import REQUEST, RESPONSE, check_client_stream, code_of, encode_frame

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from reaper_runtime.loop import Loop
    from reaper_runtime.wire.protobuf import Message
    from reaper_runtime.wire.ttrpc import Frame

    Handler = Callable[[Message], Awaitable[Message]]
    Methods = Mapping[str, tuple[type[Message], Handler]]


_MAX_REASON = 16 << 10  # characters of an error's message: an answer has to fit into a frame
_PAUSE = 0.2  # seconds until the next accept when there are no descriptors left


class Server:
    """Serves methods on a listening Unix socket to processes of our own user (SO_PEERCRED)."""

    def __init__(
        self,
        loop: "Loop",
        listener: _socket.socket,
        services: "Mapping[str, Methods]",
        log: "Callable[[str], None]",
    ) -> None:
        """services: service name -> method name -> (request class, coroutine function). Takes the socket over."""
        listener.setblocking(False)
        self._loop = loop
        self._listener = listener
        self._services = services
        self._log = log
        self.connections: set[Connection] = set()
        self._listen()

    def stop_listening(self) -> None:
        """Accept nobody any more; connections live on. Harmless when done before."""
        self._loop.unwatch(self._listener.fileno())
        self._listener.close()

    def close(self) -> None:
        """Stop listening and drop all connections."""
        self.stop_listening()
        for connection in list(self.connections):
            connection.close()

    def _listen(self) -> None:
        if self._listener.fileno() >= 0:
            self._loop.watch(self._listener.fileno(), READ, self._accept)

    def _accept(self, _events: int) -> None:
        try:
            sock = accept(self._listener)
        except (BlockingIOError, ConnectionAbortedError):
            return
        except OSError as error:  # no descriptors or memory left: the client waits in the queue meanwhile
            self._log(f"cannot accept a connection: {error.strerror}")
            self._loop.unwatch(self._listener.fileno())
            self._loop.call_later(_PAUSE, self._listen)
            return
        pid, uid = peer(sock)
        if uid != os.geteuid():
            self._log(f"refused a connection of user {uid} (process {pid}): only user {os.geteuid()} may connect")
            sock.close()
            return
        _Session(self, sock)


class _Session:
    """One client: its connection, its last stream id, its running requests."""

    def __init__(self, server: Server, sock: _socket.socket) -> None:
        self._server = server
        self._last_stream = 0
        self._connection = Connection(server._loop, sock, self._frame, self._closed)
        server.connections.add(self._connection)

    def _closed(self) -> None:
        self._server.connections.discard(self._connection)

    def _frame(self, frame: "Frame") -> None:
        try:
            check_client_stream(frame.stream, self._last_stream)
        except MalformedMessage as error:
            self._server._log(f"closed a connection: {error}")
            self._connection.close()
            return
        self._last_stream = frame.stream
        answer = self._server._loop.spawn(self._call(frame))
        answer.when_done(lambda: self._connection.send(answer.result()))

    async def _call(self, frame: "Frame") -> bytes:
        """The answer to a frame as bytes; errors become a status, so that one bad call costs only itself."""
        try:
            frame.check_size()
            if frame.type != REQUEST:
                raise MalformedMessage(f"message type {frame.type}: only requests ({REQUEST}) are served")
            request = Request.decode(frame.body)
            message_class, handler = self._method(request)
            reply = await self._within(request.timeout_nano, handler(message_class.decode(request.payload)))
            return encode_frame(frame.stream, RESPONSE, Response(status=Status(), payload=reply.encode()).encode())
        except Exception as error:  # noqa: BLE001  # whatever it is, the client must hear of it
            if not isinstance(error, ReaperError):
                self._server._log(f"defect: {type(error).__name__}: {error}")
            reason = str(error)[:_MAX_REASON] or type(error).__name__
            status = Status(code=code_of(error), message=reason)
            return encode_frame(frame.stream, RESPONSE, Response(status=status).encode())

    def _method(self, request: Request) -> "tuple[type[Message], Handler]":
        methods = self._server._services.get(request.service)
        if methods is None:
            raise Unimplemented(f"service {request.service!r} is not served here")
        if request.method not in methods:
            raise Unimplemented(f"{request.service} has no method {request.method!r} in this runtime")
        return methods[request.method]

    async def _within(self, timeout_nano: int, call: "Awaitable[Message]") -> "Message":
        """The call's result, or DeadlineExceeded once the client has stopped waiting; the call itself goes on."""
        if timeout_nano <= 0:
            return await call
        loop = self._server._loop
        result = loop.spawn(call)  # type: ignore[arg-type]
        seconds = timeout_nano / NANOSECONDS
        timer = loop.call_later(
            seconds, lambda: result.fail(DeadlineExceeded(f"no answer within the {seconds:g} s that the caller gave"))
        )
        try:
            reply: Message = await result
            return reply
        finally:
            timer.cancel()


def accept(listener: _socket.socket) -> _socket.socket:
    """The next connection to a listening Unix socket; raises OSError."""
    fd, _ = listener._accept()  # type: ignore[attr-defined]  # accept() itself is of the class in `socket`
    return _socket.socket(listener.family, listener.type, listener.proto, fd)


def peer(sock: _socket.socket) -> tuple[int, int]:
    """Process id and user id of the other side, as the kernel recorded them at connect (unix(7), SO_PEERCRED)."""
    pid, uid, _ = struct.unpack("3i", sock.getsockopt(_socket.SOL_SOCKET, _socket.SO_PEERCRED, 12))
    return pid, uid
