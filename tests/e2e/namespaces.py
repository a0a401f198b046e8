"""Namespaces that may have host processes."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from kubectl import ALLOW, Kubectl
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextmanager
def opened(system: Kubectl, name: str) -> Iterator[Kubectl]:
    """kubectl in a new one; what is in there goes with it. It is deleted whatever happens."""
    system.run("create", "namespace", name)
    try:
        system.run("label", "namespace", name, ALLOW)
        kubectl = Kubectl(name)
        # Without it Pods are refused; a controller makes it a moment after the namespace.
        eventually(lambda: kubectl.find("serviceaccount", "default"), 30, f"namespace {name} has a service account")
        yield kubectl
    finally:
        system.run("delete", "namespace", name, "--wait=false")
