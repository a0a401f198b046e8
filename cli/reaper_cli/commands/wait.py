"""wait: for the end of a task, whatever it is, with the exit code of its process."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from reaper_cli import options, pods
from reaper_cli.errors import NotFound
from reaper_cli.session import talk
from reaper_cli.waiting import Waiter, exit_code

if TYPE_CHECKING:
    from reaper_cli.cluster import Cluster
    from reaper_cli.session import Session


@options.verb()
@options.task_names(nargs=-1, metavar="[NAME...]")
@click.option("-l", "--selector", default="", help="All tasks with these labels that there are now.")
@options.timeout("Give up after this time, such as 10m.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing.")
@options.with_cluster
def command(
    session: Session,
    cluster: Cluster,
    *,
    names: tuple[str, ...],
    selector: str,
    timeout: float | None,
    quiet: bool,
) -> None:
    """Wait for the end of a task and exit with its exit code.

    Of several tasks, the first exit code that is not 0. 124 out of time, 125 no process has ended.
    """
    waiter = Waiter(cluster, session.clock, timeout, (lambda _: None) if quiet else talk)
    tasks = pods.select(cluster, names, selector, lambda _: True)
    if not tasks:
        raise NotFound(f"there is no task with {selector} to wait for", f"kubectl reaper get -n {cluster.namespace}")
    ended = [task if task.finished else waiter.end(task) for task in tasks]
    for task in ended:
        if not quiet:
            talk(f"{task.name}: {task.state}")
    sys.exit(next((code for task in ended if (code := exit_code(task))), 0))
