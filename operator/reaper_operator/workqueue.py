"""A queue of keys: each at most once in it, never handled twice at the same time, tried again with growing
delays.

The semantics of client-go's work queue, for one event loop. A failing key waits by itself; it holds up no
other.
"""

from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar

K = TypeVar("K", bound=Hashable)


class Timer(Protocol):
    """What `call_later` of an event loop returns."""

    def cancel(self) -> None:
        """Forget the call."""


CallLater = Callable[[float, Callable[[], None]], Timer]
"""Seconds and a call to make then: `loop.call_later`, or a fake clock's."""


class WorkQueue(Generic[K]):
    """Not thread-safe: use it from its event loop only."""

    def __init__(self, call_later: CallLater, wake: Callable[[], None], *, base: float, limit: float) -> None:
        """`wake` is called whenever a key may be taken. `base` and `limit` are seconds: the first delay
        and the longest."""
        self._call_later = call_later
        self._wake = wake
        self._base = base
        self._limit = limit
        self._ready: deque[K] = deque()
        self._dirty: set[K] = set()  # to be handled: in _ready, or in hand and changed since
        self._in_hand: set[K] = set()
        self._failures: dict[K, int] = {}
        self._later: dict[K, Timer] = {}

    def __len__(self) -> int:
        """Keys that could be taken now."""
        return len(self._ready)

    def add(self, key: K) -> None:
        """Handle `key` soon. Once is enough, however often this is called before it is taken."""
        self._cancel_later(key)
        if key in self._dirty:
            return
        self._dirty.add(key)
        if key not in self._in_hand:
            self._ready.append(key)
            self._wake()

    def take(self) -> K | None:
        """The next key, or None. Whoever takes it calls `done` with it."""
        if not self._ready:
            return None
        key = self._ready.popleft()
        self._dirty.discard(key)
        self._in_hand.add(key)
        return key

    def done(self, key: K) -> None:
        """`key` was handled. It is queued again if it was added meanwhile."""
        self._in_hand.discard(key)
        if key in self._dirty:
            self._ready.append(key)
            self._wake()

    def succeeded(self, key: K) -> None:
        """The next failure of `key` starts with the shortest delay again."""
        self._failures.pop(key, None)

    def retry(self, key: K, *, at_least: float = 0.0) -> float:
        """Add `key` again after its back-off. Returns the delay in seconds."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        # The exponent is capped before the power is taken: 2.0 ** 1100 is an OverflowError.
        delay = max(at_least, min(self._limit, self._base * 2.0 ** min(failures, 32)))
        self._cancel_later(key)
        self._later[key] = self._call_later(delay, lambda: self.add(key))
        return delay

    def close(self) -> None:
        """Drop what nobody has taken, and every timer: another operator will find it all in the API."""
        for timer in self._later.values():
            timer.cancel()
        self._later.clear()
        self._ready.clear()
        self._dirty.clear()
        self._wake()

    def _cancel_later(self, key: K) -> None:
        timer = self._later.pop(key, None)
        if timer is not None:
            timer.cancel()
