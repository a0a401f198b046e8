"""cancel: end a task's process and keep the task, its output and its exit code."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reaper_api.vocabulary import ANNOTATION_CANCELLED, ANNOTATION_OLD_DEADLINE
from reaper_cli import options, pods
from reaper_cli.errors import Problem
from reaper_cli.session import talk
from reaper_cli.steering import Steering
from reaper_cli.waiting import Waiter

if TYPE_CHECKING:
    from reaper_cli.cluster import Cluster
    from reaper_cli.session import Session

# The one way to end a task that keeps its Pod and so its output. It counts from when the operator took the task up.
_NOW = 1  # seconds


@options.verb()
@options.task_names(nargs=-1, metavar="[NAME...]")
@click.option("-l", "--selector", default="", help="All unfinished tasks with these labels.")
@click.option("--wait/--no-wait", default=True, help="Wait until the process has ended; the default.")
@options.timeout("Give up waiting after this time.")
@options.dry_run("Only say what would be cancelled, and wait for nothing.")
@options.with_cluster
def command(
    session: Session,
    cluster: Cluster,
    *,
    names: tuple[str, ...],
    selector: str,
    wait: bool,
    timeout: float | None,
    dry_run: str,
) -> None:
    """End a task's process, and keep the task and its output.

    The process gets SIGTERM, and SIGKILL after its grace period; the task is Failed with reason DeadlineExceeded, and
    is not tried again. To end it and have it gone: kubectl delete reapertask NAME.
    """
    steering = Steering(cluster, dry_run)
    waiter = Waiter(cluster, session.clock, timeout, talk)
    tasks = pods.select(cluster, names, selector, lambda task: not task.finished and not task.suspended)
    if not tasks:
        talk(f"there is no task with {selector} to cancel")
    for task in tasks:
        if task.suspended:
            raise Problem(f"task {task.name} is suspended: nothing runs", f"kubectl delete reapertask {task.name}")
        if task.finished:
            click.echo(f"{task.name} is over already: {task.state}")
            continue
        stamp = session.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ")
        notes = {ANNOTATION_CANCELLED: stamp}
        if task.deadline is not None:
            notes[ANNOTATION_OLD_DEADLINE] = str(task.deadline)
        steering.change(task.name, "cancelled", {"activeDeadlineSeconds": _NOW}, notes)
    if wait and dry_run == options.NONE:
        for task in tasks:
            if not task.finished:
                talk(f"{task.name}: {waiter.end(task).state}")
