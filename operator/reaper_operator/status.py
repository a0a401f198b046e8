"""What the status of a task becomes. Pure: the old status, what was found and the time in, the new status
out.

A finished status is returned as it is by every function here, and an unchanged one compares equal: then
nobody writes.
"""

from datetime import datetime
from typing import Any

from reaper_api.status import TaskStatus
from reaper_api.vocabulary import FINAL_PHASES, ConditionType, Phase, Reason
from reaper_operator.conditions import MAX_MESSAGE, Conditions, with_condition, without_condition
from reaper_operator.observe import PodObservation


def from_pod(old: TaskStatus, pod: PodObservation, *, generation: int, now: datetime) -> TaskStatus:
    """The task's Pod was seen."""
    if old.finished:
        return old
    over = pod.phase in FINAL_PHASES
    return TaskStatus(
        observed_generation=generation,
        phase=pod.phase,
        conditions=_finished(
            without_condition(old.conditions or (), ConditionType.STALLED),
            over=over,
            reason=pod.reason or pod.phase.value,
            message=pod.message or "",
            generation=generation,
            now=now,
        ),
        pod_name=pod.name,
        podUID=pod.uid,
        node_name=pod.node or old.node_name,
        exit_code=pod.exit_code,
        restarts=pod.restarts or None,
        reason=pod.reason,
        message=_clip(pod.message),
        start_time=pod.started or old.start_time,
        completion_time=(pod.ended or now) if over else None,
    )


def pod_gone(old: TaskStatus, last: PodObservation | None, *, generation: int, now: datetime) -> TaskStatus:
    """The recorded Pod is not there any more. `last` is how it was seen last, if it was."""
    if old.finished:
        return old
    if last is not None and last.phase in FINAL_PHASES:
        return from_pod(old, last, generation=generation, now=now)
    why = f" ({last.disruption})" if last is not None and last.disruption else ""
    message = (
        f"Pod {old.pod_name} was deleted before its process was seen to end{why}; "
        "how it ended is not known. The task is not run again: create a new one for that"
    )
    return old.model_copy(
        update={
            "observed_generation": generation,
            "phase": Phase.FAILED,
            "conditions": _finished(
                without_condition(old.conditions or (), ConditionType.STALLED),
                over=True,
                reason=Reason.POD_DELETED,
                message=message,
                generation=generation,
                now=now,
            ),
            "reason": str(Reason.POD_DELETED),
            "message": message,
            "completion_time": now,
        }
    )


def waiting(old: TaskStatus, reason: str, message: str, *, generation: int, now: datetime) -> TaskStatus:
    """The operator cannot go on now, and will try again."""
    return _held(old, without_condition(old.conditions or (), ConditionType.STALLED), reason, message, generation, now)


def stalled(old: TaskStatus, reason: str, message: str, *, generation: int, now: datetime) -> TaskStatus:
    """The operator cannot go on until a person acts."""
    conditions = with_condition(
        old.conditions or (),
        ConditionType.STALLED,
        "True",
        reason=reason,
        message=message,
        generation=generation,
        now=now,
    )
    return _held(old, conditions, reason, message, generation, now)


def patch(old: TaskStatus, new: TaskStatus) -> dict[str, Any]:
    """The JSON merge patch of the status that turns `old` into `new`; empty when they are equal. Fields of
    others, such as a node agent, are not in it."""
    before, after = _as_json(old), _as_json(new)
    return {name: after.get(name) for name in (*after, *before) if after.get(name) != before.get(name)}


def _held(
    old: TaskStatus, conditions: Conditions, reason: str, message: str, generation: int, now: datetime
) -> TaskStatus:
    if old.finished:
        return old
    return old.model_copy(
        update={
            "observed_generation": generation,
            "phase": old.phase or Phase.PENDING,
            "conditions": _finished(
                conditions, over=False, reason=reason, message=message, generation=generation, now=now
            ),
            "reason": str(reason),
            "message": _clip(message),
        }
    )


def _finished(
    conditions: Conditions, *, over: bool, reason: str, message: str, generation: int, now: datetime
) -> Conditions:
    return with_condition(
        conditions,
        ConditionType.FINISHED,
        "True" if over else "False",
        reason=reason,
        message=message,
        generation=generation,
        now=now,
    )


def _clip(message: str | None) -> str | None:
    return None if message is None else message[:MAX_MESSAGE]


def _as_json(status: TaskStatus) -> dict[str, Any]:
    return status.model_dump(mode="json", by_alias=True, exclude_none=True)
