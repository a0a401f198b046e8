"""What can become of a field, as entries of the tables in the modules beside this one."""

from collections.abc import Callable
from typing import Any

from reaper_api.conversion.draft import Draft
from reaper_api.conversion.report import Path

Handler = Callable[[Draft, Path, Any], None]

USUAL = "what is usual"


def carry(field: str) -> Handler:
    """It is a field of a task's spec."""
    return lambda draft, path, value: draft.carry(path, value, ("spec", field))


def drop(note: str) -> Handler:
    """It says nothing in a task."""
    return lambda draft, path, value: draft.drop(path, value, note)


def lose(note: str) -> Handler:
    """It has no effect in a task."""
    return lambda draft, path, value: draft.lose(path, value, note)


def change(note: str) -> Handler:
    """It has its effect in another way."""
    return lambda draft, path, value: draft.change(path, value, note)


def unless(usual: tuple[Any, ...], note: str) -> Handler:
    """A usual value says nothing; any other is lost."""
    return lambda draft, path, value: (
        draft.drop(path, value, USUAL) if value in usual else draft.lose(path, value, note)
    )


unknown = lose("a ReaperTask has no such field")
