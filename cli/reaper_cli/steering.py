"""Changing what may be changed of a task, and seeing that it was taken."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from reaper_cli.cluster import TASKS, Body, Cluster
from reaper_cli.errors import Problem
from reaper_cli.options import CLIENT, REMARK, SERVER

if TYPE_CHECKING:
    from collections.abc import Mapping


class Steering:
    """Changes tasks and says so; with a dry run of the client it asks for nothing, with one of the server for a try."""

    def __init__(self, cluster: Cluster, dry_run: str) -> None:
        self._cluster = cluster
        self._dry_run = dry_run

    def change(
        self, name: str, done: str, spec: Mapping[str, Any], annotations: Mapping[str, str] | None = None
    ) -> None:
        """Merge into the spec of a task, and say what is done to it.

        A Problem where the cluster has an older CRD, which drops the field in silence.
        """
        if self._dry_run != CLIENT:
            self._patch(name, spec, annotations or {})
        click.echo(f"{name} {done}{REMARK[self._dry_run]}")

    def _patch(self, name: str, spec: Mapping[str, Any], annotations: Mapping[str, str]) -> None:
        change: Body = {"spec": dict(spec)}
        if annotations:
            change["metadata"] = {"annotations": dict(annotations)}
        answer = self._cluster.patch(TASKS, name, change, dry_run=self._dry_run == SERVER)
        for field, value in spec.items():
            if answer["spec"].get(field) != value:
                raise Problem(
                    f"the cluster did not take spec.{field} of task {name}: its CRD is older", "kubectl reaper doctor"
                )
