"""describe: a task, its Pods, its node and its process on one screen, the cause of a failure first."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import click

from reaper_cli import diagnosis, installation, options, pods, table
from reaper_cli.cluster import EVENTS, NODES, TASKS, Body, Selection
from reaper_cli.errors import ClusterError
from reaper_cli.following import has_run, logs_of
from reaper_cli.portrait import Facts, portrait

if TYPE_CHECKING:
    from collections.abc import Callable

    from reaper_cli.cluster import Cluster
    from reaper_cli.session import Session
    from reaper_cli.task import Task

T = TypeVar("T")
_LINES = 5  # of the output


@options.verb()
@options.task_names(nargs=-1, required=True, metavar="NAME...")
@click.option("--tail", type=click.IntRange(0), default=_LINES, help=f"Lines of the output; {_LINES} if absent.")
@click.option("--events/--no-events", default=True, help="With the events of task and Pods; the default.")
@options.with_cluster
def command(session: Session, cluster: Cluster, *, names: tuple[str, ...], tail: int, events: bool) -> None:
    """Task, Pod, node and process on one screen, the cause of a failure first.

    What the caller may not read is left out.
    """
    for number, name in enumerate(names):
        if number:
            click.echo()
        for line in portrait(_facts(cluster, name, tail, events=events), session.clock.now()):
            for row in table.wrap(line, session.screen.columns) if session.screen.live else (line,):
                click.echo(row)


def _facts(cluster: Cluster, name: str, tail: int, *, events: bool) -> Facts:
    task = pods.find(cluster, name)
    body = cluster.get(TASKS, name)
    found = _allowed(lambda: pods.attempts(cluster, task))
    node = _allowed(lambda: installation.Node.read(cluster.get(NODES, task.node))) if task.node else None
    return Facts(
        body=body,
        task=task,
        cause=_cause(cluster, task, body),
        pods=found,
        node=node,
        events=_allowed(lambda: _events(cluster, task, found or [])) if events else None,
        output=_output(cluster, task, tail) if found and tail else (),
    )


def _cause(cluster: Cluster, task: Task, body: Body) -> diagnosis.Cause | None:
    nodes = operators = None
    if not task.seen:
        operators = _allowed(lambda: installation.operators(cluster))
    elif task.reason == "Unschedulable":
        nodes = _allowed(lambda: [installation.Node.read(node) for node in cluster.list(NODES, Selection(""))])
    wanted = body["spec"].get("nodeName") or ""
    return diagnosis.diagnose(task, nodes=nodes, operators=operators, wanted_node=wanted)


def _events(cluster: Cluster, task: Task, found: list[Body]) -> list[Body]:
    """Of the task and of its Pods, the oldest first."""
    mine = {task.uid, *(pod["metadata"]["uid"] for pod in found)}
    events = [
        event
        for name in sorted({task.name, *(pods.name_of(pod) for pod in found)})
        for event in cluster.list(EVENTS, Selection(task.namespace, fields=f"involvedObject.name={name}"))
        if event["involvedObject"].get("uid") in mine
    ]
    return sorted(events, key=lambda event: event.get("lastTimestamp") or event.get("eventTime") or "")


def _output(cluster: Cluster, task: Task, tail: int) -> list[str]:
    if not has_run(task):
        return []
    lines = cluster.lines(*logs_of(task.namespace, task.pod), f"--tail={tail}")
    found = list(lines)
    lines.close()
    return found


def _allowed(question: Callable[[], T]) -> T | None:
    """The answer; None where the caller may not ask, or where it is not there any more."""
    try:
        return question()
    except ClusterError:
        return None
