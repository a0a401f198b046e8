"""A queue of keys: each at most once in it, never handled twice at the same time, tried again with growing
delays.

The semantics of client-go's work queue, for one event loop. A failing key waits by itself; it holds up no
other.
"""

from collections import deque
from collections.abc import Callable, Hashable
from typing import Generic, Protocol, TypeVar

K = TypeVar("K", bound=Hashable)
L = TypeVar("L", contravariant=True)


class Timer(Protocol):
    """What `call_later` of an event loop returns."""

    def cancel(self) -> None:
        """Forget the call."""

    def when(self) -> float:
        """The time of the call, in seconds by the loop's clock."""


CallLater = Callable[[float, Callable[[], None]], Timer]
"""Seconds and a call to make then: `loop.call_later`, or a fake clock's."""


class Onlooker(Protocol[L]):
    """Is told what becomes of keys, for metrics."""

    def added(self, key: L) -> None:
        """It will be taken, now or when it is done."""

    def taken(self, key: L) -> None:
        """Somebody has it in hand."""

    def done(self, key: L) -> None:
        """Nobody has it in hand any more."""

    def retried(self) -> None:
        """One has failed."""

    def dropped(self) -> None:
        """None will be taken any more."""


class WorkQueue(Generic[K]):
    """Not thread-safe: use it from its event loop only."""

    def __init__(
        self,
        call_later: CallLater,
        wake: Callable[[], None],
        *,
        base: float,
        limit: float,
        onlooker: Onlooker[K] | None = None,
    ) -> None:
        """`wake` is called whenever a key may be taken. `base` and `limit` are seconds: the first delay
        and the longest."""
        self._call_later = call_later
        self._wake = wake
        self._base = base
        self._limit = limit
        self._onlooker: Onlooker[K] = onlooker or _Nobody()
        self._ready: deque[K] = deque()
        self._dirty: set[K] = set()  # to be handled: in _ready, or in hand and changed since
        self._in_hand: set[K] = set()
        self._failures: dict[K, int] = {}
        self._later: dict[K, Timer] = {}  # after a failure
        self._held: set[K] = set()  # of these, those that no news brings forward
        self._due: dict[K, Timer] = {}  # for something that is going to be due

    def __len__(self) -> int:
        """Keys that could be taken now."""
        return len(self._ready)

    def add(self, key: K) -> None:
        """Handle `key` soon. Once is enough, however often this is called before it is taken."""
        if key in self._held:
            return  # it will be handled after this, when its time has come
        self._cancel(key, self._later, self._due)
        if key in self._dirty:
            return
        self._dirty.add(key)
        self._onlooker.added(key)
        if key not in self._in_hand:
            self._ready.append(key)
            self._wake()

    def add_unless_waiting(self, key: K) -> None:
        """Handle `key` soon, but leave it alone while it is in hand or in its back-off: there is no news about it."""
        if key not in self._later and key not in self._in_hand:
            self.add(key)

    def add_later(self, key: K, delay: float) -> None:
        """Handle `key` in `delay` seconds at the latest, whatever else becomes of it: a deadline, not a back-off. The
        last call counts, and any `add` before ends it."""
        self._cancel(key, self._due)
        self._due[key] = self._call_later(delay, lambda: self.add(key))

    def add_by(self, key: K, delay: float) -> None:
        """The same from whoever has not looked at `key`: brings forward what is going to be due, and never puts it
        off."""
        before = self._due.get(key)
        timer = self._call_later(delay, lambda: self.add(key))
        if before is not None and before.when() <= timer.when():
            timer.cancel()
            return
        self._cancel(key, self._due)
        self._due[key] = timer

    def take(self) -> K | None:
        """The next key, or None. Whoever takes it calls `done` with it."""
        if not self._ready:
            return None
        key = self._ready.popleft()
        self._dirty.discard(key)
        self._in_hand.add(key)
        self._onlooker.taken(key)
        return key

    def done(self, key: K) -> None:
        """`key` was handled. It is queued again if it was added meanwhile."""
        self._in_hand.discard(key)
        self._onlooker.done(key)
        if key in self._dirty:
            self._ready.append(key)
            self._wake()

    def succeeded(self, key: K) -> None:
        """The next failure of `key` starts with the shortest delay again."""
        self._failures.pop(key, None)

    def retry(self, key: K, *, at_least: float = 0.0, hold: bool = False) -> float:
        """Add `key`, which is in hand, again after its back-off. Returns the delay in seconds. `hold`: not before, even
        if there is news."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self._onlooker.retried()
        # The exponent is capped before the power is taken: 2.0 ** 1100 is an OverflowError.
        delay = max(at_least, min(self._limit, self._base * 2.0 ** min(failures, 32)))
        self._cancel(key, self._later)
        self._later[key] = self._call_later(delay, lambda: self._come_again(key))
        if hold:
            self._held.add(key)
            self._dirty.discard(key)  # the news that there was is seen to then
        return delay

    def _come_again(self, key: K) -> None:
        self._held.discard(key)
        self.add(key)

    def close(self) -> None:
        """Drop what nobody has taken, and every timer: another operator will find it all in the API."""
        for timer in (*self._later.values(), *self._due.values()):
            timer.cancel()
        self._later.clear()
        self._held.clear()
        self._due.clear()
        self._ready.clear()
        self._dirty.clear()
        self._onlooker.dropped()
        self._wake()

    @staticmethod
    def _cancel(key: K, *timers: dict[K, Timer]) -> None:
        for of_a_kind in timers:
            timer = of_a_kind.pop(key, None)
            if timer is not None:
                timer.cancel()


class _Nobody:
    """Looks on when nobody does."""

    def added(self, key: object) -> None: ...
    def taken(self, key: object) -> None: ...
    def done(self, key: object) -> None: ...
    def retried(self) -> None: ...
    def dropped(self) -> None: ...
