"""Uninstalling on every node at once: what the chart's pre-delete hook runs.

A DaemonSet's rollout is the broadcast and the confirmation: its pods are asked to remove instead of
to install, and each is Ready when its node is clean. Whatever else ends the wait, the pods are asked
to install again, so that a refused uninstall leaves a cluster that works.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reaper_node.errors import ApiError, NodeError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from reaper_node.kube import Cluster, Json

log = logging.getLogger(__name__)

CONTAINER = "installer"
INSTALL = ["install"]
REMOVE = ["remove"]
_POLL = 1.0
_ALL_AT_ONCE = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "100%"}}
_PUT_BACK_WITHIN = 15.0  # of the 30 s between a SIGTERM and the end


@dataclass(frozen=True)
class Withdrawal:
    """Which DaemonSet, and for how long to wait."""

    namespace: str
    daemon_set: str
    selector: str
    timeout: float

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Withdrawal:
        """Read what the chart sets; a missing variable is an error that names it."""
        try:
            return cls(
                namespace=env["REAPER_NAMESPACE"],
                daemon_set=env["REAPER_DAEMONSET"],
                selector=env["REAPER_SELECTOR"],
                timeout=float(env.get("REAPER_TIMEOUT", "300")),
            )
        except (KeyError, ValueError) as error:
            raise NodeError("BadSettings", f"a variable of the uninstall hook is missing or wrong: {error}") from error


def withdraw(
    cluster: Cluster,
    wanted: Withdrawal,
    now: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Have every node cleaned, or raise with the nodes that are not and have the runtime put back."""
    try:
        strategy = cluster.daemon_set(wanted.namespace, wanted.daemon_set)["spec"]["updateStrategy"]
    except ApiError as error:
        if error.status == 404:
            log.info("the DaemonSet %s is gone: nothing to remove", wanted.daemon_set)
            return
        raise
    try:
        _remove_everywhere(cluster, wanted, now, sleep)
    except BaseException:
        _put_back(cluster, wanted, strategy, now, sleep)
        raise


def _remove_everywhere(
    cluster: Cluster, wanted: Withdrawal, now: Callable[[], float], sleep: Callable[[float], None]
) -> None:
    deadline = now() + wanted.timeout
    shown = ""
    while True:
        try:
            done, progress = _look(cluster, wanted)
        except ApiError as error:  # an API server that restarts is no reason to leave nodes half cleaned
            done, progress = False, str(error)
        if progress != shown:
            log.info("%s", progress)
            shown = progress
        if done:
            return
        if now() > deadline:
            raise NodeError("NodesNotClean", _unfinished(cluster, wanted, progress))
        sleep(_POLL)


def _look(cluster: Cluster, wanted: Withdrawal) -> tuple[bool, str]:
    daemon_set = cluster.daemon_set(wanted.namespace, wanted.daemon_set)
    # Also when somebody changed it back meanwhile, as an earlier hook that gives up does.
    if _arguments(daemon_set) != REMOVE:
        _ask(cluster, wanted, REMOVE, _ALL_AT_ONCE)
        return False, "no node is clean yet"
    return _progress(daemon_set)


def _put_back(
    cluster: Cluster,
    wanted: Withdrawal,
    strategy: Json,
    now: Callable[[], float],
    sleep: Callable[[float], None],
) -> None:
    deadline = now() + _PUT_BACK_WITHIN
    while True:
        try:
            _ask(cluster, wanted, INSTALL, strategy)
        except ApiError as error:
            if now() > deadline:
                log.error("the runtime was not put back: %s", error)  # noqa: TRY400
                return
            sleep(_POLL)
        else:
            return


def _ask(cluster: Cluster, wanted: Withdrawal, arguments: list[str], strategy: Json) -> None:
    template = {"spec": {"containers": [{"name": CONTAINER, "args": arguments}]}}
    patch = {"spec": {"template": template, "updateStrategy": {"$patch": "replace", **strategy}}}
    cluster.patch_daemon_set(wanted.namespace, wanted.daemon_set, patch)
    log.info("asked the pods of %s to %s", wanted.daemon_set, arguments[0])


def _arguments(daemon_set: Json) -> list[str]:
    for container in daemon_set["spec"]["template"]["spec"]["containers"]:
        if container["name"] == CONTAINER:
            return list(container["args"])
    raise NodeError("BadSettings", f"the DaemonSet has no container {CONTAINER}")


def _progress(daemon_set: Json) -> tuple[bool, str]:
    status = daemon_set.get("status", {})
    wanted = status.get("desiredNumberScheduled", 0)
    seen = status.get("observedGeneration", 0) >= daemon_set["metadata"]["generation"]
    # Ready pods of the old kind do not count: they are ready with the runtime, not without.
    clean = min(status.get("updatedNumberScheduled", 0), status.get("numberReady", 0)) if seen else 0
    return seen and clean >= wanted, f"{clean} of {wanted} nodes are clean"


def _unfinished(cluster: Cluster, wanted: Withdrawal, progress: str) -> str:
    names = []
    try:
        pods = cluster.pods(wanted.namespace, wanted.selector)
    except ApiError:
        pods = []  # the progress says the same
    for pod in pods:
        conditions = {c["type"]: c["status"] for c in pod.get("status", {}).get("conditions", [])}
        if conditions.get("Ready") != "True":
            names.append(f"{pod['spec'].get('nodeName', 'no node')} (pod {pod['metadata']['name']})")
    return (
        f"after {wanted.timeout:.0f} s: {progress}; "
        f"not clean: {', '.join(sorted(names)) or 'unknown'}; the runtime is put back. "
        "Their logs say why; usually Pods with runtimeClassName reaper-v2 are still there. "
        "`helm uninstall --no-hooks` leaves the nodes as they are"
    )
