"""attach: to the input and output of a task's process; by kubectl, in the right Pod."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reaper_api.vocabulary import CONTAINER
from reaper_cli import options, pods
from reaper_cli.cluster import TASKS
from reaper_cli.errors import Problem

if TYPE_CHECKING:
    from reaper_cli.cluster import Cluster
    from reaper_cli.session import Session


@options.verb()
@options.task_name(metavar="NAME")
@click.option("-i", "--stdin", is_flag=True, help="Pass standard input on.")
@click.option("-t", "--tty", is_flag=True, help="Through the task's terminal.")
@click.option("-q", "--quiet", is_flag=True, help="Only the output of the process.")
@options.with_cluster
def command(
    session: Session,  # noqa: ARG001 - every verb gets it
    cluster: Cluster,
    *,
    name: str,
    stdin: bool,
    tty: bool,
    quiet: bool,
) -> None:
    """Connect to the input and output of a task's process.

    What was written before is not shown: that is in kubectl reaper logs.
    """
    pod = pods.running(cluster, name)
    spec = cluster.get(TASKS, name)["spec"]
    if stdin and not spec.get("stdin"):
        raise Problem(
            f"task {name} has no input: its spec.stdin is not true", f"kubectl reaper exec -it {name} -- /bin/sh"
        )
    if tty and not spec.get("terminal"):
        raise Problem(f"task {name} has no terminal: its spec.terminal is not true", f"kubectl reaper attach {name}")
    flags = [flag for flag, given in (("--stdin", stdin), ("--tty", tty), ("--quiet", quiet)) if given]
    cluster.hand_over("attach", pod, f"--container={CONTAINER}", f"--namespace={cluster.namespace}", *flags)
