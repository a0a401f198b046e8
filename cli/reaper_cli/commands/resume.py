"""resume: let a suspended task run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reaper_cli import options, pods
from reaper_cli.errors import Problem
from reaper_cli.steering import Steering

if TYPE_CHECKING:
    from reaper_cli.cluster import Cluster
    from reaper_cli.session import Session


@options.verb()
@options.task_names(nargs=-1, required=True, metavar="NAME...")
@options.dry_run("Only say what would be resumed.")
@options.with_cluster
def command(
    session: Session,  # noqa: ARG001 - every verb gets it
    cluster: Cluster,
    *,
    names: tuple[str, ...],
    dry_run: str,
) -> None:
    """Let a suspended task run."""
    steering = Steering(cluster, dry_run)
    for name in names:
        task = pods.find(cluster, name)
        if task.finished:
            raise Problem(f"task {name} is over ({task.state}): it does not run again", f"kubectl reaper retry {name}")
        if task.suspended:
            steering.change(name, "resumed", {"suspend": False})
        else:
            click.echo(f"{name} is not suspended: {task.state}")
