"""JSON, and the texts in it that can be arguments, paths or part of an environment."""

import json

from reaper_runtime.errors import InvalidBundle

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


def decode(data: bytes, where: str) -> "Any":
    """The JSON value; `where` begins the message of the InvalidBundle that is raised."""
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
