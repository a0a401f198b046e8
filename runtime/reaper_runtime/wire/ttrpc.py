"""ttrpc frames (containerd/ttrpc PROTOCOL.md): a ten-byte header, then a request, response or data message."""

from _struct import Struct

from reaper_runtime.errors import Internal, MalformedMessage, ReaperError, ResourceExhausted

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

REQUEST, RESPONSE = 1, 2
MAX_MESSAGE = 4 << 20  # bytes; "Data length" in PROTOCOL.md

_HEADER = Struct(">IIBB")


class Frame:
    """One message: stream id, type, body, and the length that its header claims.

    An oversized frame has an empty body. Flags are not kept: they are of streaming calls only.
    """

    __slots__ = ("body", "length", "stream", "type")

    def __init__(self, stream: int, kind: int, length: int, body: bytes) -> None:
        self.stream = stream
        self.type = kind
        self.length = length
        self.body = body

    def check_size(self) -> None:
        """Raise ResourceExhausted if the frame was longer than the protocol allows; its body has been discarded."""
        if self.length > MAX_MESSAGE:
            raise ResourceExhausted(f"message of {self.length} bytes exceeds the limit of {MAX_MESSAGE} bytes")


def encode_frame(stream: int, kind: int, body: bytes) -> bytes:
    """Header and body; raises ResourceExhausted when the body exceeds the protocol's limit."""
    if len(body) > MAX_MESSAGE:
        raise ResourceExhausted(f"message of {len(body)} bytes exceeds the limit of {MAX_MESSAGE} bytes")
    return _HEADER.pack(len(body), stream, kind, 0) + body


class FrameReader:
    """Cuts a byte stream into frames. An oversized body is skipped as it arrives and never held in memory."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._skip = 0
        self._skipped: Frame | None = None

    def feed(self, data: bytes) -> "Iterator[Frame]":
        """The frames that are complete with this data."""
        self._buffer += data
        while True:
            if self._skipped is not None:
                cut = min(self._skip, len(self._buffer))
                del self._buffer[:cut]
                self._skip -= cut
                if self._skip:
                    return
                frame, self._skipped = self._skipped, None
                yield frame
            if len(self._buffer) < _HEADER.size:
                return
            length, stream, kind, _flags = _HEADER.unpack_from(self._buffer)
            if length > MAX_MESSAGE:
                del self._buffer[: _HEADER.size]
                self._skip, self._skipped = length, Frame(stream, kind, length, b"")
                continue
            end = _HEADER.size + length
            if len(self._buffer) < end:
                return
            body = bytes(self._buffer[_HEADER.size : end])
            del self._buffer[:end]
            yield Frame(stream, kind, length, body)


def check_client_stream(stream: int, last: int) -> None:
    """A client's stream ids are odd and rise; raises MalformedMessage otherwise."""
    if stream % 2 == 0:
        raise MalformedMessage(f"stream id {stream} is even: a client's ids are odd")
    if stream <= last:
        raise MalformedMessage(f"stream id {stream} was used before (last: {last})")


def code_of(error: BaseException) -> int:
    """The google.rpc.Code of an error: INTERNAL for what is not one of ours."""
    return error.ttrpc_code if isinstance(error, ReaperError) else Internal.ttrpc_code
