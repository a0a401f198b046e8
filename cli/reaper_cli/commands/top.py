"""top: processor and memory that tasks use, from the metrics API, else from each node's kubelet."""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

import click

from reaper_api.vocabulary import LABEL_TASK, Phase
from reaper_cli import options, table
from reaper_cli.cluster import NODES, POD_METRICS, TASKS, Cluster, Selection
from reaper_cli.errors import ClusterError, NotFound, Problem
from reaper_cli.task import Task

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reaper_cli.session import Session

_BETWEEN = 2.0  # seconds between two looks with --watch; kubelet measures every 10 s
_CPU = {"n": 1e-9, "u": 1e-6, "m": 1e-3, "": 1.0}
_BYTES = {
    "": 1,
    "k": 10**3,
    "M": 10**6,
    "G": 10**9,
    "T": 10**12,
    "Ki": 1 << 10,
    "Mi": 1 << 20,
    "Gi": 1 << 30,
    "Ti": 1 << 40,
}
_CLEAR = "\x1b[H\x1b[J"


class Usage(NamedTuple):
    """Of one Pod."""

    cores: float
    bytes: int


@options.verb()
@options.task_names(nargs=-1, metavar="[NAME...]")
@options.selection
@click.option("--sort-by", type=click.Choice(["cpu", "memory", "name"]), default="cpu", help="The largest first.")
@click.option("--no-headers", is_flag=True, help="Only the rows.")
@click.option("-w", "--watch", is_flag=True, help="Look again every 2 seconds, until Ctrl-C.")
@options.with_cluster
def command(
    session: Session,
    cluster: Cluster,
    *,
    names: tuple[str, ...],
    selector: str,
    all_namespaces: bool,
    sort_by: str,
    no_headers: bool,
    watch: bool,
) -> None:
    """Processor and memory that tasks use.

    From the metrics API where the cluster has one, else from the kubelet of each node, which takes the right to
    get nodes/proxy.
    """
    selection = Selection("" if all_namespaces else cluster.namespace, labels=selector)
    while True:
        lines = list(
            _lines(session, cluster, selection, names, sort_by, headers=not no_headers, everywhere=all_namespaces)
        )
        click.echo((_CLEAR if watch and session.screen.live else "") + "\n".join(lines))
        if not watch:
            return
        _pause(cluster)


def _pause(cluster: Cluster) -> None:
    """As long as a watch is silent, so that a task that starts or ends is seen at once."""
    with closing(cluster.watch(TASKS, Selection(cluster.namespace), _BETWEEN)) as changes:
        for change in changes:
            if change is None:
                return


def _lines(
    session: Session,
    cluster: Cluster,
    selection: Selection,
    names: Sequence[str],
    order: str,
    *,
    headers: bool,
    everywhere: bool,
) -> Iterator[str]:
    fields = f"status.phase={Phase.RUNNING}"
    tasks = [Task.read(body) for body in cluster.list(TASKS, selection._replace(fields=fields))]
    tasks = [task for task in tasks if not names or task.name in names]
    if not tasks:
        raise NotFound(
            "no task runs" + (" that is selected" if names or selection.labels else ""), "kubectl reaper get"
        )
    usages = usage(cluster, tasks, selection.namespace)
    now = session.clock.now()
    rows = []
    for task in _sorted(tasks, usages, order):
        used = usages.get((task.namespace, task.pod))
        figures = [f"{used.cores * 1000:.0f}m", f"{used.bytes / (1 << 20):.0f}Mi"] if used else ["?", "?"]
        rows.append(
            [*([task.namespace] if everywhere else []), task.name, *figures, task.node, table.age(task.started, now)]
        )
    header = [*(["NAMESPACE"] if everywhere else []), "NAME", "CPU", "MEMORY", "NODE", "RUNNING"]
    lines = list(table.table(header, rows))
    yield from lines if headers else lines[1:]


def _sorted(tasks: list[Task], usages: dict[tuple[str, str], Usage], order: str) -> list[Task]:
    if order == "name":
        return sorted(tasks, key=lambda task: (task.namespace, task.name))
    column = 0 if order == "cpu" else 1
    return sorted(tasks, key=lambda task: -usages.get((task.namespace, task.pod), Usage(-1, -1))[column])


def usage(cluster: Cluster, tasks: Sequence[Task], namespace: str) -> dict[tuple[str, str], Usage]:
    """What the Pods of tasks use, by namespace and name. A Problem if nobody measures it."""
    try:
        return _from_metrics(cluster, namespace)
    except Problem as error:
        without = error
    try:
        nodes = sorted({task.node for task in tasks if task.node})
        return {key: used for node in nodes for key, used in _from_kubelet(cluster, node)}
    except Problem as error:
        raise Problem(
            f"nobody tells what the tasks use: the metrics API says {without.message}; kubelet says {error.message}",
            "installing metrics-server, or granting get on nodes/proxy",
        ) from error


def _from_metrics(cluster: Cluster, namespace: str) -> dict[tuple[str, str], Usage]:
    found = cluster.list(POD_METRICS, Selection(namespace, labels=LABEL_TASK))
    return {
        (body["metadata"]["namespace"], body["metadata"]["name"]): Usage(
            sum(_quantity(each["usage"]["cpu"], _CPU) for each in body["containers"]),
            int(sum(_quantity(each["usage"]["memory"], _BYTES) for each in body["containers"])),
        )
        for body in found
    }


def _from_kubelet(cluster: Cluster, node: str) -> Iterator[tuple[tuple[str, str], Usage]]:
    for pod in cluster.ask(f"{NODES.path('', node)}/proxy/stats/summary").get("pods") or ():
        containers = pod.get("containers") or ()
        cores = sum((each.get("cpu") or {}).get("usageNanoCores") or 0 for each in containers) * _CPU["n"]
        memory = sum((each.get("memory") or {}).get("workingSetBytes") or 0 for each in containers)
        yield (pod["podRef"]["namespace"], pod["podRef"]["name"]), Usage(cores, memory)


def _quantity(text: str, units: dict[str, float] | dict[str, int]) -> float:
    found = re.fullmatch(r"([0-9.]+)([A-Za-z]*)", text)
    if found is None or found[2] not in units:
        raise ClusterError(f"{text!r} is no quantity")
    return float(found[1]) * units[found[2]]
