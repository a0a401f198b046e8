"""Giving a node back as it was before Reaper, in an order that leaves no pod without a runtime."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
import signal
import time
from pathlib import Path
from typing import TYPE_CHECKING

from reaper_node import bundle, check, containerd, dropin, lookup, placeholder, report, service
from reaper_node.errors import NodeError
from reaper_node.settings import DROP_IN, HANDLER, INSTALL_DIRECTORY, RUNTIME_TYPE, STATE_DIRECTORY

if TYPE_CHECKING:
    from collections.abc import Callable

    from reaper_node.host import Host
    from reaper_node.kube import Cluster
    from reaper_node.settings import Settings

log = logging.getLogger(__name__)

_END_WITHIN = 5.0
_POLL = 0.1
_SUPERVISOR = "reaper-supervisor"  # how it shows itself in ps
_CGROUP = "reaper"  # below each hierarchy's mount point
_NAMED = 5  # pods and containers in a message


def ensure(host: Host, cluster: Cluster, settings: Settings, sleep: Callable[[float], None] = time.sleep) -> None:
    """Take everything of ours off the node, or raise with what is in the way."""
    report.removing(cluster, settings.node_name)
    _require_nothing_runs(host, settings)
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
    _forget_overlays(host)
    bundle.remove(host)
    _remove_state(host)
    _remove_cgroups(host)
    report.removed(cluster, settings.node_name)
    log.info("node %s is as it was without Reaper", settings.node_name)


def _require_nothing_runs(host: Host, settings: Settings) -> None:
    """Refuse while a shim of ours serves a container. What kubelet keeps of finished pods is no hindrance.

    All of containerd's namespaces count: a shim that is ended leaves its processes without one.
    """
    socket = settings.containerd_socket
    check.clear(host, socket)
    namespaces = containerd.ctr(host, socket, "namespaces", "ls", "-q").split()
    served = [f"{name} runs" for namespace in namespaces for name in _served(host, socket, namespace)]
    served += [f"{name} is there" for name in _supervised(host)]
    if not served:
        return
    more = [f"and {len(served) - _NAMED} more"] if len(served) > _NAMED else []
    raise NodeError(
        "PodsStillRunning",
        f"{', '.join(served[:_NAMED] + more)} on this node: delete the Pods with runtimeClassName {HANDLER}, "
        "the ReaperTasks and such containers first; the runtime stays until they are gone",
    )


def _supervised(host: Host) -> list[str]:
    """Containers of reaper-runtime's own commands. Their supervisors would die with the runtime, and not they."""
    found = []
    for pid in bundle.users(host):
        try:
            name, *words = host.path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue  # it has ended
        if name == _SUPERVISOR:
            found.append(f"container {words[0]} of reaper-runtime in {words[1]}")
    return sorted(found)


def _served(host: Host, socket: str, namespace: str) -> list[str]:
    """What our shims serve in a namespace of containerd, as people name it."""

    def ctr(*words: str) -> str:
        return containerd.ctr(host, socket, "--namespace", namespace, *words)

    def name(container: str) -> str:
        labels = json.loads(ctr("containers", "info", container)).get("Labels") or {}
        if "io.kubernetes.pod.name" in labels:
            return f"Pod {labels.get('io.kubernetes.pod.namespace')}/{labels['io.kubernetes.pod.name']}"
        return f"container {container} in containerd's namespace {namespace}"

    ours = {row[0] for row in map(str.split, ctr("containers", "ls").splitlines()) if row[-1:] == [RUNTIME_TYPE]}
    tasks = [row[0] for row in map(str.split, ctr("tasks", "ls").splitlines()) if row]
    return sorted({name(container) for container in tasks if container in ours})


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


def _forget_overlays(host: Host) -> None:
    """Unmount them, by the runtime's own word: only it knows its locks. What was written in them is gone."""
    runtime = f"{INSTALL_DIRECTORY}/current/bin/reaper-runtime"
    if host.path(runtime).exists():
        host.run(runtime, "overlay", "reset", "--all")


def _mounts(host: Host) -> list[tuple[str, str]]:
    """Where something is mounted on the node, and what kind of file system: /proc/PID/mountinfo of proc(5)."""
    lines = host.path("/proc/1/mountinfo").read_text().splitlines()
    return [(line.split()[4], line.partition(" - ")[2].split()[0]) for line in lines]


def _remove_cgroups(host: Host) -> None:
    """What is left above the containers' own: empty ones. Whatever is in use stays."""
    for place, kind in _mounts(host):
        if kind in {"cgroup", "cgroup2"}:
            for folder, _, _ in os.walk(host.path(place) / _CGROUP, topdown=False):
                with contextlib.suppress(OSError):
                    Path(folder).rmdir()


def _remove_state(host: Host) -> None:
    state = host.path(STATE_DIRECTORY)
    if not state.exists():
        return
    prefix = f"{host.resolved(STATE_DIRECTORY)}/"
    below = [mount for mount, _ in _mounts(host) if f"{mount}/".startswith(prefix)]
    if below:
        # Removing through a mount would remove what is mounted: the node's own files.
        raise NodeError(
            "StateStillMounted", f"unmount {', '.join(sorted(below))} on the node: Reaper's state is below it"
        )
    shutil.rmtree(state)
    log.info("removed %s", STATE_DIRECTORY)
