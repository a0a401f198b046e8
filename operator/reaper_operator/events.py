"""Kubernetes Events for what people want to see in `kubectl describe`: the turns in a task's life. Pure."""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from typing import Any

from reaper_api.status import TaskStatus
from reaper_api.task import Metadata
from reaper_api.vocabulary import API_VERSION, KIND, MANAGER, ConditionType, Phase, Reason

MAX_MESSAGE = 1024  # bytes that an Event may carry; one character may be four of them
_MAX_NAME = 253
_AS_WANTED = frozenset({Phase.RUNNING, Phase.SUSPENDED, Phase.SUCCEEDED})
_AS_EVER = frozenset({None, "ContainerCreating", "PodInitializing"})  # on the way of every Pod
_ASKED_FOR = frozenset({Reason.STOPPING, Reason.POD_DELETED, Reason.TASK_DELETED})  # by whoever deletes a task


def for_transition(task: Metadata, old: TaskStatus, new: TaskStatus, now: datetime) -> dict[str, Any] | None:
    """The Event that tells of the way from `old` to `new`, or None if there is nothing to tell."""
    if stalled(new) and not stalled(old):
        return _event(task, "Warning", new.reason or "Stalled", new.message or "", now)
    if task.deletion_timestamp is not None and new.reason in _ASKED_FOR:
        return None
    if new.reason != old.reason and _is_worth_telling(new):
        return _event(task, "Warning", str(new.reason), new.message or "", now)
    if new.phase == old.phase or new.phase is Phase.PENDING:
        return None
    kind = "Normal" if new.phase in _AS_WANTED else "Warning"
    place = f" on node {new.node_name}" if new.node_name else ""
    text = new.message or f"Pod {new.pod_name} is {new.phase}{place}"
    return _event(task, kind, str(new.phase), text, now)


def _is_worth_telling(status: TaskStatus) -> bool:
    """Whether something is in the way of a process, or is done to it, that does not show in the phase."""
    return status.reason == Reason.STOPPING or (status.phase is Phase.PENDING and status.reason not in _AS_EVER)


def counted(before: Mapping[str, Any], again: Mapping[str, Any]) -> dict[str, Any]:
    """The merge patch by which the Event that is there tells of `again` too. `kubectl describe` says `x2 over 5m`."""
    count = int(before.get("count") or 1) + 1
    version = before["metadata"]["resourceVersion"]
    return {"metadata": {"resourceVersion": version}, "count": count, "lastTimestamp": again["lastTimestamp"]}


def stalled(status: TaskStatus) -> bool:
    """Whether the condition Stalled is there and True."""
    return any(c.type == ConditionType.STALLED and c.status == "True" for c in status.conditions or ())


def _event(task: Metadata, kind: str, reason: str, message: str, now: datetime) -> dict[str, Any]:
    time = now.isoformat().replace("+00:00", "Z")
    # The same news about the same task has the same name, so that it is counted and not told again.
    digest = hashlib.sha256("\0".join((task.uid, kind, reason, message)).encode()).hexdigest()[:16]
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"name": f"{task.name[: _MAX_NAME - 17].rstrip('-.')}.{digest}", "namespace": task.namespace},
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "namespace": task.namespace,
            "name": task.name,
            "uid": task.uid,
        },
        "type": kind,
        "reason": reason,
        "message": message[: MAX_MESSAGE // 4] if not message.isascii() else message[:MAX_MESSAGE],
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
        "source": {"component": MANAGER},
        "reportingComponent": MANAGER,
    }
