"""What the cluster is told about a node: one label to schedule by, annotations and Events to read."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reaper_node.errors import NodeError
    from reaper_node.kube import Cluster

log = logging.getLogger(__name__)

LABEL = "reaper.io/runtime"
READY = "ready"
FAILED = "failed"
VERSION = "reaper.io/runtime-version"
ERROR = "reaper.io/runtime-error"
_MESSAGE_LIMIT = 1024  # of an Event; annotations could be longer, but nobody reads that


def ready(cluster: Cluster, node: str, version: str) -> None:
    """Say that the node runs reaper pods with this version, where the Node does not say so yet."""
    if _patch(cluster, node, {LABEL: READY}, {VERSION: version, ERROR: None}):
        log.info("node %s has the label %s=%s, runtime %s", node, LABEL, READY, version)
        _event(cluster, node, "Normal", "ReaperRuntimeReady", f"reaper runtime {version} is ready on this node")


def failed(cluster: Cluster, node: str, error: NodeError, *, usable: bool) -> None:
    """Say what is wrong. A node that was ready and is still usable stays ready."""
    present = cluster.node(node)["metadata"].get("labels") or {}
    stays = usable and present.get(LABEL) == READY
    _complain(cluster, node, {} if stays else {LABEL: FAILED}, error)


def not_removed(cluster: Cluster, node: str, error: NodeError) -> None:
    """Say what is in the way of an uninstall; the label is gone since its beginning."""
    _complain(cluster, node, {}, error)


def _complain(cluster: Cluster, node: str, labels: dict[str, str | None], error: NodeError) -> None:
    if _patch(cluster, node, labels, {ERROR: f"{error.reason}: {error}"[:_MESSAGE_LIMIT]}):
        _event(cluster, node, "Warning", error.reason, str(error))


def removing(cluster: Cluster, node: str) -> None:
    """Take the label first, so that no new pod comes while the runtime goes."""
    _patch(cluster, node, {LABEL: None}, {})


def removed(cluster: Cluster, node: str) -> None:
    """Leave nothing of ours on the Node."""
    _patch(cluster, node, {LABEL: None}, {VERSION: None, ERROR: None})


def _patch(cluster: Cluster, node: str, labels: dict[str, str | None], annotations: dict[str, str | None]) -> bool:
    metadata = cluster.node(node)["metadata"]
    difference: dict[str, Any] = {}
    for field, wanted in (("labels", labels), ("annotations", annotations)):
        present = metadata.get(field) or {}
        changes = {key: value for key, value in wanted.items() if present.get(key) != value}
        if changes:
            difference[field] = changes
    if difference:
        cluster.patch_node(node, difference)
    return bool(difference)


def _event(cluster: Cluster, node: str, kind: str, reason: str, message: str) -> None:
    now = datetime.now(UTC)
    stamp = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    cluster.create_event(
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {"name": f"{node}.{int(now.timestamp() * 1e6):x}", "namespace": "default"},
            # kubectl describe node finds Events by name as uid: kubelet does the same.
            "involvedObject": {"apiVersion": "v1", "kind": "Node", "name": node, "uid": node},
            "type": kind,
            "reason": reason,
            "message": message[:_MESSAGE_LIMIT],
            "source": {"component": "reaper-node", "host": node},
            "firstTimestamp": stamp,
            "lastTimestamp": stamp,
            "count": 1,
        }
    )
