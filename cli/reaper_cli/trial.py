"""A real process on a node, from task to exit code, and nothing left of it: the last check of `doctor`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reaper_api.vocabulary import API_VERSION, KIND
from reaper_cli.checks import FAILED, OK, Finding
from reaper_cli.cluster import TASKS
from reaper_cli.diagnosis import remedies
from reaper_cli.errors import Problem
from reaper_cli.following import logs_of
from reaper_cli.task import Task
from reaper_cli.waiting import Waiter

if TYPE_CHECKING:
    from reaper_cli.cluster import Body, Cluster
    from reaper_cli.session import Clock

_MARK = "reaper-doctor"
_CODE = 7  # an exit code that comes from nowhere else


def trial(cluster: Cluster, clock: Clock, node: str, limit: float) -> Finding:
    """Run one on the node, compare its output and its exit code, and delete it."""
    subject = f"process on {node}"
    try:
        created = Task.read(cluster.create(TASKS, _task(node)))
    except Problem as error:
        return Finding(subject, FAILED, f"the task was refused: {error.message}", error.next)
    try:
        waiter = Waiter(cluster, clock, limit, lambda _: None)
        begun = clock.monotonic()
        task = waiter.end(created)
        return _verdict(cluster, subject, task, clock.monotonic() - begun)
    except Problem as error:
        return Finding(subject, FAILED, error.message, f"kubectl reaper nodes {node}")
    finally:
        _remove(cluster, created)


def _verdict(cluster: Cluster, subject: str, task: Task, seconds: float) -> Finding:
    if task.exit_code != _CODE:
        return Finding(subject, FAILED, task.state, "; ".join(remedies(task)))
    lines = cluster.lines(*logs_of(task.namespace, task.pod))
    output = list(lines)
    lines.close()
    if output != [_MARK]:
        return Finding(
            subject, FAILED, f"ran, and its output is {output!r}: {lines.complaint}", "kubectl get nodes -o wide"
        )
    return Finding(subject, OK, f"ran, and its output and exit code came back, in {seconds:.1f} s")


def _task(node: str) -> Body:
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"generateName": f"{_MARK}-"},
        "spec": {
            "command": ["/bin/sh", "-c", f"echo {_MARK}; exit {_CODE}"],
            "nodeName": node,
            "tolerations": [{"operator": "Exists"}],
        },
    }


def _remove(cluster: Cluster, task: Task) -> None:
    try:
        cluster.delete(TASKS, task.name, uid=task.uid)
    except Problem:
        return  # the finding says what went wrong before; the task is named after the doctor
