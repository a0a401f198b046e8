"""How tasks fare: counted where their status changes, which happens once for each turn."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from reaper_api.vocabulary import FINAL_PHASES, Phase

# Kubernetes keeps whole seconds.
_START_SECONDS = (1, 2, 3, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)
_RUN_SECONDS = (1, 5, 15, 30, 60, 300, 900, 3600, 4 * 3600, 24 * 3600, 7 * 24 * 3600)

Body = Mapping[str, Any]


class TaskMetrics:
    """Fed by the leader; on a standby all of it stands still."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._tasks = Gauge("reaper_tasks", "Tasks that are not over, by phase.", ["phase"], registry=registry)
        self._attempts = Counter("reaper_task_attempts", "Pods recorded as an attempt of a task.", registry=registry)
        self._finished = Counter("reaper_tasks_finished", "Tasks that are over.", ["phase"], registry=registry)
        self._start = Histogram(
            "reaper_task_start_duration_seconds",
            "From the task's creation to the start of its process.",
            buckets=_START_SECONDS,
            registry=registry,
        )
        self._run = Histogram(
            "reaper_task_run_duration_seconds",
            "From the start of the process that was the last to the task's end.",
            ["phase"],
            buckets=_RUN_SECONDS,
            registry=registry,
        )
        for phase in sorted(FINAL_PHASES):
            self._finished.labels(phase)
            self._run.labels(phase)
        self.counted({})

    def counted(self, phases: Mapping[str, int]) -> None:
        """So many tasks there are in each phase."""
        for phase in Phase:
            if phase not in FINAL_PHASES:
                self._tasks.labels(phase).set(phases.get(phase, 0))

    def status_written(self, change: Body, task: Body) -> None:
        """`change` is what was written, `task` what came out."""
        status = task.get("status") or {}
        if change.get("podUID"):
            self._attempts.inc()
        if change.get("startTime") and _first_start(status):
            self._start.observe(_seconds(task["metadata"].get("creationTimestamp"), status["startTime"]))
        if change.get("phase") in FINAL_PHASES:
            self._finished.labels(change["phase"]).inc()
            if status.get("startTime") and status.get("completionTime"):
                self._run.labels(change["phase"]).observe(_seconds(status["startTime"], status["completionTime"]))


def _first_start(status: Body) -> bool:
    return not status.get("restarts") and status.get("attempts", 1) == 1


def _seconds(begin: str | None, end: str) -> float:
    """Between two times of the API. Never below zero: one is the API server's, the other a node's."""
    return max(0.0, (datetime.fromisoformat(end) - datetime.fromisoformat(begin or end)).total_seconds())
