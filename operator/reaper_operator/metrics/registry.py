"""All metrics of a replica."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from prometheus_client import (
    CollectorRegistry,
    Counter,
    GCCollector,
    PlatformCollector,
    ProcessCollector,
    disable_created_metrics,
)

from reaper_operator.key import Key
from reaper_operator.metrics.families import CONTROLLER, counter, gauge, histogram
from reaper_operator.metrics.queue import QueueMetrics
from reaper_operator.metrics.tasks import TaskMetrics
from reaper_operator.telemetry import Told

NO_ANSWER = "<error>"  # client-go's word
_LABELS = {"controller": CONTROLLER}
# controller-runtime's buckets
_SECONDS = (
    *(0.005, 0.01, 0.025, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 1.25, 1.5),
    *(1.75, 2, 2.5, 3, 3.5, 4, 4.5, 5, 6, 7, 8, 9, 10, 15, 20, 25, 30, 40, 50, 60),
)


class Metrics:
    """A Telemetry. It has a registry of its own: nothing that a library counts by itself is in it."""

    def __init__(self, *, workers: int, lease: str, clock: Callable[[], float] = time.monotonic) -> None:
        """`lease`: the name of the Lease. `clock`: seconds, monotonic."""
        # Or there is one more series for each, with a time that nobody asks for.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = registry = CollectorRegistry()
        for collector in (ProcessCollector, PlatformCollector, GCCollector):
            collector(registry=registry)
        self._clock = clock
        self.queue = QueueMetrics(registry, clock)
        self.tasks = TaskMetrics(registry)
        self._requests = Counter(
            "rest_client_requests", "Requests to the API server.", ["code", "method"], registry=registry
        )
        self._leads = gauge(registry, "leader_election_master_status", "1 on the replica that leads.", {"name": lease})
        self._reconcile(registry, workers)

    def _reconcile(self, registry: CollectorRegistry, workers: int) -> None:
        self._results = Counter(
            "controller_runtime_reconcile", "Reconciles, by result.", ["controller", "result"], registry=registry
        )
        for result in ("success", "requeue", "requeue_after", "error"):
            self._results.labels(CONTROLLER, result)
        self._errors = counter(registry, "controller_runtime_reconcile_errors", "Reconciles that failed.", _LABELS)
        self._seconds = histogram(
            registry, "controller_runtime_reconcile_time_seconds", "Time that a reconcile took.", _LABELS, _SECONDS
        )
        self._active = gauge(registry, "controller_runtime_active_workers", "Workers with a task in hand.", _LABELS)
        most = gauge(registry, "controller_runtime_max_concurrent_reconciles", "Workers.", _LABELS)
        most.set(workers)

    def leads(self) -> None:
        """This replica leads from now on."""
        self._leads.set(1)

    @contextmanager
    def reconcile(self, key: Key) -> Iterator[Told]:  # noqa: ARG002 - no names in labels
        began = self._clock()
        with self._active.track_inprogress():
            yield self._reconciled
        self._seconds.observe(self._clock() - began)

    def _reconciled(self, result: str) -> None:
        self._results.labels(CONTROLLER, result).inc()
        if result == "error":
            self._errors.inc()

    @contextmanager
    def request(self, method: str, path: str) -> Iterator[Told]:  # noqa: ARG002 - client-go does not count by it
        code = NO_ANSWER

        def told(status: str) -> None:
            nonlocal code
            code = status

        try:
            yield told
        finally:
            self._requests.labels(code, method).inc()

    def status_written(self, change: Mapping[str, Any], task: Mapping[str, Any]) -> None:
        self.tasks.status_written(change, task)
