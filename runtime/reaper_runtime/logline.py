"""A line of log as containerd and runc write it: logrus text or JSON (containerd/log, context.go; sirupsen/logrus)."""

import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# needsQuoting of logrus's text_formatter.go
_BARE = frozenset("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._/@^+")
_ESCAPES = {
    '"': '\\"', "\\": "\\\\", "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r", "\t": "\\t", "\v": "\\v",
}  # fmt: skip
_ASCII, _BASIC_PLANE = 0x7F, 0xFFFF


def text(level: str, message: str, fields: "Mapping[str, str]", nanoseconds: int) -> str:
    """One line with its end: time (nanoseconds of the epoch), level, message, then the fields by their names."""
    pairs = [("time", _timestamp(nanoseconds)), ("level", level), ("msg", message), *sorted(fields.items())]
    return " ".join(f"{name}={_value(value)}" for name, value in pairs) + "\n"


def json(level: str, message: str, fields: "Mapping[str, str]", nanoseconds: int) -> str:
    """The same as an object; who calls runc reads the last one for its error."""
    from json import dumps

    entry = {**fields, "level": level, "msg": message, "time": _timestamp(nanoseconds)}
    return dumps(entry, sort_keys=True, ensure_ascii=False) + "\n"


def _timestamp(nanoseconds: int) -> str:
    """RFC 3339 with nine digits after the second, in UTC: containerd's RFC3339NanoFixed."""
    seconds, rest = divmod(nanoseconds, 1_000_000_000)
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)) + f".{rest:09d}Z"


def _value(value: str) -> str:
    return value if _BARE.issuperset(value) else f'"{"".join(map(_escape, value))}"'


def _escape(character: str) -> str:
    """As strconv.Quote of Go."""
    if character in _ESCAPES:
        return _ESCAPES[character]
    if character.isprintable():
        return character
    code = ord(character)
    if code <= _ASCII:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code <= _BASIC_PLANE else f"\\U{code:08x}"
