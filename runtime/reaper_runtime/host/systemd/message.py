"""One D-Bus message: D-Bus specification, "Message Protocol"."""

from reaper_runtime.errors import MalformedMessage
from reaper_runtime.host.systemd import marshalling

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

CALL, ANSWER, ERROR, SIGNAL = 1, 2, 3, 4
LARGEST = 1 << 20  # bytes: the specification has 128 MiB, what systemd tells of a job has 200 bytes
_FIXED = 16  # bytes that tell how long a message is
_VERSION = 1
_HEADER = "yyyyuua(yv)"  # order of bytes, kind, flags, version, length of the body, serial number, fields
_FIELDS = {1: "path", 2: "interface", 3: "member", 4: "error", 5: "reply_to", 6: "destination", 8: "signature"}
_KINDS = {"path": "o", "reply_to": "u", "signature": "g"}  # of their values; all others are s


class Message:
    """Its kind, its serial number, the fields of its header, and its body as bytes."""

    __slots__ = ("_body", "_order", "fields", "kind", "serial")

    def __init__(
        self,
        kind: int,
        serial: int,
        fields: "dict[str, Any]",
        body: bytes = b"",
        order: "marshalling.Order" = "little",
    ) -> None:
        """fields: path, interface, member, error, reply_to, destination and signature, as far as it has them."""
        self.kind = kind
        self.serial = serial
        self.fields = fields
        self._body = body
        self._order: marshalling.Order = order

    def encode(self) -> bytes:
        """The bytes of it; those of the header are a multiple of 8."""
        numbers = {name: number for number, name in _FIELDS.items()}
        fields = [(numbers[name], (_KINDS.get(name, "s"), value)) for name, value in self.fields.items()]
        fixed = (ord("l"), self.kind, 0, _VERSION, len(self._body), self.serial)
        header = marshalling.encode(_HEADER, (*fixed, fields))
        return header + bytes(marshalling.padding(len(header), 8)) + self._body

    @classmethod
    def decode(cls, data: bytes) -> "Self":
        """Of a whole message, as length() says; raises MalformedMessage. Fields that are not known are left out."""
        order = _order(data)
        kind, _, version, size, serial, pairs = marshalling.decode(_HEADER, data, order)[1:]
        if version != _VERSION:
            raise MalformedMessage(f"a message of version {version} of D-Bus")
        fields = {}
        for number, (signature, value) in pairs:
            name = _FIELDS.get(number)
            if name is not None:
                if signature != _KINDS.get(name, "s"):
                    raise MalformedMessage(f"the field {name} of a D-Bus message has the type {signature}")
                fields[name] = value
        return cls(kind, serial, fields, data[len(data) - size :], order)

    def body(self, signature: str) -> "tuple[Any, ...]":
        """Its values; raises MalformedMessage where they are not of this signature."""
        if self.fields.get("signature", "") != signature:
            raise MalformedMessage(f"a D-Bus message has {self.fields.get('signature', '')!r}, not {signature!r}")
        return marshalling.decode(signature, self._body, self._order)


def call(serial: int, fields: "dict[str, Any]", signature: str, values: "tuple[Any, ...]") -> Message:
    """A method call with these values."""
    whole = {**fields, "signature": signature} if signature else fields
    return Message(CALL, serial, whole, marshalling.encode(signature, values))


def length(data: bytes) -> int | None:
    """How many bytes the message at their beginning has, None while they do not tell; raises MalformedMessage."""
    if len(data) < _FIXED:
        return None
    order = _order(data)
    body, fields = (int.from_bytes(data[at : at + 4], order) for at in (4, 12))
    header = _FIXED + fields
    whole = header + marshalling.padding(header, 8) + body
    if whole > LARGEST:
        raise MalformedMessage(f"a D-Bus message of {whole} bytes")
    return whole


def _order(data: bytes) -> "marshalling.Order":
    if data[:1] not in (b"l", b"B"):
        raise MalformedMessage("what came is not a D-Bus message")
    return "little" if data[:1] == b"l" else "big"
