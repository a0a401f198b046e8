"""resume: let a suspended task run."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reaper_cli import options, pods
from reaper_cli.errors import Problem
from reaper_cli.steering import steer

if TYPE_CHECKING:
    from reaper_cli.cluster import Cluster
    from reaper_cli.session import Session


@options.verb()
@options.task_names(nargs=-1, required=True, metavar="NAME...")
@options.with_cluster
def command(session: Session, cluster: Cluster, *, names: tuple[str, ...]) -> None:  # noqa: ARG001 - every verb gets it
    """Let a suspended task run."""
    for name in names:
        task = pods.find(cluster, name)
        if task.finished:
            raise Problem(f"task {name} is over ({task.state}): it does not run again", f"kubectl reaper retry {name}")
        if task.suspended:
            steer(cluster, name, {"suspend": False})
        click.echo(f"{name} resumed" if task.suspended else f"{name} is not suspended: {task.state}")
