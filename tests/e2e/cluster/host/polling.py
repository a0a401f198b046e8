"""Waiting for something that gives no signal, never longer than a deadline."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


def eventually(
    predicate: Callable[[], bool],
    *,
    within: float,
    every: float = 0.2,
    clock: Callable[[], float] = time.monotonic,
    pause: Callable[[float], None] = time.sleep,
) -> bool:
    """Whether `predicate` came true within so many seconds; asked at least once."""
    end = clock() + within
    while not predicate():
        if clock() >= end:
            return False
        pause(every)
    return True
