"""What a Pod says about the process in it. Pure.

Nothing is made up: where the Pod does not say how the process ended, the exit code is None.
"""

import re
import signal
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from reaper_api.remedies import of_silence
from reaper_api.vocabulary import CONTAINER, FINAL_PHASES, GATE_RECORDED, LABEL_ATTEMPT, LAST_OUTPUT, Phase, Reason
from reaper_operator.key import controller_of
from reaper_operator.pending import why_pending
from reaper_operator.words import exit_sentence, joined, signal_of

Body = Mapping[str, Any]

CLOCK_SKEW = timedelta(seconds=60)  # between nodes, at most: what a Lease could not stand either
_STOPPED = frozenset({128 + signal.SIGTERM, 128 + signal.SIGKILL})  # exit codes of what kubelet stopped
# containerd and docker report these with an invented exit code of 128: there was no process.
_NEVER_STARTED = frozenset({"StartError", "ContainerCannotRun"})
# What containerd puts before the runtime's own sentence, which names the program and the node.
_WRAPPING = re.compile(r'^failed to (start|create) containerd task "[0-9a-f]+": ')
# Beside these stands a code that means that nobody knows: 137 from kubelet, 255 from containerd.
_END_UNKNOWN = frozenset({"ContainerStatusUnknown", "Unknown"})
# Why the control plane removes a Pod (the condition DisruptionTarget), in our words.
_DISRUPTIONS = {
    "PreemptionByScheduler": Reason.PREEMPTED,
    "EvictionByEvictionAPI": Reason.EVICTED,
    "DeletionByTaintManager": Reason.EVICTED,
    "DeletionByPodGC": Reason.NODE_LOST,
}


@dataclass(frozen=True)
class PodObservation:
    """One look at a task's Pod."""

    name: str
    uid: str
    phase: Phase
    task_uid: str | None = None  # of the task that controls it
    attempt: int = 1
    gated: bool = False  # our scheduling gate is still there
    leaving: bool = False  # somebody has deleted it, and it is not gone yet
    deadline: int | None = None  # seconds after which kubelet ends it
    node: str | None = None
    scheduled: datetime | None = None
    exit_code: int | None = None
    reason: str | None = None
    message: str | None = None
    started: datetime | None = None
    ended: datetime | None = None
    restarts: int = 0
    interrupted: bool = False  # over, and not by the process's own doing
    disruption: tuple[str, str] | None = None  # why the control plane is removing the Pod: our reason, its own words

    @property
    def over(self) -> bool:
        """Whether the process has ended and nothing starts in this Pod any more."""
        return self.phase in FINAL_PHASES

    @property
    def signal(self) -> str | None:
        """The signal that ended the process, as its exit code tells."""
        return signal_of(self.exit_code)


def observe(pod: Body) -> PodObservation:
    """Read `pod` as the API server returned it."""
    metadata, spec = pod["metadata"], pod["spec"]
    status: Body = pod.get("status") or {}
    container = _container(status)
    verdict = _verdict(pod, status, container)
    running = _state(container, "running")
    terminated = _state(container, "terminated") or _state(container, "terminated", of="lastState")
    return PodObservation(
        name=metadata["name"],
        uid=metadata["uid"],
        phase=verdict.phase,
        task_uid=(controller_of(pod) or {}).get("uid"),
        attempt=_attempt(metadata),
        gated=any(gate["name"] == GATE_RECORDED for gate in spec.get("schedulingGates") or []),
        leaving="deletionTimestamp" in metadata,
        deadline=spec.get("activeDeadlineSeconds"),
        node=spec.get("nodeName") or None,
        scheduled=_scheduled(status),
        exit_code=verdict.exit_code,
        reason=verdict.reason,
        message=verdict.message,
        started=_time((running or terminated or {}).get("startedAt")),
        ended=_time((_state(container, "terminated") or {}).get("finishedAt")),
        restarts=container.get("restartCount") or 0,
        interrupted=verdict.interrupted,
        disruption=_disruption(status),
    )


def vanished(name: str, uid: str, last: PodObservation | None) -> PodObservation:
    """A Pod that is not there any more. `last`: how it was seen last, if it was."""
    if last is not None and last.over:
        return last
    reason, why = (last and last.disruption) or (str(Reason.POD_DELETED), "")
    return PodObservation(
        name=name,
        uid=uid,
        phase=Phase.FAILED,
        node=last.node if last is not None else None,
        reason=reason,
        message=f"Pod {name} was deleted before its process was seen to end{f' ({why})' if why else ''}; how it ended "
        "is not known",
        started=last.started if last is not None else None,
        interrupted=True,
    )


class _Verdict(NamedTuple):
    """How far it is with the process, and why. The fields are those of PodObservation."""

    phase: Phase
    exit_code: int | None = None
    reason: str | None = None
    message: str | None = None
    interrupted: bool = False


def _verdict(pod: Body, status: Body, container: Body) -> _Verdict:
    match status.get("phase"):
        case "Succeeded" | "Failed":
            return _ended(pod, status, container)
        case "Running" if not _unreachable(status, container):
            reason, message = _between_runs(container)
            return _Verdict(Phase.RUNNING, reason=reason, message=message)
        case "Running" | "Unknown":
            node = pod["spec"].get("nodeName")
            text = f"{node or 'the node'} has stopped reporting: whether the process still runs is not known"
            reason = status.get("reason") or str(Reason.NODE_UNREACHABLE)
            message = joined(status.get("message") or text, of_silence(node or "NODE"))
            return _Verdict(Phase.UNKNOWN, reason=reason, message=message)
        case _:
            reason, message = why_pending(pod, status, _state(container, "waiting"))
            return _Verdict(Phase.PENDING, reason=reason, message=message)


def _ended(pod: Body, status: Body, container: Body) -> _Verdict:
    phase = Phase(status["phase"])
    terminated = _state(container, "terminated") or {}
    exit_code, cause, detail = _process_end(terminated)
    disruption = _disruption(status)
    interrupted = phase is Phase.FAILED and (disruption is not None or cause == Reason.PROCESS_LOST)
    if status.get("reason"):  # evicted, deadline, refused by the node: that is why, whatever the process said last
        cause = status["reason"]
        detail = "; ".join(text for text in (status.get("message"), detail) if text) or None
        interrupted = phase is Phase.FAILED and cause != Reason.DEADLINE_EXCEEDED
    elif phase is Phase.FAILED and _ended_by_deletion(pod, terminated):
        cause, why = disruption or (str(Reason.POD_DELETED), "")
        detail = (
            f"Pod {pod['metadata']['name']} was deleted while the process ran"
            + (f" ({why})" if why else "")
            + (f"; {detail}" if detail else "")
        )
        interrupted = True
    elif phase is Phase.FAILED and not terminated:  # such as by PodGC, when the Node object is gone
        cause, why = disruption or (str(Reason.PROCESS_LOST), "")
        detail = "the node did not report how the process ended" + (f" ({why})" if why else "")
        interrupted = True
    fallback = Reason.COMPLETED if phase is Phase.SUCCEEDED else Reason.ERROR
    return _Verdict(phase, exit_code, cause or str(fallback), detail, interrupted)


def _process_end(terminated: Body) -> tuple[int | None, str | None, str | None]:
    """Exit code, reason and message of a container that has ended."""
    exit_code, cause = terminated.get("exitCode"), terminated.get("reason")
    detail = (terminated.get("message") or "").strip() or None
    if cause in _END_UNKNOWN:
        text = f"the node no longer knows how the process ended, as after a reboot: {detail or cause}"
        return None, str(Reason.PROCESS_LOST), text
    if cause in _NEVER_STARTED:
        return None, cause, _WRAPPING.sub("", detail or "") or "the process could not be started"
    if exit_code is None:
        return None, cause, detail
    sentence = exit_sentence(exit_code)
    return exit_code, cause, f"{sentence}{LAST_OUTPUT}{detail}" if detail else sentence


def _ended_by_deletion(pod: Body, terminated: Body) -> bool:
    """Whether the Pod was already being deleted when its process ended.

    One time is of the API server's clock, the other of the node's: for an end such as kubelet brings about they may
    differ.
    """
    metadata = pod["metadata"]
    deadline = _time(metadata.get("deletionTimestamp"))
    if deadline is None:
        return False
    asked = deadline - timedelta(seconds=metadata.get("deletionGracePeriodSeconds") or 0)
    ended = _time(terminated.get("finishedAt"))
    skew = CLOCK_SKEW if terminated.get("exitCode") in _STOPPED else timedelta()
    return ended is None or ended >= asked - skew


def _between_runs(container: Body) -> tuple[str | None, str | None]:
    """Why the container is not running just now, and how it ended the last time."""
    waiting = _state(container, "waiting")
    if waiting is None:
        return None, None
    last = _state(container, "terminated", of="lastState")
    how = _process_end(last)[2] if last is not None else None
    texts = [waiting.get("message"), how and f"last time, {how}"]
    return waiting.get("reason"), "; ".join(text for text in texts if text) or None


def _unreachable(status: Body, container: Body) -> bool:
    """The node lifecycle controller sets Ready to False and leaves ContainersReady, which only kubelet
    writes. Without readiness probes, as here, kubelet itself lets the two differ only for readiness gates, which
    somebody's webhook may add."""
    ready, containers = _condition(status, "Ready"), _condition(status, "ContainersReady")
    return (
        ready is not None
        and ready["status"] != "True"
        and ready.get("reason") != "ReadinessGatesNotReady"
        and containers is not None
        and containers["status"] == "True"
        and _state(container, "running") is not None
    )


def _disruption(status: Body) -> tuple[str, str] | None:
    condition = _condition(status, "DisruptionTarget")
    if condition is None or condition["status"] != "True":
        return None
    reason = condition.get("reason") or ""
    return str(_DISRUPTIONS.get(reason, Reason.POD_DELETED)), f"{reason}: {condition.get('message')}"


def _scheduled(status: Body) -> datetime | None:
    condition = _condition(status, "PodScheduled")
    return _time(condition.get("lastTransitionTime")) if condition and condition["status"] == "True" else None


def _attempt(metadata: Body) -> int:
    text = (metadata.get("labels") or {}).get(LABEL_ATTEMPT, "1")
    return int(text) if text.isdecimal() else 1


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
