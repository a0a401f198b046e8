"""What is wrong with a task, a line each: the path of a field, and a sentence in the words of Kubernetes and YAML."""

from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

BROKEN_RULES = "broken_rules"
MUST_BE_TEXT = "must be text"
_WORDS = {
    "missing": "Required value",
    "string_type": MUST_BE_TEXT,
    "bool_type": "must be true or false",
    "int_type": "must be a whole number",
    "tuple_type": "must be a list",
    "dict_type": "must be a mapping",
    "model_type": "must be a mapping",
    "model_attributes_type": "must be a mapping",
    "string_too_short": "must not be empty",
    "too_short": "must have at least {min_length} item",
    "too_long": "must have at most {max_length} items",
    "string_too_long": "must have at most {max_length} characters",
    "string_pattern_mismatch": "must match {pattern}",
    "greater_than_equal": "must be at least {ge}",
    "less_than_equal": "must be at most {le}",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
}


def broken_rules(broken: list[tuple[str, str]]) -> PydanticCustomError:
    """To raise from a model's validator: paths of fields below the model, and what its rules say about them."""
    return PydanticCustomError(BROKEN_RULES, "{text}", {"text": "; ".join(text for _, text in broken), "of": broken})


def problems_of(error: ValidationError, root: str) -> tuple[str, ...]:
    """Each problem of `error`. `root`: what to call the whole object."""
    errors = error.errors()
    places = [found["loc"] for found in errors]
    return tuple(line for found in errors if not _follows(found, places) for line in _lines(found, root))


def _follows(found: ErrorDetails, places: list[tuple[int | str, ...]]) -> bool:
    """Whether a list is only said to be too short because an item of it is wrong."""
    loc = found["loc"]
    return found["type"] == "too_short" and any(len(place) > len(loc) and place[: len(loc)] == loc for place in places)


def _lines(found: ErrorDetails, root: str) -> Iterator[str]:
    path = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in found["loc"]).lstrip(".")
    context: dict[str, Any] = found.get("ctx") or {}
    if found["type"] == BROKEN_RULES:
        yield from (f"{(path + field).lstrip('.') or root}: {text}" for field, text in context["of"])
        return
    words = _WORDS.get(found["type"])
    yield f"{path or root}: {words.format(**context) if words else found['msg'].removeprefix('Value error, ')}"
