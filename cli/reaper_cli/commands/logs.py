"""logs: what a task's process writes; from before it has started, of the newest attempt, of many tasks at once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from reaper_cli import following, options, pods
from reaper_cli.cluster import TASKS, Body, Selection
from reaper_cli.errors import NoExitCode, NotFound, Problem
from reaper_cli.prefixed import Prefixed
from reaper_cli.session import talk
from reaper_cli.task import Task, attempt_of
from reaper_cli.waiting import Waiter

if TYPE_CHECKING:
    from reaper_cli.cluster import Cluster
    from reaper_cli.session import Session


@options.verb()
@options.task_names(nargs=-1, metavar="[NAME...]")
@options.selection
@click.option("-f", "--follow", is_flag=True, help="From the first line to the last, through restarts and attempts.")
@click.option("-p", "--previous", is_flag=True, help="Of the run before the last one.")
@click.option("--attempt", type=click.IntRange(1), default=None, help="Of this attempt, counted from 1.")
@click.option("--tail", type=int, default=None, help="Only the last lines.")
@click.option("--since", default="", help="Only what is newer than this, such as 5m.")
@click.option("--since-time", default="", help="Only what is newer than this time (RFC 3339).")
@click.option("--timestamps", is_flag=True, help="With the time of each line.")
@click.option("--prefix/--no-prefix", default=None, help="The task's name before each line; default for several tasks.")
@click.option("--max-log-requests", type=int, default=20, help="Tasks that may write at the same time with -f.")
@options.timeout("With -f: give up after this time.")
@options.with_cluster
def command(
    session: Session,
    cluster: Cluster,
    *,
    names: tuple[str, ...],
    selector: str,
    all_namespaces: bool,
    follow: bool,
    previous: bool,
    attempt: int | None,
    prefix: bool | None,
    max_log_requests: int,
    timeout: float | None,
    **passed: Any,
) -> None:
    """Print what a task's process writes, from its beginning.

    \b
    kubectl reaper logs hello                 what is there, of the newest attempt
    kubectl reaper logs -f hello              waits for the start, goes on to the end, tells about retries
    kubectl reaper logs -f -l job=backup      all tasks with the label, each line with its task's name
    """
    flags = _flags(passed)
    if names and (selector or all_namespaces):
        raise click.UsageError("name tasks, or select them with -l or -A; not both")
    if len(names) == 1 and prefix is not True:
        if follow and not previous and attempt is None:
            _follow_one(session, cluster, names[0], flags, timeout)
        else:
            _print(cluster, names[0], attempt, flags, previous=previous, follow=follow)
        return
    if not names and not selector and not all_namespaces:
        raise click.UsageError("whose output? Name a task, or select some with -l or -A")
    if previous or attempt is not None:
        raise click.UsageError("--previous and --attempt need one task by name")
    many = Prefixed(cluster, flags, everywhere=all_namespaces, most=max_log_requests)
    selection = Selection("" if all_namespaces else cluster.namespace, labels=selector)
    tasks = _tasks(cluster, selection, names)
    if follow:
        many.follow(selection, names)
    else:
        many.once(tasks)


def _flags(passed: dict[str, Any]) -> list[str]:
    """kubectl's own flags, as it takes them."""
    flags = [
        f"--{name.replace('_', '-')}={passed[name]}"
        for name in ("tail", "since", "since_time")
        if passed[name] not in (None, "")
    ]
    return flags + (["--timestamps"] if passed["timestamps"] else [])


def _follow_one(session: Session, cluster: Cluster, name: str, flags: list[str], limit: float | None) -> None:
    task = pods.find(cluster, name)
    waiter = Waiter(cluster, session.clock, limit, talk)
    task = following.follow(cluster, waiter, task, flags)
    if not following.has_run(task):
        raise NoExitCode(f"task {name}: {task.state}", f"kubectl reaper describe {name}")


def _print(cluster: Cluster, name: str, attempt: int | None, flags: list[str], *, previous: bool, follow: bool) -> None:
    task = pods.find(cluster, name)
    found = pods.attempts(cluster, task)
    pod = pods.choose(found, attempt, task)
    if previous:
        pod, more = _previous(found, pod, task)
        flags = [*flags, *more]
    elif attempt is None and not following.has_run(task):
        raise Problem(f"task {name} has written nothing: {task.state}", f"kubectl reaper logs -f {name}")
    cluster.hand_over(*following.logs_of(task.namespace, pods.name_of(pod)), *(["--follow"] if follow else []), *flags)


def _previous(found: list[Body], pod: Body, task: Task) -> tuple[Body, list[str]]:
    """The run before: of the same Pod where its process was restarted, else the Pod of the attempt before."""
    statuses = pod.get("status", {}).get("containerStatuses") or []
    if any(status.get("restartCount") for status in statuses):
        return pod, ["--previous"]
    before = [other for other in found if attempt_of(other) < attempt_of(pod)]
    if not before:
        raise NotFound(f"task {task.name} has run once: there is no run before", f"kubectl reaper logs {task.name}")
    return before[-1], []


def _tasks(cluster: Cluster, selection: Selection, names: tuple[str, ...]) -> list[Task]:
    if names:
        return [pods.find(cluster, name) for name in names]
    tasks = [Task.read(body) for body in cluster.list(TASKS, selection)]
    if not tasks:
        raise NotFound("no task is selected", "kubectl reaper get --show-labels")
    return tasks
