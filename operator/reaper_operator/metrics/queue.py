"""What the work queue does."""

from collections.abc import Callable

from prometheus_client import CollectorRegistry

from reaper_operator.key import Key
from reaper_operator.metrics.families import CONTROLLER, counter, histogram, looked_up

_LABELS = {"name": CONTROLLER, "controller": CONTROLLER}
_SECONDS = tuple(10.0**exponent for exponent in range(-8, 4))  # client-go's buckets


class QueueMetrics:
    """Watches a WorkQueue. It remembers keys, and shows none."""

    def __init__(self, registry: CollectorRegistry, clock: Callable[[], float]) -> None:
        """`clock`: seconds, monotonic."""
        self._clock = clock
        self._added: dict[Key, float] = {}
        self._taken: dict[Key, float] = {}
        self._adds = counter(registry, "workqueue_adds", "Tasks that were queued.", _LABELS)
        self._retries = counter(registry, "workqueue_retries", "Tasks queued again after a failure.", _LABELS)
        self._waited = histogram(
            registry, "workqueue_queue_duration_seconds", "From being queued to being taken.", _LABELS, _SECONDS
        )
        self._worked = histogram(
            registry, "workqueue_work_duration_seconds", "From being taken to being done.", _LABELS, _SECONDS
        )
        for name, meaning, value in (
            ("workqueue_depth", "Tasks that wait for a worker.", self._depth),
            ("workqueue_unfinished_work_seconds", "Ages of all that is in hand, added up.", self._unfinished),
            ("workqueue_longest_running_processor_seconds", "Age of what is longest in hand.", self._longest),
        ):
            looked_up(registry, name, meaning, _LABELS, value)

    def added(self, key: Key) -> None:
        self._adds.inc()
        self._added[key] = self._clock()

    def taken(self, key: Key) -> None:
        self._taken[key] = now = self._clock()
        self._waited.observe(now - self._added.pop(key, now))

    def done(self, key: Key) -> None:
        now = self._clock()
        self._worked.observe(now - self._taken.pop(key, now))

    def retried(self) -> None:
        self._retries.inc()

    def dropped(self) -> None:
        self._added.clear()

    def _depth(self) -> float:
        return len(self._added)

    def _unfinished(self) -> float:
        now = self._clock()
        return sum(now - taken for taken in self._taken.values())

    def _longest(self) -> float:
        now = self._clock()
        return max((now - taken for taken in self._taken.values()), default=0.0)
