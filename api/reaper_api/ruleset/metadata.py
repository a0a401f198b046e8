"""Labels and annotations, of which the API server asks the same for objects of all kinds."""

from collections.abc import Iterator, Mapping
from typing import Any

from reaper_api.names import MAX_LABEL_VALUE, is_label_key, is_label_value
from reaper_api.ruleset.rule import Path, Violation
from reaper_api.ruleset.template import mapping, shown

NOT_TEXT = "It is read as a boolean or a number, as kubectl reads it: put quotes around text"
_CHARACTERS = "letters, digits, '-', '_' and '.'"


def pairs(metadata: Any, at: Path) -> Iterator[Violation]:
    """What is wrong with the labels and annotations of metadata that is at a path."""
    for field in ("labels", "annotations"):
        found = mapping(metadata).get(field)
        if isinstance(found, Mapping):
            for key, value in found.items():
                yield from _pair(field, key, value, (*at, field, key))
        elif found is not None:
            yield Violation((*at, field), f"{field} must be a mapping")


def _pair(field: str, key: Any, value: Any, place: Path) -> Iterator[Violation]:
    what = f"{field}: {shown(key)}"
    if not isinstance(key, str) and (isinstance(key, bool) or not isinstance(key, int)):  # kubectl makes text of 1
        yield Violation(place, f"{what} is no text: put quotes around it")
    elif not is_label_key(str(key).lower() if field == "annotations" else str(key)):
        text = f"{what} is no key: write NAME or PREFIX/NAME; a name has up to 63 {_CHARACTERS} and begins and ends "
        yield Violation(place, text + "with a letter or a digit, a prefix is a domain such as example.com")
    elif not isinstance(value, str | None):
        hint = f". {NOT_TEXT}" if isinstance(value, bool | int | float) else ""
        yield Violation(place, f"{what} must be text{hint}")
    elif field == "labels" and not is_label_value(value or ""):
        text = f"{what} cannot be '{shown(value)}': a label's value has up to {MAX_LABEL_VALUE} {_CHARACTERS} and "
        yield Violation(place, text + "begins and ends with a letter or a digit")
