"""What the status of a task becomes. Pure: the old status, what was found and the moment in, the new status out.

A finished status is returned as it is by every function here, and an unchanged one compares equal: then
nobody writes.
"""

from datetime import datetime
from typing import Any

from reaper_api.status import Failure, TaskStatus
from reaper_api.vocabulary import ConditionType, Phase, Reason
from reaper_operator.conditions import MAX_MESSAGE, Conditions, Moment, with_condition, without_condition
from reaper_operator.observe import PodObservation
from reaper_operator.words import joined

# The node agent's. The operator only takes them away: the PID when an attempt is over, both when another one begins.
_OF_THE_AGENT = {"overlay_namespace_id": "overlayNamespaceID", "host_process_pid": "hostProcessPID"}
# What is true for one look only.
_OF_ONE_LOOK = ("exit_code", "signal", "restarts", "reason", "message", "completion_time", "next_attempt_time")


def attempts_of(status: TaskStatus) -> int:
    """How many attempts were begun. The first operators recorded a Pod without counting."""
    return status.attempts or (1 if status.pod_uid is not None else 0)


def is_under_way(status: TaskStatus) -> bool:
    """Whether an attempt was begun that is not known to be over."""
    between = status.next_attempt_time is not None or status.phase is Phase.SUSPENDED
    return status.pod_uid is not None and not between and not status.finished


def seen(old: TaskStatus, pod: PodObservation, at: Moment) -> TaskStatus:
    """The attempt's Pod is there, and not over."""
    stopping = condition(old, ConditionType.STOPPING)
    reason, message = pod.reason, pod.message
    if stopping is not None:
        reason = pod.reason if pod.phase is Phase.UNKNOWN else str(Reason.STOPPING)
        message = stopping.message if (pod.message or "") in stopping.message else joined(stopping.message, pod.message)
    return _changed(
        old,
        at,
        _settled(old.conditions or ()),
        phase=pod.phase,
        reason=reason,
        message=message,
        pod_name=pod.name,
        pod_uid=pod.uid,
        node_name=pod.node or old.node_name,
        restarts=pod.restarts or None,
        start_time=pod.started or old.start_time,
    )


def begun(old: TaskStatus, pod: PodObservation, at: Moment) -> TaskStatus:
    """A Pod was made for the next attempt. This is the record that lets it start."""
    if old.finished:
        return old
    base = old.model_copy(
        update={
            "attempts": attempts_of(old) + 1,
            "next_attempt_time": None,
            "active_since": old.active_since or at.now,
            "node_name": None,
            "start_time": None,
            **dict.fromkeys(_OF_THE_AGENT),
        }
    )
    return seen(base, pod, at)


def stopping(old: TaskStatus, reason: str, message: str, at: Moment) -> TaskStatus:
    """The process is going to be ended on purpose. It is written before anything is done about it: whoever sees the
    end later has to know why."""
    if old.finished:
        return old
    conditions = with_condition(
        old.conditions or (), ConditionType.STOPPING, "True", reason=reason, message=message, at=at
    )
    return old.model_copy(update={"conditions": conditions})


def finished(old: TaskStatus, end: PodObservation, at: Moment, *, reason: str, message: str | None) -> TaskStatus:
    """The task is over, by the end of its last attempt."""
    return _changed(
        old,
        at,
        _settled(without_condition(old.conditions or (), ConditionType.STOPPING)),
        phase=end.phase,
        reason=reason,
        message=message,
        pod_name=end.name,
        pod_uid=end.uid,
        node_name=end.node or old.node_name,
        exit_code=end.exit_code,
        signal=end.signal,
        restarts=end.restarts or old.restarts,
        start_time=end.started or old.start_time,
        completion_time=end.ended or at.now,
        host_process_pid=None,
    )


def ended_without_a_process(old: TaskStatus, reason: str, message: str, at: Moment) -> TaskStatus:
    """The task is over while no attempt ran."""
    conditions = _settled(old.conditions or ())
    fields = {"completion_time": at.now, "host_process_pid": None}
    return _changed(old, at, conditions, phase=Phase.FAILED, reason=reason, message=message, **fields)


def failed(old: TaskStatus, end: PodObservation, at: Moment) -> TaskStatus:
    """`old`, with one more attempt that did not succeed on its account."""
    counted = "interruptions" if end.interrupted else "failures"
    failure = _failure(old, end, at, end.reason or str(Reason.ERROR), end.message)
    return old.model_copy(update={"last_failure": failure, counted: (getattr(old, counted) or 0) + 1})


def cut_short(old: TaskStatus, end: PodObservation, at: Moment, *, reason: str, message: str) -> TaskStatus:
    """`old`, with an attempt that the operator ended: that counts neither as a failure nor as an interruption."""
    return old.model_copy(update={"last_failure": _failure(old, end, at, reason, message)})


def _failure(old: TaskStatus, end: PodObservation, at: Moment, reason: str, message: str | None) -> Failure:
    return Failure(
        attempt=attempts_of(old),
        pod_name=end.name,
        node_name=end.node or old.node_name,
        exit_code=end.exit_code,
        signal=end.signal,
        reason=reason,
        message=_clip(message) or "",
        time=end.ended or at.now,
    )


def waiting_for_next(old: TaskStatus, due: datetime, message: str, at: Moment) -> TaskStatus:
    """An attempt is over, and another one follows."""
    return _between(old, at, Phase.PENDING, str(Reason.BACK_OFF), message, next_attempt_time=due)


def suspended(old: TaskStatus, at: Moment) -> TaskStatus:
    """No process runs, and none starts until somebody resumes the task."""
    if old.finished:
        return old
    message = "spec.suspend is true: set it to false to start the task"
    conditions = with_condition(
        old.conditions or (),
        ConditionType.SUSPENDED,
        "True",
        reason=Reason.SUSPENDED,
        message=message,
        at=at,
    )
    held = old.model_copy(update={"conditions": conditions})
    return _between(held, at, Phase.SUSPENDED, str(Reason.SUSPENDED), message, active_since=None)


def resumed(old: TaskStatus, at: Moment) -> TaskStatus:
    """A suspended task may start again: its deadline counts anew."""
    conditions = with_condition(
        old.conditions or (), ConditionType.SUSPENDED, "False", reason=Reason.RESUMED, message="", at=at
    )
    return _changed(
        old,
        at,
        conditions,
        phase=Phase.PENDING,
        active_since=at.now,
        next_attempt_time=at.now if old.pod_uid is not None else None,
    )


def waiting(old: TaskStatus, reason: str, message: str, at: Moment) -> TaskStatus:
    """The operator cannot go on now, and will try again."""
    return _held(old, _settled(old.conditions or ()), reason, message, at)


def stalled(old: TaskStatus, reason: str, message: str, at: Moment) -> TaskStatus:
    """The operator cannot go on until a person acts."""
    conditions = with_condition(
        old.conditions or (), ConditionType.STALLED, "True", reason=reason, message=message, at=at
    )
    return _held(old, conditions, reason, message, at)


def looked_at(old: TaskStatus, at: Moment) -> TaskStatus:
    """A finished task whose spec was changed, by a time to live for example. All else stays."""
    return old.model_copy(update={"observed_generation": at.generation})


def condition(status: TaskStatus, kind: ConditionType) -> Any:
    """A condition that is True, or None."""
    return next((c for c in status.conditions or () if c.type == kind and c.status == "True"), None)


def patch(old: TaskStatus, new: TaskStatus) -> dict[str, Any]:
    """The JSON merge patch of the status that turns `old` into `new`; empty when they are equal. What the node agent
    has written is not in it."""
    before, after = _as_json(old), _as_json(new)
    change = {name: after.get(name) for name in (*after, *before) if after.get(name) != before.get(name)}
    gone = (name for name in _OF_THE_AGENT if getattr(new, name) is None and getattr(old, name) is not None)
    return {**change, **{_OF_THE_AGENT[name]: None for name in gone}}


def _between(
    old: TaskStatus, at: Moment, phase: Phase, reason: str, message: str, **more: datetime | None
) -> TaskStatus:
    """No attempt is under way. Pod and start time stay: they are those of the last one."""
    conditions = _settled(without_condition(old.conditions or (), ConditionType.STOPPING))
    fields = {"next_attempt_time": None, "active_since": old.active_since, "host_process_pid": None, **more}
    return _changed(old, at, conditions, phase=phase, reason=reason, message=message, **fields)


def _held(old: TaskStatus, conditions: Conditions, reason: str, message: str, at: Moment) -> TaskStatus:
    return _changed(
        old,
        at,
        conditions,
        phase=old.phase or Phase.PENDING,
        reason=reason,
        message=message,
        next_attempt_time=old.next_attempt_time,
        active_since=old.active_since or at.now,
    )


def _settled(conditions: Conditions) -> Conditions:
    return without_condition(conditions, ConditionType.STALLED)


def _changed(old: TaskStatus, at: Moment, conditions: Conditions, *, phase: Phase, **fields: Any) -> TaskStatus:
    """The one way to a new status: what is true for one look only goes unless it is said again, and the condition
    Finished says what the phase says."""
    if old.finished:
        return old
    new = old.model_copy(update={**dict.fromkeys(_OF_ONE_LOOK), **fields, "phase": phase})
    reason, message = new.reason or phase.value, _clip(new.message)
    over = with_condition(
        conditions,
        ConditionType.FINISHED,
        "True" if new.finished else "False",
        reason=reason,
        message=message or "",
        at=at,
    )
    return new.model_copy(
        update={
            "observed_generation": at.generation,
            "attempts": attempts_of(new) or None,
            "conditions": over,
            "message": message,
        }
    )


def _clip(message: str | None) -> str | None:
    return message[:MAX_MESSAGE] or None if message else None


def _as_json(status: TaskStatus) -> dict[str, Any]:
    return status.model_dump(mode="json", by_alias=True, exclude_none=True, exclude=set(_OF_THE_AGENT))
