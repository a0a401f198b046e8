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
    except StopIteration as error:
        raise InvalidBundle(f"{where} is not JSON: a value is missing at character {error.value}") from None
    except (ValueError, RecursionError) as error:
        raise InvalidBundle(f"{where} is not JSON: {error}") from error
    except SystemError:  # the scanner's own error, whose class it does not find where json.decoder is not imported
        raise InvalidBundle(f"{where} is not JSON") from None
    if end != len(text):
        raise InvalidBundle(f"{where} is not JSON: more follows its end at character {end}")
    return value


def is_text(value: "Any") -> bool:
    """Whether the system can be given a value: no NUL, nothing but Unicode (JSON can name half a character)."""
    if not isinstance(value, str) or "\0" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
