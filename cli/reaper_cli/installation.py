"""What is installed where: the operator, and the runtime on nodes. Pure but for `operators` and `installers`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from reaper_api.vocabulary import (
    ANNOTATION_NODE_ERROR,
    ANNOTATION_NODE_VERSION,
    COMPONENT_NODE,
    COMPONENT_OPERATOR,
    LABEL_APP_VERSION,
    LABEL_COMPONENT,
    LABEL_PART_OF,
    LABEL_RUNTIME,
    NODE_READY,
    PRODUCT,
)
from reaper_cli.cluster import DAEMON_SETS, DEPLOYMENTS, Body, Cluster, Selection

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Workload:
    """The operator's Deployment, or the installer's DaemonSet."""

    name: str
    namespace: str
    version: str
    image: str
    ready: int
    wanted: int

    @classmethod
    def read(cls, body: Body) -> Self:
        """From the object."""
        metadata, spec, status = body["metadata"], body["spec"], body.get("status") or {}
        daemons = "desiredNumberScheduled" in status or "replicas" not in spec
        return cls(
            name=metadata["name"],
            namespace=metadata["namespace"],
            version=(metadata.get("labels") or {}).get(LABEL_APP_VERSION, ""),
            image=spec["template"]["spec"]["containers"][0]["image"],
            ready=status.get("numberReady" if daemons else "readyReplicas") or 0,
            wanted=(status.get("desiredNumberScheduled") or 0) if daemons else spec["replicas"],
        )


def operators(cluster: Cluster) -> list[Workload]:
    """Every Deployment of the operator in the cluster. Forbidden where the caller may not list them."""
    labels = f"{LABEL_PART_OF}={PRODUCT},{LABEL_COMPONENT}={COMPONENT_OPERATOR}"
    return [Workload.read(body) for body in cluster.list(DEPLOYMENTS, Selection("", labels=labels))]


def installers(cluster: Cluster) -> list[Workload]:
    """Every DaemonSet of the node installer."""
    labels = f"{LABEL_PART_OF}={PRODUCT},{LABEL_COMPONENT}={COMPONENT_NODE}"
    return [Workload.read(body) for body in cluster.list(DAEMON_SETS, Selection("", labels=labels))]


@dataclass(frozen=True)
class Node:
    """A node, as the installer and kubelet report it."""

    name: str
    runtime: str  # ready, failed; empty where the installer has said nothing
    version: str
    error: str
    healthy: bool  # kubelet reports, and says Ready
    cordoned: bool
    containerd: str
    system: str

    @classmethod
    def read(cls, body: Body) -> Self:
        """From the object."""
        metadata, status = body["metadata"], body.get("status") or {}
        annotations, info = metadata.get("annotations") or {}, status.get("nodeInfo") or {}
        return cls(
            name=metadata["name"],
            runtime=(metadata.get("labels") or {}).get(LABEL_RUNTIME, ""),
            version=annotations.get(ANNOTATION_NODE_VERSION, ""),
            error=annotations.get(ANNOTATION_NODE_ERROR, ""),
            healthy=any(c["type"] == "Ready" and c["status"] == "True" for c in status.get("conditions") or ()),
            cordoned=bool((body.get("spec") or {}).get("unschedulable")),
            containerd=info.get("containerRuntimeVersion", "").removeprefix("containerd://"),
            system=info.get("osImage", ""),
        )

    @property
    def usable(self) -> bool:
        """Whether a task can be placed there."""
        return self.runtime == NODE_READY and self.healthy and not self.cordoned

    @property
    def problems(self) -> Iterator[str]:
        """What keeps tasks away, in sentences."""
        if not self.healthy:
            yield "the node is not Ready"
        if self.cordoned:
            yield "the node is cordoned"
        if self.error:
            yield self.error
        elif not self.runtime:
            yield "the installer has not been here"
