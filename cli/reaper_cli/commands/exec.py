"""exec: another command beside a task's process; by kubectl, in the right Pod."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reaper_api.vocabulary import CONTAINER
from reaper_cli import options, pods

if TYPE_CHECKING:
    from reaper_cli.cluster import Cluster
    from reaper_cli.session import Session


@options.verb(options.Runner)
@options.task_name(metavar="NAME")
@click.option("-i", "--stdin", is_flag=True, help="Pass standard input on.")
@click.option("-t", "--tty", is_flag=True, help="With a terminal.")
@click.option("-q", "--quiet", is_flag=True, help="Only the output of the command.")
@options.with_cluster
def command(
    session: Session,  # noqa: ARG001 - every verb gets it
    cluster: Cluster,
    *,
    name: str,
    command: tuple[str, ...],
    stdin: bool,
    tty: bool,
    quiet: bool,
) -> None:
    """Run another command beside a task's process.

    It sees the same files, and ends with the exit code of the command:

    \b
    kubectl reaper exec ticker -- ps -o pid,args
    kubectl reaper exec -it ticker -- /bin/sh
    """
    if not command:
        raise click.UsageError(f"what shall run? Write it after --: kubectl reaper exec -it {name} -- /bin/sh")
    pod = pods.running(cluster, name)
    flags = [flag for flag, given in (("--stdin", stdin), ("--tty", tty), ("--quiet", quiet)) if given]
    place = (f"--container={CONTAINER}", f"--namespace={cluster.namespace}")
    cluster.hand_over("exec", pod, *place, *flags, "--", *command)
