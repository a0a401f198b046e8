"""A task's Pods, one for each attempt, and the one that a command means."""

from __future__ import annotations

from typing import TYPE_CHECKING

from click import UsageError

from reaper_api.vocabulary import LABEL_TASK_UID
from reaper_cli.cluster import PODS, TASKS, Body, Cluster, Selection
from reaper_cli.errors import NotFound, Problem
from reaper_cli.task import Task, attempt_of

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence


def find(cluster: Cluster, name: str, namespace: str = "") -> Task:
    """The task of that name. NotFound that says how to see which there are."""
    try:
        return Task.read(cluster.get(TASKS, name, namespace))
    except NotFound as error:
        place = namespace or cluster.namespace
        raise NotFound(
            f"there is no ReaperTask {name} in namespace {place}", f"kubectl reaper get -n {place}"
        ) from error


def select(cluster: Cluster, names: Sequence[str], labels: str, fits: Callable[[Task], bool]) -> list[Task]:
    """The tasks that are named; without names those that have the labels, and fit. A usage error without either."""
    if bool(names) == bool(labels):
        raise UsageError("which tasks? Name them, or select them with -l")
    if names:
        return [find(cluster, name) for name in names]
    found = map(Task.read, cluster.list(TASKS, Selection(cluster.namespace, labels=labels)))
    return [task for task in found if fits(task)]


def attempts(cluster: Cluster, task: Task) -> list[Body]:
    """Its Pods that are still there, the oldest attempt first."""
    found = cluster.list(PODS, Selection(task.namespace, labels=f"{LABEL_TASK_UID}={task.uid}"))
    return sorted(found, key=attempt_of)


def name_of(pod: Body) -> str:
    """A Pod's name."""
    return str(pod["metadata"]["name"])


def running(cluster: Cluster, name: str) -> str:
    """The name of the Pod in which the task's process runs now. A Problem says why there is none."""
    task = find(cluster, name)
    if task.running and task.pod:
        return task.pod
    if task.finished:
        raise Problem(f"task {name} is over ({task.state}): there is no process", f"kubectl reaper logs {name}")
    raise Problem(f"the process of task {name} does not run: {task.state}", f"kubectl reaper describe {name}")


def choose(pods: Sequence[Body], attempt: int | None, task: Task) -> Body:
    """The newest Pod, or that of an attempt."""
    if attempt is not None:
        pods = [pod for pod in pods if attempt_of(pod) == attempt]
    if pods:
        return pods[-1]
    if attempt is not None:
        raise Problem(
            f"there is no Pod of attempt {attempt} of task {task.name}", f"kubectl reaper describe {task.name}"
        )
    if task.finished:
        raise Problem(f"the Pod of task {task.name} is gone, and its output with it ({task.state})")
    raise Problem(f"task {task.name} has no Pod yet: {task.state}", f"kubectl reaper describe {task.name}")
