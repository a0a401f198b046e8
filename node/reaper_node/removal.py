"""Giving a node back as it was before Reaper, in an order that leaves no pod without a runtime."""

from __future__ import annotations

import json
import logging
import shutil
import signal
import time
from typing import TYPE_CHECKING

from reaper_node import bundle, containerd, dropin, lookup, placeholder, report, service
from reaper_node.errors import NodeError
from reaper_node.settings import DROP_IN, HANDLER, RUNTIME_TYPE, STATE_DIRECTORY

if TYPE_CHECKING:
    from collections.abc import Callable

    from reaper_node.host import Host
    from reaper_node.kube import Cluster
    from reaper_node.settings import Settings

log = logging.getLogger(__name__)

_END_WITHIN = 5.0
_POLL = 0.1
_NAMED = 5  # pods in a message


def ensure(host: Host, cluster: Cluster, settings: Settings, sleep: Callable[[float], None] = time.sleep) -> None:
    """Take everything of ours off the node, or raise with what is in the way."""
    report.removing(cluster, settings.node_name)
    _require_no_processes(host, settings)
    daemon = containerd.find(host, settings.containerd_unit)
    removed = dropin.remove(host, settings.drop_in_directory)
    if removed:
        log.info("removed %s/%s from the node", settings.drop_in_directory, DROP_IN)
    # An earlier attempt may have removed the file and gone no further: the folder's time tells.
    folder = host.path(settings.drop_in_directory)
    if removed or (folder.exists() and daemon.started <= folder.stat().st_mtime):
        service.restart(host, settings, sleep)
    lookup.remove(host, daemon)
    placeholder.remove(host, settings.containerd_socket)
    _end_processes(host, sleep)
    bundle.remove(host)
    _remove_state(host)
    report.removed(cluster, settings.node_name)
    log.info("node %s is as it was without Reaper", settings.node_name)


def _require_no_processes(host: Host, settings: Settings) -> None:
    """Refuse while a shim of ours serves a pod. What kubelet keeps of finished pods is no hindrance."""

    def table(kind: str) -> list[list[str]]:
        words = ("--namespace", placeholder.NAMESPACE, kind, "ls")
        return [line.split() for line in containerd.ctr(host, settings.containerd_socket, *words).splitlines()]

    ours = {row[0] for row in table("containers") if row[-1:] == [RUNTIME_TYPE]}
    served = [row[0] for row in table("tasks") if row[:1] and row[0] in ours]
    if served:
        raise NodeError(
            "PodsStillRunning",
            f"{', '.join(_pods(host, settings, served))} on this node: delete the Pods with runtimeClassName {HANDLER} "
            "and the ReaperTasks first; the runtime stays until they are gone",
        )


def _pods(host: Host, settings: Settings, containers: list[str]) -> list[str]:
    """The pods that containers belong to, as people name them."""
    found = set()
    for container in containers:
        words = ("--namespace", placeholder.NAMESPACE, "containers", "info", container)
        labels = json.loads(containerd.ctr(host, settings.containerd_socket, *words)).get("Labels") or {}
        pod = f"{labels.get('io.kubernetes.pod.namespace')}/{labels.get('io.kubernetes.pod.name')}"
        found.add(f"Pod {pod} runs" if "io.kubernetes.pod.name" in labels else f"container {container} runs")
    named = sorted(found)
    more = [f"and {len(named) - _NAMED} more"] if len(named) > _NAMED else []
    return named[:_NAMED] + more


def _end_processes(host: Host, sleep: Callable[[float], None]) -> None:
    """End the fork server, which has no work left: no container is there any more."""
    deadline = time.monotonic() + _END_WITHIN
    for pid in bundle.users(host):
        host.kill(pid, signal.SIGTERM)
    while remaining := bundle.users(host):
        if time.monotonic() > deadline:
            for pid in remaining:
                host.kill(pid, signal.SIGKILL)
            return
        sleep(_POLL)


def _remove_state(host: Host) -> None:
    state = host.path(STATE_DIRECTORY)
    if not state.exists():
        return
    mounts = host.path("/proc/1/mountinfo").read_text().splitlines()
    below = [mount for mount in (line.split()[4] for line in mounts) if f"{mount}/".startswith(f"{STATE_DIRECTORY}/")]
    if below:
        # Removing through a mount would remove what is mounted: the node's own files.
        raise NodeError(
            "StateStillMounted", f"unmount {', '.join(sorted(below))} on the node: Reaper's state is below it"
        )
    shutil.rmtree(state)
    log.info("removed %s", STATE_DIRECTORY)
