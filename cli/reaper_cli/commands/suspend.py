"""suspend: hold a task back, or stop it until it is resumed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reaper_cli import options, pods
from reaper_cli.errors import Problem
from reaper_cli.session import talk
from reaper_cli.steering import Steering

if TYPE_CHECKING:
    from reaper_cli.cluster import Cluster
    from reaper_cli.session import Session


@options.verb()
@options.task_names(nargs=-1, metavar="[NAME...]")
@click.option("-l", "--selector", default="", help="All unfinished tasks with these labels.")
@options.dry_run("Only say what would be suspended.")
@options.with_cluster
def command(
    session: Session,  # noqa: ARG001 - every verb gets it
    cluster: Cluster,
    *,
    names: tuple[str, ...],
    selector: str,
    dry_run: str,
) -> None:
    """Hold a task back, or stop it until it is resumed.

    A process that runs gets SIGTERM and its grace period. Resumed, the task starts anew, in a new attempt.
    """
    steering = Steering(cluster, dry_run)
    tasks = pods.select(cluster, names, selector, lambda task: not task.finished and not task.suspended)
    if not tasks:
        talk(f"there is no task with {selector} to suspend")
    for task in tasks:
        if task.finished:
            raise Problem(
                f"task {task.name} is over ({task.state}): there is nothing to suspend",
                f"kubectl reaper retry {task.name}",
            )
        if task.suspended:
            click.echo(f"{task.name} suspended already")
        else:
            steering.change(task.name, "suspended", {"suspend": True})
