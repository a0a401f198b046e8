"""Changing what may be changed of a task, and seeing that it was taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reaper_cli.cluster import TASKS, Body, Cluster
from reaper_cli.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping


def steer(cluster: Cluster, name: str, spec: Mapping[str, Any], annotations: Mapping[str, str] | None = None) -> None:
    """Merge into the spec of a task. A Problem where the cluster has an older CRD, which drops the field in silence."""
    change: Body = {"spec": dict(spec)}
    if annotations:
        change["metadata"] = {"annotations": dict(annotations)}
    answer = cluster.patch(TASKS, name, change)
    for field, value in spec.items():
        if answer["spec"].get(field) != value:
            raise Problem(
                f"the cluster did not take spec.{field} of task {name}: its CRD is older", "kubectl reaper doctor"
            )
