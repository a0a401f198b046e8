"""Protocol buffers wire format, as far as containerd's messages use it (protobuf.dev/programming-guides/encoding).

A message is a class whose fields are declared with their numbers:

    class KillRequest(Message):
        id: str = field(1, STRING)
        signal: int = field(3, UINT)

Unknown fields are skipped, as the format demands; proto3 default values are not written.
Only C modules are imported, since the commands that containerd waits for use this too.
"""

from reaper_runtime.errors import MalformedMessage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any, ClassVar, Self

STRING = "string"
BYTES = "bytes"
UINT = "uint"  # uint32, uint64 and enums
INT = "int"  # int32 and int64: negative values as ten bytes of two's complement
BOOL = "bool"

VARINT, FIXED64, LENGTH, FIXED32 = 0, 1, 2, 5
_DEFAULTS = {STRING: "", BYTES: b"", UINT: 0, INT: 0, BOOL: False}
_FIXED = {FIXED64: 8, FIXED32: 4}  # bytes
_64_BITS = (1 << 64) - 1


class Field:
    """One declared field: its number, its kind (a scalar name or a Message class) and whether it repeats."""

    __slots__ = ("kind", "name", "number", "repeated")

    def __init__(self, number: int, kind: "str | type[Message]", *, repeated: bool) -> None:
        self.number = number
        self.kind = kind
        self.repeated = repeated
        self.name = ""

    def default(self) -> "Any":
        """The value of a field that is not on the wire: None for a message, as in proto3."""
        if self.repeated:
            return []
        return _DEFAULTS[self.kind] if isinstance(self.kind, str) else None


def field(number: int, kind: "str | type[Message]") -> "Any":
    """Declare a singular field of a Message."""
    return Field(number, kind, repeated=False)


def repeated(number: int, kind: "str | type[Message]") -> "Any":
    """Declare a repeated field of a Message. Scalars are written unpacked and read in both forms."""
    return Field(number, kind, repeated=True)


class Message:
    """Base of all messages: keyword construction, encode(), decode(), equality."""

    __slots__ = ()
    _fields: "ClassVar[tuple[Field, ...]]" = ()
    _by_number: "ClassVar[Mapping[int, Field]]"

    def __init_subclass__(cls) -> None:
        fields = []
        for name, value in list(vars(cls).items()):
            if isinstance(value, Field):
                value.name = name
                fields.append(value)
                delattr(cls, name)
        cls._fields = tuple(sorted(fields, key=lambda declared: declared.number))
        cls._by_number = {declared.number: declared for declared in fields}

    def __init__(self, **values: "Any") -> None:
        for declared in self._fields:
            setattr(self, declared.name, values.pop(declared.name) if declared.name in values else declared.default())
        if values:
            raise TypeError(f"{type(self).__name__} has no field {', '.join(values)}")

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    __hash__ = None  # type: ignore[assignment]  # messages are mutable

    def __repr__(self) -> str:
        inner = ", ".join(f"{declared.name}={getattr(self, declared.name)!r}" for declared in self._fields)
        return f"{type(self).__name__}({inner})"

    def encode(self) -> bytes:
        """The message on the wire, fields in order of their numbers."""
        parts: list[bytes] = []
        for declared in self._fields:
            value = getattr(self, declared.name)
            if declared.repeated:
                for item in value:
                    _encode(parts, declared, item)
            elif value or (value is not None and isinstance(declared.kind, type)):
                _encode(parts, declared, value)
        return b"".join(parts)

    @classmethod
    def decode(cls, data: bytes) -> "Self":
        """Read a message; raises MalformedMessage when data is not one."""
        message = cls()
        try:
            _decode_into(message, data)
        except (IndexError, UnicodeDecodeError) as error:
            raise MalformedMessage(f"not a {cls.__name__}: {error}") from error
        return message


def encode_varint(value: int) -> bytes:
    """Little-endian base 128; negative numbers as 64-bit two's complement."""
    value &= _64_BITS
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def decode_varint(data: bytes, at: int) -> tuple[int, int]:
    """The number at an offset and the offset after it; raises IndexError at the end of the data."""
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value & _64_BITS, at
        shift += 7
        if shift > 63:
            raise MalformedMessage("a varint is longer than ten bytes")


def _encode(parts: list[bytes], declared: Field, value: "Any") -> None:
    kind = declared.kind
    if kind in (UINT, INT, BOOL):
        parts += encode_varint(declared.number << 3 | VARINT), encode_varint(int(value))
        return
    if kind is STRING:
        value = value.encode(errors="replace")  # what is not Unicode must not keep an answer from being sent
    data = value if isinstance(value, bytes) else value.encode()
    parts += encode_varint(declared.number << 3 | LENGTH), encode_varint(len(data)), data


def _decode_into(message: Message, data: bytes) -> None:
    at = 0
    while at < len(data):
        key, at = decode_varint(data, at)
        number, wire = key >> 3, key & 7
        raw, at = _raw(data, at, wire, number)
        declared = message._by_number.get(number)
        if declared is None:
            continue
        if isinstance(raw, bytes) != _is_length_delimited(declared) or wire in _FIXED:
            if not (declared.repeated and isinstance(raw, bytes)):
                raise MalformedMessage(f"field {number} of {type(message).__name__} has wire type {wire}")
            getattr(message, declared.name).extend(_packed(declared, raw))
        elif declared.repeated:
            getattr(message, declared.name).append(_value(declared, raw))
        else:
            setattr(message, declared.name, _value(declared, raw))


def _is_length_delimited(declared: Field) -> bool:
    return declared.kind not in (UINT, INT, BOOL)


def _raw(data: bytes, at: int, wire: int, number: int) -> tuple[int | bytes, int]:
    if number == 0:
        raise MalformedMessage("field number 0")
    if wire == VARINT:
        return decode_varint(data, at)
    if wire == LENGTH:
        length, at = decode_varint(data, at)
        if at + length > len(data):
            raise MalformedMessage(f"field {number} claims {length} bytes, {len(data) - at} are left")
        return data[at : at + length], at + length
    if wire in _FIXED:
        size = _FIXED[wire]
        if at + size > len(data):
            raise MalformedMessage(f"field {number} is cut short")
        return int.from_bytes(data[at : at + size], "little"), at + size
    raise MalformedMessage(f"field {number} has the unsupported wire type {wire}")


def _packed(declared: Field, raw: bytes) -> "list[Any]":
    values, at = [], 0
    while at < len(raw):
        number, at = decode_varint(raw, at)
        values.append(_value(declared, number))
    return values


def _value(declared: Field, raw: int | bytes) -> "Any":
    kind = declared.kind
    if isinstance(raw, bytes):
        if kind is STRING:
            return raw.decode()
        return raw if kind is BYTES else kind.decode(raw)  # type: ignore[union-attr]
    if kind is BOOL:
        return bool(raw)
    return raw - (1 << 64) if kind is INT and raw >> 63 else raw
