"""Namespaces that may have host processes."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

from kubectl import ALLOW, Kubectl
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def opened(system: Kubectl, name: str) -> Iterator[Kubectl]:
    """kubectl in a new one; what is in there goes with it. It is deleted whatever happens."""
    label, _, allowed = ALLOW.partition("=")
    labelled = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {label: allowed}}}
    system.run("create", "-f", "-", stdin=json.dumps(labelled))
    try:
        kubectl = Kubectl(name)
        # Without the one Pods are refused, without the other they do not start; controllers make both a moment later.
        eventually(lambda: kubectl.find("serviceaccount", "default"), 30, f"namespace {name} has a service account")
        eventually(lambda: kubectl.find("configmap", "kube-root-ca.crt"), 30, f"namespace {name} has the root CA")
        yield kubectl
    finally:
        system.run("delete", "namespace", name, "--wait=false")
