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
    """Print everything from now on to standard output; the finished task.

    An attempt may be over before anybody has seen it run: then the task tells of its failure only.
    """
    shown: tuple[str, int] | None = None
    printed = {task.failed_pod}  # what had failed before we came is not asked for
    while True:
        task = waiter.until(task, partial(_is_news, shown, frozenset(printed)))
        if task.failed_pod not in printed | {task.pod if task.finished else ""}:
            _print(cluster, task, task.failed_pod, flags)
            printed.add(task.failed_pod)
        if (task.running or task.finished) and has_run(task) and task.run != shown:
            _print(cluster, task, task.pod, flags)
            printed.add(task.pod)
            shown = task.run
        if task.finished:
            return task


def _is_news(shown: tuple[str, int] | None, printed: frozenset[str], task: Task) -> bool:
    return task.finished or (task.running and task.run != shown) or task.failed_pod not in printed | {""}


def _print(cluster: Cluster, task: Task, pod: str, flags: Sequence[str]) -> None:
    cluster.call(*logs_of(task.namespace, pod), "--follow", *flags)


def logs_of(namespace: str, pod: str) -> tuple[str, ...]:
    """The kubectl command that prints a Pod's output."""
    return ("logs", pod, f"--container={CONTAINER}", f"--namespace={namespace}")
