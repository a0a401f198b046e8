"""nodes: where the runtime is, which version, and what is wrong."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import click

from reaper_api.vocabulary import NODE_READY, Phase
from reaper_cli import options, printing, table
from reaper_cli.cluster import NODES, TASKS, Selection
from reaper_cli.errors import ClusterError, NotFound
from reaper_cli.installation import Node
from reaper_cli.task import Task

if TYPE_CHECKING:
    from reaper_cli.cluster import Cluster
    from reaper_cli.session import Session


@options.verb()
@click.argument("names", nargs=-1, metavar="[NODE...]")
@click.option("-l", "--selector", default="", help="Nodes with these labels.")
@printing.output("wide")
@options.with_cluster
def command(
    session: Session,  # noqa: ARG001 - every verb gets it
    cluster: Cluster,
    *,
    names: tuple[str, ...],
    selector: str,
    output: str,
) -> None:
    """Where the runtime is, which version, and what is wrong.

    RUNTIME is ready, failed, or - where the installer has said nothing.
    """
    if output not in ("", "wide"):
        labels = [f"--selector={selector}"] if selector else []
        cluster.hand_over("get", "nodes", *names, *labels, "-o", output)
    found = [Node.read(body) for body in cluster.list(NODES, Selection("", labels=selector))]
    missing = set(names) - {node.name for node in found}
    if missing:
        raise NotFound(f"there is no node {', '.join(sorted(missing))}", "kubectl get nodes")
    chosen = [node for node in found if not names or node.name in names]
    if not chosen:
        raise NotFound("no node is selected", "kubectl get nodes --show-labels")
    tasks = _running(cluster)
    header = ["NODE", "RUNTIME", "VERSION", "TASKS"] + (["CONTAINERD", "SYSTEM"] if output else []) + ["PROBLEM"]
    rows = [_row(node, tasks, wide=bool(output)) for node in chosen]
    for line in table.table(header, rows):
        click.echo(line)


def _row(node: Node, tasks: Counter[str] | None, *, wide: bool) -> list[str]:
    colour = "green" if node.usable else "red" if node.runtime else "yellow"
    runtime = click.style(node.runtime or "-", fg=colour)
    count = "?" if tasks is None else str(tasks[node.name]) if node.runtime == NODE_READY or tasks[node.name] else "-"
    more = [node.containerd or "-", node.system or "-"] if wide else []
    return [node.name, runtime, node.version or "-", count, *more, "; ".join(node.problems)]


def _running(cluster: Cluster) -> Counter[str] | None:
    """How many tasks run on each node; None where the caller may not know."""
    try:
        bodies = cluster.list(TASKS, Selection("", fields=f"status.phase={Phase.RUNNING}"))
    except ClusterError:
        return None
    return Counter(Task.read(body).node for body in bodies)
