"""retry: a finished task does not run again; a new one with the same spec does."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import click

from reaper_api.vocabulary import (
    ANNOTATION_CANCELLED,
    ANNOTATION_OLD_DEADLINE,
    ANNOTATION_RETRY_OF,
    API_VERSION,
    KIND,
)
from reaper_cli import created, options, pods, printing
from reaper_cli.cluster import TASKS, Body
from reaper_cli.errors import AlreadyExists, NotFound, Problem
from reaper_cli.task import Task
from reaper_cli.waiting import TICK

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reaper_cli.cluster import Cluster
    from reaper_cli.session import Session

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_NUMBERED = re.compile(r"(?P<base>.+)-r(?P<number>\d+)")
_MOST = 999


@options.verb()
@options.task_name(metavar="NAME")
@click.option("--replace", is_flag=True, help="Delete the old task, and run it anew under its own name.")
@click.option("--node", default=None, help="On this node instead.")
@click.option("--wait", is_flag=True, help="Show the output, wait for the end, exit with the process's exit code.")
@options.timeout("With --wait: give up waiting after this time.")
@options.dry_run("Only show the task.")
@printing.output()
@options.with_cluster
def command(
    session: Session,
    cluster: Cluster,
    *,
    name: str,
    replace: bool,
    node: str | None,
    wait: bool,
    timeout: float | None,
    dry_run: str,
    output: str,
) -> None:
    """Run a finished task again, as a new task.

    The new one is NAME-r1, then NAME-r2 and so on, with the same labels and spec; the old one stays to be compared.
    With --dry-run the new one is only shown: as it would be sent (client), or as the API server would take it (server).
    """
    if wait:
        created.refuse_to_wait(dry_run)
    task = pods.find(cluster, name)
    old = cluster.get(TASKS, name)
    if not task.finished:
        raise Problem(f"task {name} is not over: {task.state}", f"kubectl reaper cancel {name}")
    body = _copy(old, node)
    if dry_run == options.CLIENT:
        new = _named(body, name if replace else _free_name(cluster, name))
        created.show_unsent(new, output, f"{new['metadata']['name']} created")
        return
    if replace:
        new = _replaced(cluster, body, task, dry_run=dry_run == options.SERVER)
    else:
        new = _create_numbered(cluster, body, name, dry_run=dry_run == options.SERVER)
    created.show(cluster, new, output, f"{new['metadata']['name']} created", dry_run)
    if wait:
        from reaper_cli.attendance import Attendance, Manner

        attendance = Attendance(session, cluster, limit=timeout, remove=False, quiet=False)
        sys.exit(attendance.attend(Task.read(new), Manner.OUTPUT))


def _copy(old: Body, node: str | None) -> Body:
    """A task with the same wishes and no history. One that was cancelled gets its old deadline back."""
    metadata, spec = old["metadata"], dict(old["spec"])
    annotations: dict[str, Any] = dict(metadata.get("annotations") or {})
    if annotations.pop(ANNOTATION_CANCELLED, None) is not None:
        spec.pop("activeDeadlineSeconds", None)
        deadline = annotations.pop(ANNOTATION_OLD_DEADLINE, "")
        if deadline.isdecimal():
            spec["activeDeadlineSeconds"] = int(deadline)
    annotations.pop(_LAST_APPLIED, None)
    annotations[ANNOTATION_RETRY_OF] = metadata["name"]
    if node is not None:
        spec["nodeName"] = node
    new: Body = {"namespace": metadata["namespace"], "annotations": annotations}
    if metadata.get("labels"):
        new["labels"] = metadata["labels"]
    return {"apiVersion": API_VERSION, "kind": KIND, "metadata": new, "spec": spec}


def _create_numbered(cluster: Cluster, body: Body, name: str, *, dry_run: bool) -> Body:
    for numbered in _numbered(name):
        try:
            return cluster.create(TASKS, _named(body, numbered), dry_run=dry_run)
        except AlreadyExists:
            continue
    raise _all_taken(name)


def _free_name(cluster: Cluster, name: str) -> str:
    for numbered in _numbered(name):
        try:
            cluster.get(TASKS, numbered)
        except NotFound:
            return numbered
    raise _all_taken(name)


def _replaced(cluster: Cluster, body: Body, task: Task, *, dry_run: bool) -> Body:
    if not dry_run:
        _delete(cluster, task)
        return cluster.create(TASKS, _named(body, task.name))
    cluster.delete(TASKS, task.name, uid=task.uid, dry_run=True)
    # The old task is still there, so the API server judges the new one under another name.
    return _named(_create_numbered(cluster, body, task.name, dry_run=True), task.name)


def _named(body: Body, name: str) -> Body:
    return {**body, "metadata": {**body["metadata"], "name": name}}


def _numbered(name: str) -> Iterator[str]:
    """The names of further tries of a task, or of a try."""
    found = _NUMBERED.fullmatch(name)
    base, first = (found["base"], int(found["number"]) + 1) if found else (name, 1)
    return (f"{base}-r{number}" for number in range(first, _MOST + 1))


def _all_taken(name: str) -> Problem:
    return Problem(f"there is no free name for {name}, up to -r{_MOST}", f"kubectl reaper retry --replace {name}")


def _delete(cluster: Cluster, task: Task) -> None:
    """Until it is gone: its name must be free, and so must its Pod's."""
    from contextlib import closing

    from reaper_cli.cluster import PODS, Selection

    cluster.delete(TASKS, task.name, uid=task.uid)
    for resource, uid in ((TASKS, task.uid), (PODS, task.pod_uid)):
        with closing(cluster.watch(resource, Selection(task.namespace, name=task.name), TICK)) as changes:
            there = False
            for change in changes:
                if change is None and not there:
                    break
                if change is not None and change.body["metadata"]["uid"] == uid:
                    there = change.type != "DELETED"
                    if not there:
                        break
