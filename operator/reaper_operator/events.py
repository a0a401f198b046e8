"""Kubernetes Events for what people want to see in `kubectl describe`: the turns in a task's life. Pure."""

import hashlib
from datetime import datetime
from typing import Any

from reaper_api.status import TaskStatus
from reaper_api.task import Metadata
from reaper_api.vocabulary import API_VERSION, KIND, MANAGER, ConditionType, Phase

MAX_MESSAGE = 1024  # bytes that an Event may carry; one character may be four of them
_MAX_NAME = 253


def for_transition(task: Metadata, old: TaskStatus, new: TaskStatus, now: datetime) -> dict[str, Any] | None:
    """The Event that tells of the way from `old` to `new`, or None if there is nothing to tell."""
    if stalled(new) and not stalled(old):
        return _event(task, "Warning", new.reason or "Stalled", new.message or "", now)
    if new.phase == old.phase or new.phase is Phase.PENDING:
        return None
    kind = "Normal" if new.phase in {Phase.RUNNING, Phase.SUCCEEDED} else "Warning"
    place = f" on node {new.node_name}" if new.node_name else ""
    text = new.message or f"Pod {new.pod_name} is {new.phase}{place}"
    return _event(task, kind, str(new.phase), text, now)


def stalled(status: TaskStatus) -> bool:
    """Whether the condition Stalled is there and True."""
    return any(c.type == ConditionType.STALLED and c.status == "True" for c in status.conditions or ())


def _event(task: Metadata, kind: str, reason: str, message: str, now: datetime) -> dict[str, Any]:
    time = now.isoformat().replace("+00:00", "Z")
    # The same turn at the same moment has the same name: a repeated call creates nothing new.
    digest = hashlib.sha256(f"{task.uid} {reason} {time}".encode()).hexdigest()[:16]
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
