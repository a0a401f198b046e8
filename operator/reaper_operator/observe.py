"""What a Pod says about the process in it. Pure.

Nothing is made up: where the Pod does not say how the process ended, the exit code is None.
"""

import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from reaper_api.vocabulary import CONTAINER, GATE_RECORDED, Phase, Reason

Body = Mapping[str, Any]

# containerd and docker report these with an invented exit code of 128: there was no process.
_NEVER_STARTED = frozenset({"StartError", "ContainerCannotRun"})
# What containerd puts before the runtime's own sentence, which names the program and the node.
_WRAPPING = re.compile(r'^failed to (start|create) containerd task "[0-9a-f]+": ')
# Beside these stands a code that means that nobody knows: 137 from kubelet, 255 from containerd.
_END_UNKNOWN = frozenset({"ContainerStatusUnknown", "Unknown"})


@dataclass(frozen=True)
class PodObservation:
    """One look at a task's Pod."""

    name: str
    uid: str
    phase: Phase
    gated: bool = False  # our scheduling gate is still there
    node: str | None = None
    exit_code: int | None = None
    reason: str | None = None
    message: str | None = None
    started: datetime | None = None
    ended: datetime | None = None
    restarts: int = 0
    disruption: str | None = None  # why the control plane is removing the Pod, in its own words


def observe(pod: Body) -> PodObservation:
    """Read `pod` as the API server returned it."""
    status: Body = pod.get("status") or {}
    container = _container(status)
    phase, exit_code, reason, message = _verdict(pod, status, container)
    running = _state(container, "running")
    terminated = _state(container, "terminated") or _state(container, "terminated", of="lastState")
    return PodObservation(
        name=pod["metadata"]["name"],
        uid=pod["metadata"]["uid"],
        phase=phase,
        gated=any(gate["name"] == GATE_RECORDED for gate in pod["spec"].get("schedulingGates") or []),
        node=pod["spec"].get("nodeName") or None,
        exit_code=exit_code,
        reason=reason,
        message=message,
        started=_time((running or terminated or {}).get("startedAt")),
        ended=_time((_state(container, "terminated") or {}).get("finishedAt")),
        restarts=container.get("restartCount") or 0,
        disruption=_disruption(status),
    )


Verdict = tuple[Phase, int | None, str | None, str | None]


def _verdict(pod: Body, status: Body, container: Body) -> Verdict:
    """Phase, exit code, reason and message."""
    match status.get("phase"):
        case "Succeeded" | "Failed":
            return _ended(pod, status, container)
        case "Running" if not _unreachable(status, container):
            return (Phase.RUNNING, None, *_waiting(container))
        case "Running" | "Unknown":
            node = pod["spec"].get("nodeName") or "the node"
            text = f"{node} has stopped reporting: whether the process still runs is not known"
            return Phase.UNKNOWN, None, status.get("reason") or Reason.NODE_UNREACHABLE, status.get("message") or text
        case _:
            return (Phase.PENDING, None, *(_unscheduled(pod, status) or _waiting(container)))


def _ended(pod: Body, status: Body, container: Body) -> Verdict:
    phase = Phase(status["phase"])
    terminated = _state(container, "terminated") or {}
    exit_code = terminated.get("exitCode")
    cause, detail = terminated.get("reason"), terminated.get("message")
    if cause in _END_UNKNOWN:
        detail = f"the node no longer knows how the process ended: {detail or cause}"
        exit_code, cause = None, str(Reason.PROCESS_LOST)
    elif cause in _NEVER_STARTED:
        exit_code, detail = None, _WRAPPING.sub("", detail or "") or "the process could not be started"
    elif exit_code is not None:
        sentence = _exit_sentence(exit_code)
        detail = f"{sentence}: {detail}" if detail else sentence
    if status.get("reason"):  # evicted, deadline, refused by the node: that is why, whatever the process said last
        cause = status["reason"]
        detail = "; ".join(text for text in (status.get("message"), detail) if text) or None
    elif phase is Phase.FAILED and _ended_by_deletion(pod, terminated):
        cause = str(Reason.POD_DELETED)
        why = _disruption(status)
        detail = (
            f"Pod {pod['metadata']['name']} was deleted while the process ran"
            + (f" ({why})" if why else "")
            + (f"; {detail}" if detail else "")
        )
    fallback = Reason.COMPLETED if phase is Phase.SUCCEEDED else Reason.ERROR
    return phase, exit_code, cause or str(fallback), detail


def _ended_by_deletion(pod: Body, terminated: Body) -> bool:
    """Whether the Pod was already being deleted when its process ended, to the second."""
    metadata = pod["metadata"]
    deadline = _time(metadata.get("deletionTimestamp"))
    if deadline is None:
        return False
    asked = deadline - timedelta(seconds=metadata.get("deletionGracePeriodSeconds") or 0)
    ended = _time(terminated.get("finishedAt"))
    return ended is None or ended >= asked


def _exit_sentence(code: int) -> str:
    text = f"the process ended with exit code {code}"
    try:
        name = signal.Signals(code - 128).name
    except ValueError:
        return text
    return f"{text} (128+{code - 128}: as a rule ended by {name})"


def _unscheduled(pod: Body, status: Body) -> tuple[str, str | None] | None:
    """Why the scheduler has not placed the Pod. Our own gate is no news, nor what was said about it before
    it went."""
    condition = _condition(status, "PodScheduled")
    if condition is None or condition["status"] == "True":
        return None
    foreign = [gate for gate in pod["spec"].get("schedulingGates") or [] if gate["name"] != GATE_RECORDED]
    if condition.get("reason") == "SchedulingGated" and not foreign:
        return None
    return condition.get("reason") or "Unschedulable", condition.get("message")


def _waiting(container: Body) -> tuple[str | None, str | None]:
    """Why the container is not running just now, and how it ended the last time."""
    waiting = _state(container, "waiting")
    if waiting is None:
        return None, None
    last = _state(container, "terminated", of="lastState")
    texts = [waiting.get("message"), None if last is None else f"last time, {_exit_sentence(last['exitCode'])}"]
    return waiting.get("reason"), "; ".join(text for text in texts if text) or None


def _unreachable(status: Body, container: Body) -> bool:
    """The node lifecycle controller sets Ready to False and leaves ContainersReady, which only kubelet
    writes. Without readiness probes, as here, kubelet itself never lets the two differ."""
    ready, containers = _condition(status, "Ready"), _condition(status, "ContainersReady")
    return (
        ready is not None
        and ready["status"] != "True"
        and containers is not None
        and containers["status"] == "True"
        and _state(container, "running") is not None
    )


def _disruption(status: Body) -> str | None:
    condition = _condition(status, "DisruptionTarget")
    if condition is None or condition["status"] != "True":
        return None
    return f"{condition.get('reason')}: {condition.get('message')}"


def _condition(status: Body, kind: str) -> Body | None:
    conditions: list[Body] = status.get("conditions") or []
    return next((condition for condition in conditions if condition["type"] == kind), None)


def _container(status: Body) -> Body:
    containers: list[Body] = status.get("containerStatuses") or []
    return next((container for container in containers if container["name"] == CONTAINER), {})


def _state(container: Body, name: str, *, of: str = "state") -> Body | None:
    state: Body | None = (container.get(of) or {}).get(name)
    return state


def _time(text: str | None) -> datetime | None:
    """A Kubernetes time; containerd writes 1970 for a process that was never started."""
    if text is None or text.startswith("1970-"):
        return None
    return datetime.fromisoformat(text)
