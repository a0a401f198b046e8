"""Kinds of values that several fields share, with Kubernetes' own bounds: what passes here must not fail in the Pod.

A test asks a real API server for such Pods. Every string and list has a bound: the API server refuses rules that could
become expensive.
"""

from collections.abc import Callable
from typing import Annotated, Any

from pydantic import Field

from reaper_api.names import (
    LABEL_KEY,
    LABEL_VALUE,
    MAX_LABEL_KEY,
    MAX_LABEL_PREFIX,
    MAX_LABEL_VALUE,
    MAX_NAME,
    is_label_key,
    is_match,
)
from reaper_api.rules import Rule

MAX_ID = 2147483647  # what Kubernetes accepts as a uid or gid
MAX_PATH = 4095

ATOMIC = {"x-kubernetes-list-type": "atomic"}
NAMED = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
SET = {"x-kubernetes-list-type": "set"}
INT32 = {"format": "int32"}
INT64 = {"format": "int64"}

# Neither `.` nor anything that begins with `..`: such keys would lead out of a directory.
CONFIG_KEY = "^([.]?[-_a-zA-Z0-9][-._a-zA-Z0-9]*)$"

LabelKey = Annotated[str, Field(min_length=1, max_length=MAX_LABEL_KEY)]
LabelValue = Annotated[str, Field(max_length=MAX_LABEL_VALUE)]
ObjectName = Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
ShortName = Annotated[str, Field(min_length=1, max_length=63)]
ConfigKey = Annotated[str, Field(min_length=1, max_length=MAX_NAME)]
NoNul = Annotated[str, Field(pattern="^[^\\x00]*$")]
Path = Annotated[NoNul, Field(min_length=1, max_length=MAX_PATH)]
Flag = Annotated[bool, Field(strict=True)]
Id = Annotated[int, Field(strict=True, ge=0, le=MAX_ID, json_schema_extra=INT64)]
Seconds = Annotated[int, Field(strict=True, ge=0, le=MAX_ID, json_schema_extra=INT64)]


def cel_is_label_key(key: str) -> str:
    """is_label_key() in CEL; `key` is an expression."""
    return f"({key}.matches('{LABEL_KEY}') && {key}.indexOf('/') <= {MAX_LABEL_PREFIX})"


def matches(field: str, pattern: str, message: str) -> Rule:
    """The rule that a text field, where it is there, matches. `field` is its name in YAML."""
    return of_field(field, f"self.matches('{pattern}')", lambda text: is_match(pattern, text), message)


def label_key(field: str, message: str) -> Rule:
    """The rule that a field, where it is there, is a key of a label."""
    return of_field(field, cel_is_label_key("self"), is_label_key, message)


def label_keys(field: str, message: str) -> Rule:
    """The rule that the keys of a mapping, where it is there, are those of labels."""
    cel = f"self.all(k, {cel_is_label_key('k')})"
    return of_field(field, cel, lambda labels: all(map(is_label_key, labels)), message)


def label_values(field: str, *, of: str = "list") -> Rule:
    """The rule that a field, where it is there, has values of labels. `of`: text, list, or mapping (its values)."""
    cel = {
        "text": f"self.matches('{LABEL_VALUE}')",
        "list": f"self.all(v, v.matches('{LABEL_VALUE}'))",
        "mapping": f"self.all(k, self[k].matches('{LABEL_VALUE}'))",
    }

    def holds(value: Any) -> bool:
        texts = [value] if of == "text" else value.values() if of == "mapping" else value
        return all(is_match(LABEL_VALUE, text) for text in texts)

    message = "a label's value has letters, digits, '-', '_' and '.' only, and begins and ends with a letter or a digit"
    return of_field(field, cel[of], holds, message)


def of_field(field: str, cel: str, holds: Callable[[Any], bool], message: str) -> Rule:
    """A rule about the value of one field, where it is there."""

    def ok(model: Any) -> bool:
        value = model.value_of(field)
        return value is None or holds(value)

    return Rule(cel=cel, message=message, holds=ok, field=f".{field}", of_value=True)


def exactly_one(fields: tuple[str, ...], message: str) -> Rule:
    """The rule that one of these fields is there and no other."""
    present = ", ".join(f"has(self.{field})" for field in fields)
    return Rule(
        cel=f"[{present}].filter(there, there).size() == 1",
        message=message,
        holds=lambda model: sum(model.value_of(field) is not None for field in fields) == 1,
    )
