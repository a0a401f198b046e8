"""resume: let a suspended task run."""

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
@click.option("-l", "--selector", default="", help="All suspended tasks with these labels.")
@options.dry_run("Only say what would be resumed.")
@options.with_cluster
def command(
    session: Session,  # noqa: ARG001 - every verb gets it
    cluster: Cluster,
    *,
    names: tuple[str, ...],
    selector: str,
    dry_run: str,
) -> None:
    """Let a suspended task run."""
    steering = Steering(cluster, dry_run)
    tasks = pods.select(cluster, names, selector, lambda task: task.suspended)
    if not tasks:
        talk(f"there is no task with {selector} to resume")
    for task in tasks:
        if task.finished:
            raise Problem(
                f"task {task.name} is over ({task.state}): it does not run again", f"kubectl reaper retry {task.name}"
            )
        if task.suspended:
            steering.change(task.name, "resumed", {"suspend": False})
        else:
            click.echo(f"{task.name} is not suspended: {task.state}")
