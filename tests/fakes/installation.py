"""Reaper as it is on a cluster once the chart is installed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from reaper_api.crd import crd
from reaper_cli.cluster import (
    BINDINGS,
    CRDS,
    DAEMON_SETS,
    DEPLOYMENTS,
    LEASES,
    NAMESPACES,
    POLICIES,
    RUNTIME_CLASSES,
)

if TYPE_CHECKING:
    from tests.fakes.kubectl import FakeCluster

READY = {"reaper.io/runtime": "ready"}
VERSION = {"reaper.io/runtime-version": "1.2.3"}


def workload(component: str, spec: dict[str, Any], status: dict[str, Any]) -> dict[str, Any]:
    labels = {
        "app.kubernetes.io/part-of": "reaper",
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/version": "1.2.3",
    }
    template = {"spec": {"containers": [{"image": f"reaper-{component}:1.2.3"}]}}
    return {
        "metadata": {"name": f"reaper-{component}", "namespace": "reaper-system", "labels": labels},
        "spec": {**spec, "template": template},
        "status": status,
    }


def install(cluster: FakeCluster, ready: int = 1) -> None:
    definition = crd()
    definition["status"] = {"conditions": [{"type": "Established", "status": "True"}]}
    cluster.put(CRDS, definition)
    cluster.put(
        RUNTIME_CLASSES,
        {"metadata": {"name": "reaper-v2"}, "handler": "reaper-v2", "scheduling": {"nodeSelector": READY}},
    )
    cluster.put(DEPLOYMENTS, workload("operator", {"replicas": 1}, {"readyReplicas": ready}))
    lease = {
        "holderIdentity": "reaper-operator-1",
        "leaseDurationSeconds": 15,
        "renewTime": "2026-11-25T12:00:00.000000Z",
    }
    cluster.put(LEASES, {"metadata": {"name": "reaper-operator", "namespace": "reaper-system"}, "spec": lease})
    cluster.put(DAEMON_SETS, workload("node", {}, {"desiredNumberScheduled": 2, "numberReady": 2}))
    for name, component in (("reaper-node", "node"), ("reaper-access-tasks", "access")):
        labels = {"app.kubernetes.io/part-of": "reaper", "app.kubernetes.io/component": component}
        cluster.put(POLICIES, {"metadata": {"name": name, "labels": labels}, "spec": {}})
        cluster.put(BINDINGS, {"metadata": {"name": name}, "spec": {"policyName": name}})
    for name in ("default", "ops"):
        cluster.put(NAMESPACES, {"metadata": {"name": name, "labels": {"reaper.io/allow": "true"}}})
    cluster.add_node("n1", labels=READY, annotations=VERSION)
    cluster.add_node("n2", labels=READY, annotations=VERSION)
