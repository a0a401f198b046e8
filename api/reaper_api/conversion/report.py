"""What became of each field of an object that was converted."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Path = tuple[str | int, ...]
Body = dict[str, Any]


class Verdict(StrEnum):
    """What became of a field."""

    CARRIED = "carried"  # says the same in the new object
    CHANGED = "changed"  # has its effect in another way; the note says how
    ADDED = "added"  # was not written and held all the same; it has to be written now
    DROPPED = "dropped"  # says nothing there: a default, or something that is always so
    LOST = "lost"  # has no effect there, although it had one
    REFUSED = "refused"  # what the object is cannot be said there: there is no new object


@dataclass(frozen=True)
class Field:
    """The account of one field."""

    source: Path
    verdict: Verdict
    note: str = ""
    """Why, and what helps; empty for what is carried."""
    target: Path = ()
    """Its place in the new object; empty if it has none."""

    def __str__(self) -> str:
        place = text(self.source or self.target)
        return f"{place}: {self.verdict}" + (f": {self.note}" if self.note else "")


@dataclass(frozen=True)
class Conversion:
    """The new object, None if there is none, and the account of every leaf of the old one."""

    result: Body | None
    fields: tuple[Field, ...]

    def of(self, *verdicts: Verdict) -> tuple[Field, ...]:
        """The fields with one of these verdicts, in the order of the old object."""
        return tuple(field for field in self.fields if field.verdict in verdicts)

    @property
    def faithful(self) -> bool:
        """Whether the new object does all that the old one did."""
        return not self.of(Verdict.LOST, Verdict.REFUSED)


def text(path: Path) -> str:
    """As kubectl explain writes it: spec.containers[0].env."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """What an object says, with the place of each: scalars, lists of scalars, and what is empty."""
    if isinstance(value, Mapping) and value:
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif (
        isinstance(value, Sequence) and not isinstance(value, str) and any(isinstance(each, Mapping) for each in value)
    ):
        for number, inner in enumerate(value):
            yield from leaves(inner, (*path, number))
    else:
        yield path, value
