"""The only way to wait in these tests: until something is true, and not for ever."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")
_BETWEEN = 0.2  # seconds between two looks


def eventually(look: Callable[[], T | None], within: float, what: str) -> T:
    """The first true answer of `look`; an assertion that names `what` and the last answer if there is none in time."""
    deadline = time.monotonic() + within
    while True:
        answer = look()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {within:.0f} s: {what}; last answer: {answer!r}")
        time.sleep(_BETWEEN)
