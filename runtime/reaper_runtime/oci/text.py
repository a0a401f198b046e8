"""JSON, and the texts in it that can be arguments, paths or part of an environment."""

from _json import make_scanner  # `json` would bring regular expressions and enumerations along (stdlib.py)

from reaper_runtime.errors import InvalidBundle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _Options:
    """Those of json.JSONDecoder, as it has them by default."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int
    parse_constant = float


_scan = make_scanner(_Options)  # type: ignore[arg-type]  # it is documented by json.decoder only


def decode(data: bytes, where: str) -> "Any":
    """The JSON value; `where` begins the message of the InvalidBundle that is raised."""
    try:
        text = data.decode().strip(" \t\r\n")
        value, end = _scan(text, 0)
    except (ValueError, RecursionError, StopIteration, SystemError):  # the last is what it has for errors of its own
        return _decode_slowly(data, where)
    return value if end == len(text) else _decode_slowly(data, where)


def _decode_slowly(data: bytes, where: str) -> "Any":
    """With the whole decoder, which says what is wrong, and in which line."""
    try:
        import json
    except ImportError:  # another version has taken the place of the files of this one
        raise InvalidBundle(f"{where} is not JSON") from None
    try:
        return json.loads(data)
    except (ValueError, RecursionError) as error:
        raise InvalidBundle(f"{where} is not JSON: {error}") from error


def is_text(value: "Any") -> bool:
    """Whether the system can be given a value: no NUL, nothing but Unicode (JSON can name half a character)."""
    if not isinstance(value, str) or "\0" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
