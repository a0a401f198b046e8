"""D-Bus values to bytes and back: D-Bus specification, "Type System" and "Marshaling (Wire Format)".

Only the types that a conversation with systemd has: y (byte), b, u, t, s, o, g, v, arrays and structs. In Python these
are int, bool, int, int, str, str, str, (signature, value), list and tuple.
"""

from reaper_runtime.errors import MalformedMessage

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any, Literal

    Order = Literal["little", "big"]

_SIZES = {"y": 1, "b": 4, "u": 4, "t": 8}  # bytes, which are their alignment too
_ALIGNMENTS = {**_SIZES, "s": 4, "o": 4, "g": 1, "v": 1, "a": 4, "(": 8}
_LENGTHS = {"s": 4, "o": 4, "g": 1}  # bytes that a text's length takes
_DEEPEST = 64  # containers in each other


def encode(signature: str, values: "Iterable[Any]") -> bytes:
    """These values, one a complete type of the signature, in the order of bytes of "little".

    Raises ValueError, OverflowError or TypeError for what is not of its type: a defect of ours.
    """
    data = bytearray()
    for kind, value in zip(split(signature), values, strict=True):
        _write(data, kind, value)
    return bytes(data)


def decode(signature: str, data: bytes, order: "Order" = "little") -> "tuple[Any, ...]":
    """The inverse, of bytes that may go on after the last value; raises MalformedMessage."""
    reader = _Reader(data, order)
    return tuple(reader.value(kind) for kind in split(signature))


def split(signature: str) -> list[str]:
    """Its complete types, one after the other; raises MalformedMessage for what is none of those above."""
    found = []
    while signature:
        end = _end(signature, 0)
        found.append(signature[:end])
        signature = signature[end:]
    return found


def padding(length: int, alignment: int) -> int:
    """How many bytes are missing to a multiple of it."""
    return -length % alignment


def _end(signature: str, depth: int) -> int:
    """Where the first complete type ends."""
    first = signature[:1]
    if first not in _ALIGNMENTS or depth > _DEEPEST or signature.startswith("()"):
        raise MalformedMessage(f"{signature[:32]!r} is not a D-Bus signature that is understood here")
    if first == "a":
        return 1 + _end(signature[1:], depth + 1)
    if first != "(":
        return 1
    end = 1
    while signature[end : end + 1] != ")":
        end += _end(signature[end:], depth + 1)
    return end + 1


def _write(data: bytearray, kind: str, value: "Any") -> None:
    first = kind[0]
    data += bytes(padding(len(data), _ALIGNMENTS[first]))
    if first in _SIZES:
        data += int(value).to_bytes(_SIZES[first], "little")
    elif first in _LENGTHS:
        text = value.encode()
        data += len(text).to_bytes(_LENGTHS[first], "little") + text + b"\0"
    elif first == "v":
        signature, content = value
        _write(data, "g", signature)
        _write(data, signature, content)
    elif first == "a":
        _write_array(data, kind[1:], value)
    else:
        for part, item in zip(split(kind[1:-1]), value, strict=True):
            _write(data, part, item)


def _write_array(data: bytearray, kind: str, items: "Iterable[Any]") -> None:
    """Its length is that of its items, without what aligns the first of them."""
    at = len(data)
    data += bytes(4)
    data += bytes(padding(len(data), _ALIGNMENTS[kind[0]]))
    start = len(data)
    for item in items:
        _write(data, kind, item)
    data[at : at + 4] = (len(data) - start).to_bytes(4, "little")


class _Reader:
    def __init__(self, data: bytes, order: "Order") -> None:
        self._data = data
        self._order = order
        self._at = 0
        self._depth = 0

    def value(self, kind: str) -> "Any":
        first = kind[0]
        self._take(padding(self._at, _ALIGNMENTS[first]))
        if first in _SIZES:
            number = int.from_bytes(self._take(_SIZES[first]), self._order)
            return bool(number) if first == "b" else number
        if first in _LENGTHS:
            return self._text(_LENGTHS[first])
        self._depth += 1
        if self._depth > _DEEPEST:
            raise MalformedMessage("D-Bus values are nested too deep")
        found = self._container(first, kind)
        self._depth -= 1
        return found

    def _container(self, first: str, kind: str) -> "Any":
        if first == "v":
            kinds = split(self._text(1))
            if len(kinds) != 1:
                raise MalformedMessage("a D-Bus variant has one value")
            return kinds[0], self.value(kinds[0])
        if first == "a":
            return self._array(kind[1:])
        return tuple(self.value(part) for part in split(kind[1:-1]))

    def _array(self, kind: str) -> "list[Any]":
        length = self.value("u")
        self._take(padding(self._at, _ALIGNMENTS[kind[0]]))
        end = self._at + length
        if end > len(self._data):
            raise MalformedMessage("a D-Bus array is longer than its message")
        found = []
        while self._at < end:
            found.append(self.value(kind))
        if self._at != end:
            raise MalformedMessage("a D-Bus array ends in the midst of an item")
        return found

    def _text(self, size: int) -> str:
        text = self._take(int.from_bytes(self._take(size), self._order))
        if self._take(1) != b"\0":
            raise MalformedMessage("a D-Bus text does not end where it should")
        try:
            return text.decode()
        except UnicodeDecodeError:
            raise MalformedMessage("a D-Bus text is not UTF-8") from None

    def _take(self, count: int) -> bytes:
        taken = self._data[self._at : self._at + count]
        if len(taken) < count:
            raise MalformedMessage("a D-Bus message is shorter than it says")
        self._at += count
        return taken
