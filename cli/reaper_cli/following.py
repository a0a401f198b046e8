"""The output of a task from its first line to its last: through restarts and attempts, from before it has started."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from reaper_api.vocabulary import CONTAINER

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reaper_cli.cluster import Cluster
    from reaper_cli.task import Task
    from reaper_cli.waiting import Waiter


def has_run(task: Task) -> bool:
    """Whether there was a process, and so may be output."""
    return bool(task.pod) and (task.running or task.exit_code is not None or task.started is not None)


def follow(cluster: Cluster, waiter: Waiter, task: Task, flags: Sequence[str] = ()) -> Task:
    """Print everything to standard output; the finished task."""
    shown: tuple[str, int] | None = None
    while True:
        task = waiter.until(task, partial(_is_news, shown))
        if task.run == shown or not has_run(task):
            return task
        shown = task.run
        cluster.call(*logs_of(task.namespace, task.pod), "--follow", *flags)


def _is_news(shown: tuple[str, int] | None, task: Task) -> bool:
    return task.finished or (task.running and task.run != shown)


def logs_of(namespace: str, pod: str) -> tuple[str, ...]:
    """The kubectl command that prints a Pod's output."""
    return ("logs", pod, f"--container={CONTAINER}", f"--namespace={namespace}")
