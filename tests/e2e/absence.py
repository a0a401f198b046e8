"""The operator, away for a while."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from kubectl import RELEASE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kubectl import Kubectl

OPERATOR = f"{RELEASE}-operator"


@contextmanager
def without_operator(system: Kubectl) -> Iterator[None]:
    """None of its Pods is there meanwhile; all are ready again afterwards, whatever happens."""
    replicas = system.get("deployment", OPERATOR)["spec"]["replicas"]
    deployment = f"deployment/{OPERATOR}"
    system.run("scale", deployment, "--replicas=0")
    try:
        system.run("wait", "--for=delete", "pod", "-l", "app.kubernetes.io/component=operator", "--timeout=90s")
        yield
    finally:
        system.run("scale", deployment, f"--replicas={replicas}")
        system.run("rollout", "status", deployment, "--timeout=90s")
