"""Waiting for what becomes of a task, and saying meanwhile what it waits for."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

from reaper_cli.cluster import TASKS, Cluster, Selection
from reaper_cli.errors import NoExitCode, NotFound, TimedOut
from reaper_cli.task import Task

if TYPE_CHECKING:
    from collections.abc import Callable

    from reaper_cli.session import Clock

TICK = 0.5  # seconds after which a silent watch is asked whether there is still time
PATIENCE = 5.0  # seconds in which an operator at work has seen a new task


class Waiter:
    """Waits for one task after another within one time limit; `talk` hears each change of state."""

    def __init__(self, cluster: Cluster, clock: Clock, limit: float | None, talk: Callable[[str], None]) -> None:
        self._cluster = cluster
        self._clock = clock
        self._limit = limit
        self._deadline = None if limit is None else clock.monotonic() + limit
        self._talk = talk
        self._said = ""

    def until(self, task: Task, reached: Callable[[Task], bool]) -> Task:
        """The task as soon as it is so. TimedOut; NotFound if it is deleted meanwhile."""
        selection = Selection(task.namespace, name=task.name)
        begun = self._clock.monotonic()
        with closing(self._cluster.watch(TASKS, selection, TICK)) as changes:
            for change in changes:
                if change is not None and change.body["metadata"]["uid"] == task.uid:
                    if change.type == "DELETED":
                        break
                    task = Task.read(change.body)
                    self._announce(task)
                    if reached(task):
                        return task
                self._check(task, self._clock.monotonic() - begun)
        raise NotFound(f"task {task.name} was deleted meanwhile; it was {task.state}")

    def end(self, task: Task) -> Task:
        """The finished task."""
        return self.until(task, lambda seen: seen.finished)

    def _announce(self, task: Task) -> None:
        if task.seen and not task.finished and task.state != self._said:
            self._said = task.state
            self._talk(f"{task.name}: {task.state}" + (f" on node {task.node}" if task.running and task.node else ""))

    def _check(self, task: Task, waited: float) -> None:
        if not task.seen and waited >= PATIENCE and self._said != "unseen":
            self._said = "unseen"
            self._talk(
                f"{task.name}: no operator has looked at it yet. Whether one is at work says: kubectl reaper doctor"
            )
        if self._deadline is not None and self._clock.monotonic() >= self._deadline:
            raise TimedOut(
                f"task {task.name} is not over after {self._limit:.0f} s: {task.state}. It goes on",
                f"kubectl reaper describe {task.name}",
            )


def exit_code(task: Task, *, there: bool = True) -> int:
    """What a finished task passes on. NoExitCode, with the cause, where there is none. there: it can be looked at."""
    if task.exit_code is None:
        raise NoExitCode(f"task {task.name}: {task.state}", f"kubectl reaper describe {task.name}" if there else "")
    return task.exit_code
