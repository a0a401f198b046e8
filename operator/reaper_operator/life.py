"""What to do next about a task: one step. Pure: the task, what is known of its Pod, and the time in; a status to write
and one action out.

Whoever carries steps out writes the status first, then does the action, then asks for the next step.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from enum import Enum, auto

from reaper_api.status import TaskStatus
from reaper_api.task import TaskHead
from reaper_api.vocabulary import FINALIZER, FINALIZER_ORPHAN, ConditionType, Phase, Reason
from reaper_operator import attempts, deadline, pending, retention
from reaper_operator import status as statuses
from reaper_operator.conditions import Moment
from reaper_operator.observe import PodObservation, vanished
from reaper_operator.words import joined


class Action(Enum):
    """What is done in the world."""

    NOTHING = auto()
    BEGIN = auto()  # make the Pod of the next attempt, and record it
    HOLD = auto()  # put our finalizer on the task
    START = auto()  # take the scheduling gate off the attempt's Pod
    EXPIRE = auto()  # have kubelet end the process now, and keep the Pod
    REMOVE = auto()  # delete the attempt's Pod, with its grace period
    RELEASE = auto()  # take our finalizer off the task
    DELETE = auto()  # delete the task


@dataclass(frozen=True)
class Step:
    """Write `status` where it differs, do `action`, and look again at `look` at the latest."""

    status: TaskStatus
    action: Action = Action.NOTHING
    look: datetime | None = None


def next_step(
    task: TaskHead, pod: PodObservation | None, last: PodObservation | None, at: Moment, *, owned: bool = True
) -> Step:
    """`pod`: the Pod of the attempt that is under way, if there is one and it is there. `last`: how it was seen last.
    `owned`: whether it still belongs to the task."""
    if task.status.finished:
        return _rest(task, at)
    under_way = statuses.is_under_way(task.status)
    if task.metadata.deletion_timestamp is not None:
        return _leave(task, pod if under_way and owned else None, last, at)
    if under_way:
        return _go_on(task, pod, last, at)
    return _begin(task, at)


def _begin(task: TaskHead, at: Moment) -> Step:
    """No attempt is under way."""
    spec, status = task.spec, task.status
    if spec.suspend:
        return Step(statuses.suspended(status, at))
    if status.phase is Phase.SUSPENDED:
        status = statuses.resumed(status, at)
    limit = deadline.due(spec, status.active_since or at.now)
    if limit is not None and limit <= at.now:
        message = joined(deadline.sentence(spec), _last_news(status))
        return Step(statuses.ended_without_a_process(status, str(Reason.DEADLINE_EXCEEDED), message, at))
    due = status.next_attempt_time
    if due is not None and due > at.now:
        return Step(_observed(status, at), look=_earliest(due, limit))
    return Step(status, Action.BEGIN, look=limit)


def _go_on(task: TaskHead, pod: PodObservation | None, last: PodObservation | None, at: Moment) -> Step:
    """An attempt is under way."""
    if pod is None or pod.over:
        return _ended(task, pod, last, at)
    status = statuses.seen(_with_decision(task, pod, at), pod, at)
    stopping = statuses.condition(status, ConditionType.STOPPING)
    if stopping is not None:
        return Step(status, _stop(pod, keep_pod=stopping.reason == Reason.DEADLINE_EXCEEDED))
    look = _earliest(deadline.due(task.spec, status.active_since), _reading(pod, at))
    if not pod.gated and FINALIZER in task.metadata.finalizers:
        return Step(status, look=look)
    return Step(status, Action.START if FINALIZER in task.metadata.finalizers else Action.HOLD, look=look)


def _ended(task: TaskHead, pod: PodObservation | None, last: PodObservation | None, at: Moment) -> Step:
    status = attempts.after(task.status, pod or _vanished(task.status, last), task.spec, at)
    return Step(status, look=_earliest(status.next_attempt_time, deadline.due(task.spec, status.active_since)))


def _vanished(status: TaskStatus, last: PodObservation | None) -> PodObservation:
    return vanished(status.pod_name or "", status.pod_uid or "", last)


def _with_decision(task: TaskHead, pod: PodObservation, at: Moment) -> TaskStatus:
    """The status, with the decision to end the process where there is a reason to. It is not taken back."""
    status, spec = task.status, task.spec
    if statuses.condition(status, ConditionType.STOPPING) is not None:
        return status
    limit = deadline.due(spec, status.active_since)
    if limit is not None and limit <= at.now:
        why_not_running = pod.message if pod.phase is Phase.PENDING else None
        message = joined(deadline.sentence(spec), why_not_running)
        return statuses.stopping(status, Reason.DEADLINE_EXCEEDED, message, at)
    if spec.suspend:
        return statuses.stopping(status, Reason.SUSPENDED, "spec.suspend is true: the process is being ended", at)
    return status


def _stop(pod: PodObservation, *, keep_pod: bool) -> Action:
    """How the process of a Pod is ended that is not over."""
    if not keep_pod or pod.node is None:  # kubelet knows nothing of a Pod without a node
        return Action.NOTHING if pod.leaving else Action.REMOVE
    return Action.NOTHING if pod.deadline is not None and pod.deadline <= deadline.AT_ONCE else Action.EXPIRE


def _leave(task: TaskHead, pod: PodObservation | None, last: PodObservation | None, at: Moment) -> Step:
    """Somebody has deleted the task. `pod`: that of an attempt under way, if it still belongs to the task."""
    status, finalizers = task.status, task.metadata.finalizers
    if FINALIZER not in finalizers:
        return Step(status)  # nothing of ours runs, and nothing will
    if FINALIZER_ORPHAN in finalizers:
        return Step(status, Action.RELEASE)
    if pod is None or (pod.over and pod.leaving):
        return Step(_left(task, pod, last, at), Action.RELEASE)
    if pod.over:
        return Step(status, Action.REMOVE)  # so that its name is free when the task is gone
    if statuses.condition(status, ConditionType.STOPPING) is None:
        message = f"the task was deleted: it goes when Pod {pod.name} is gone"
        status = statuses.stopping(status, Reason.TASK_DELETED, message, at)
    if pod.phase is Phase.UNKNOWN:
        way_out = f"if the node is gone for good: kubectl delete pod {pod.name} --force"
        pod = replace(pod, message=joined(pod.message, way_out))
    return Step(statuses.seen(status, pod, at), Action.NOTHING if pod.leaving else Action.REMOVE)


def _left(task: TaskHead, pod: PodObservation | None, last: PodObservation | None, at: Moment) -> TaskStatus:
    """The last status of a task that was deleted, for those whose finalizers still keep it."""
    status = task.status
    if len(task.metadata.finalizers) == 1 or not statuses.is_under_way(status):
        return status
    end = pod or _vanished(status, last)
    reason = str(Reason.TASK_DELETED) if end.interrupted else end.reason or end.phase.value
    return statuses.finished(status, end, at, reason=reason, message=joined("the task was deleted", end.message))


def _rest(task: TaskHead, at: Moment) -> Step:
    """The task is over."""
    status, metadata = task.status, task.metadata
    if FINALIZER in metadata.finalizers:
        return Step(status, Action.RELEASE)
    if metadata.deletion_timestamp is not None:
        return Step(status)
    expiry = retention.expiry(task.spec, status)
    if expiry is not None and expiry <= at.now:
        return Step(status, Action.DELETE)
    return Step(statuses.looked_at(status, at), look=expiry)


def _last_news(status: TaskStatus) -> str | None:
    """Why no process is running."""
    if status.reason == Reason.BACK_OFF and status.last_failure is not None:
        return f"attempt {status.last_failure.attempt}: {status.last_failure.message}"
    return status.message


def _observed(status: TaskStatus, at: Moment) -> TaskStatus:
    return status.model_copy(update={"observed_generation": at.generation})


def _reading(pod: PodObservation, at: Moment) -> datetime | None:
    """When the Events of a Pod that does not start should be read."""
    if pod.phase is not Phase.PENDING:
        return None
    return pending.next_reading(pod.scheduled, at.now)


def _earliest(*times: datetime | None) -> datetime | None:
    return min((time for time in times if time is not None), default=None)
