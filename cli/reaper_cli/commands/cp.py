"""cp: files from and to a task's file system; by kubectl, in the right Pod."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reaper_api.vocabulary import CONTAINER
from reaper_cli import options, pods

if TYPE_CHECKING:
    from reaper_cli.cluster import Cluster
    from reaper_cli.session import Session


@options.verb()
@click.argument("source")
@click.argument("destination")
@click.option("--no-preserve", is_flag=True, help="Do not keep owner and permissions.")
@options.with_cluster
def command(
    session: Session,  # noqa: ARG001 - every verb gets it
    cluster: Cluster,
    *,
    source: str,
    destination: str,
    no_preserve: bool,
) -> None:
    """Copy files from and to a task's file system.

    What is written goes to the overlay that the task sees, not to the node's own files:

    \b
    kubectl reaper cp ticker:/var/log/app.log app.log
    kubectl reaper cp settings.ini ticker:/etc/app/settings.ini
    """
    there = [path for path in (source, destination) if _task_of(path)]
    if len(there) != 1:
        raise click.UsageError("one of the two is NAME:PATH, a file of a task, and the other a file here")
    name = _task_of(there[0])
    pod = pods.running(cluster, name)
    words = (path if path not in there else f"{pod}:{path.partition(':')[2]}" for path in (source, destination))
    flags = ["--no-preserve"] if no_preserve else []
    place = (f"--container={CONTAINER}", f"--namespace={cluster.namespace}")
    cluster.hand_over("cp", *words, *place, *flags)


def _task_of(path: str) -> str:
    """The name before the colon; empty for a file here, which may have a colon after its first slash."""
    name, colon, _ = path.partition(":")
    return name if colon and "/" not in name else ""
