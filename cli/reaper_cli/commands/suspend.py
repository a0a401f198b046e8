"""suspend: hold a task back, or stop it until it is resumed."""

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
    """Hold a task back, or stop it until it is resumed.

    A process that runs gets SIGTERM and its grace period. Resumed, the task starts anew, in a new attempt.
    """
    for name in names:
        task = pods.find(cluster, name)
        if task.finished:
            raise Problem(
                f"task {name} is over ({task.state}): there is nothing to suspend", f"kubectl reaper retry {name}"
            )
        if not task.suspended:
            steer(cluster, name, {"suspend": True})
        click.echo(f"{name} suspended" + (" already" if task.suspended else ""))
