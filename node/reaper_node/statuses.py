"""Two fields of a ReaperTask's status: which process of this node runs it, and which overlay that sees.

The operator writes all others. Each write is one server-side apply on top of the very version of the task that was
read, so that it never lands in the status of another attempt.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from reaper_node.errors import ApiError, NodeError

if TYPE_CHECKING:
    from reaper_node.kube import Json, Tasks
    from reaper_node.processes import TaskProcess

log = logging.getLogger(__name__)

PID, OVERLAY = "hostProcessPID", "overlayNamespaceID"
_OVER = {"Succeeded", "Failed", "Suspended"}


class Statuses:
    """Of the tasks whose processes are on one node."""

    def __init__(self, tasks: Tasks, node: str) -> None:
        self._tasks = tasks
        self._node = node

    def tell(self, process: TaskProcess, *, runs: bool) -> bool:
        """Bring the status up to date, if it is about this process's Pod; whether something was written.

        Raises ApiError, or NodeError while the operator has not yet said that the Pod is on this node.
        """
        try:
            task = self._tasks.task(process.namespace, process.task)
        except ApiError as error:
            if error.status == 404:
                return False
            raise
        status: Json = task.get("status") or {}
        # The UID proves whose process it is: what a Pod says of its task is only a claim.
        if status.get("podUID") != process.pod_uid or _is_over(status):
            return False
        wanted = _fields(process, runs=runs)
        if wanted == {name: status[name] for name in (PID, OVERLAY) if name in status}:
            return False
        self._check_node(status, process)
        self._tasks.apply_status(_manifest(task, wanted))
        log.info("ReaperTask %s/%s: %s", process.namespace, process.task, _in_words(wanted))
        return True

    def _check_node(self, status: Json, process: TaskProcess) -> None:
        if status.get("nodeName") != self._node:
            raise NodeError(
                "NotYetHere",
                f"the status of ReaperTask {process.namespace}/{process.task} does not say yet that Pod {process.pod} "
                "is on this node",
            )


def _is_over(status: Json) -> bool:
    """Whether the attempt is, of which the status still has the Pod: then the operator has taken our fields away."""
    return status.get("phase") in _OVER or "nextAttemptTime" in status


def _fields(process: TaskProcess, *, runs: bool) -> dict[str, Any]:
    wanted = {PID: process.pid if runs else None, OVERLAY: process.overlay}
    return {name: value for name, value in wanted.items() if value}


def _manifest(task: Json, status: dict[str, Any]) -> Json:
    """What this field manager wants: the two fields, in this version of this object."""
    identity = {key: task["metadata"][key] for key in ("namespace", "name", "uid", "resourceVersion")}
    return {"apiVersion": task["apiVersion"], "kind": task["kind"], "metadata": identity, "status": status}


def _in_words(status: dict[str, Any]) -> str:
    return ", ".join(f"{name} {status.get(name, 'unset')}" for name in (PID, OVERLAY))
