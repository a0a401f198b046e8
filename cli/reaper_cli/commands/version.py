"""version: of plugin, operator, CRD and nodes."""

from __future__ import annotations

from collections import Counter
from importlib.metadata import version as version_of
from typing import TYPE_CHECKING, Any

import click

from reaper_api.vocabulary import GROUP, PLURAL
from reaper_cli import options, printing
from reaper_cli.cluster import CRDS, NODES, Selection
from reaper_cli.errors import NotFound, Problem
from reaper_cli.installation import Node, operators
from reaper_cli.session import talk

if TYPE_CHECKING:
    from collections.abc import Callable

    from reaper_cli.cluster import Cluster
    from reaper_cli.session import Session


@options.verb()
@click.option("--client", is_flag=True, help="Only of the plugin; no cluster is asked.")
@printing.structured
@options.with_cluster
def command(session: Session, cluster: Cluster, *, client: bool, output: str | None) -> None:  # noqa: ARG001 - session
    """Versions of plugin, operator, CRD and nodes.

    What the caller may not read is shown as unknown.
    """
    found: dict[str, Any] = {"client": version_of("reaper-k8s")}
    if not client:
        found |= {
            "operator": _ask(lambda: _operator(cluster)),
            "crd": _ask(lambda: _crd(cluster)),
            "nodes": _ask(lambda: _nodes(cluster)),
        }
    if output:
        printing.show(found, output)
        return
    for name, value in found.items():
        text = ", ".join(f"{key} ({count})" for key, count in value.items()) if isinstance(value, dict) else value
        click.echo(f"{name + ':':10}{text or '-'}")


def _ask(question: Callable[[], Any]) -> Any:
    try:
        return question()
    except NotFound:
        return "not installed"
    except Problem as error:
        talk(error.message)
        return "unknown"


def _operator(cluster: Cluster) -> str:
    found = operators(cluster)
    return (
        ", ".join(f"{each.version or '?'} ({each.image}, {each.ready} of {each.wanted} ready)" for each in found)
        or "not installed"
    )


def _crd(cluster: Cluster) -> str:
    versions = cluster.get(CRDS, f"{PLURAL}.{GROUP}")["spec"]["versions"]
    return ", ".join(each["name"] for each in versions if each["served"])


def _nodes(cluster: Cluster) -> dict[str, int]:
    """How many nodes have which version of the runtime."""
    nodes = [Node.read(body) for body in cluster.list(NODES, Selection(""))]
    return dict(Counter(node.version or "none" for node in nodes))
