"""What can stand in a command line, asked of the cluster while somebody types. A cluster that does not answer
suggests nothing: completion never fails, and never prints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reaper_cli.cluster import NAMESPACES, NODES, TASKS, Resource, Selection
from reaper_cli.errors import Problem
from reaper_cli.options import cluster_of

if TYPE_CHECKING:
    import click


def tasks(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001 - click's
    """Names of tasks that are not in the line yet."""
    given = {name for value in ctx.params.values() if isinstance(value, tuple) for name in value}
    return [name for name in _names(ctx, TASKS, incomplete) if name not in given]


def nodes(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001 - click's
    """Names of nodes."""
    return _names(ctx, NODES, incomplete)


def namespaces(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001 - click's
    """Names of namespaces."""
    return _names(ctx, NAMESPACES, incomplete)


def contexts(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:  # noqa: ARG001 - click's
    """Contexts of the kubeconfig."""
    found = cluster_of(ctx).lines("config", "get-contexts", "-o", "name")
    names = [line for line in found if line.startswith(incomplete)]
    found.close()
    return names


def _names(ctx: click.Context, resource: Resource, incomplete: str) -> list[str]:
    try:
        cluster = cluster_of(ctx)
        found = cluster.list(resource, Selection(cluster.namespace if resource.namespaced else ""))
    except Problem:
        return []
    return sorted(name for body in found if (name := body["metadata"]["name"]).startswith(incomplete))
