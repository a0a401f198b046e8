"""What follows the end of an attempt: nothing more, another attempt, or a pause. Pure.

Two kinds of ends are told apart. A failure is the process's own: it counts against backoffLimit. An interruption is
somebody else's doing, such as a lost node, an eviction, a preemption or a Pod deleted by hand: it does not count, but
there is an end to them too. Whoever leaves backoffLimit at 0 has not agreed to run anything twice: then there is one
attempt, whatever happened to it.
"""

from datetime import timedelta

from reaper_api.lifecycle import MAX_INTERRUPTIONS, Lifecycle
from reaper_api.status import TaskStatus
from reaper_api.vocabulary import ConditionType, Phase, Reason
from reaper_operator import status as statuses
from reaper_operator.conditions import Moment
from reaper_operator.observe import PodObservation
from reaper_operator.words import joined

FIRST_DELAY = 10.0  # seconds; those of Jobs
LONGEST_DELAY = 360.0


def back_off(ends: int) -> timedelta:
    """How long to wait after so many attempts that did not succeed: 10 s, 20 s, up to 6 minutes."""
    return timedelta(seconds=min(FIRST_DELAY * 2.0 ** min(max(ends, 1) - 1, 32), LONGEST_DELAY))


def after(old: TaskStatus, end: PodObservation, spec: Lifecycle, at: Moment) -> TaskStatus:
    """The status once the attempt's Pod is over or gone, which `end` tells of."""
    if end.phase is Phase.SUCCEEDED:
        return statuses.finished(old, end, at, reason=end.reason or str(Reason.COMPLETED), message=end.message)
    stopping = statuses.condition(old, ConditionType.STOPPING)
    why = stopping.reason if stopping is not None else None
    if Reason.DEADLINE_EXCEEDED in (why, end.reason):
        return _deadline_exceeded(old, end, at, stopping.message if stopping is not None else None)
    # It is our own deletion, and which came first is not asked: the time of the end is by the clock of the node.
    if why == Reason.SUSPENDED and (end.interrupted or end.leaving):
        return statuses.suspended(old, at)
    account = statuses.failed(old, end, at)
    verdict = _last_word(account, end, spec)
    if verdict is not None:
        reason, message = verdict
        return statuses.finished(account, end, at, reason=reason, message=message)
    if spec.suspend:
        return statuses.suspended(account, at)
    return _again(account, end, at)


def _deadline_exceeded(old: TaskStatus, end: PodObservation, at: Moment, message: str | None) -> TaskStatus:
    # The Pod may just have been deleted for it, and then says that.
    text = joined(message, end.message if end.reason != Reason.POD_DELETED else None)
    reason = str(Reason.DEADLINE_EXCEEDED)
    account = statuses.cut_short(old, end, at, reason=reason, message=text)
    return statuses.finished(account, end, at, reason=reason, message=text)


def _last_word(account: TaskStatus, end: PodObservation, spec: Lifecycle) -> tuple[str, str | None] | None:
    """Reason and message of a task that is not tried again; None if it is."""
    limit, reason = spec.backoff_limit, end.reason or str(Reason.ERROR)
    if limit == 0:
        hint = "it is not run again, as backoffLimit is 0: create a new task for that" if end.interrupted else None
        return reason, joined(end.message, hint)
    if (account.failures or 0) > limit:
        count = f"that was failure {account.failures}, and backoffLimit allows {limit}"
        return str(Reason.BACKOFF_LIMIT_EXCEEDED), joined(end.message, count)
    if (account.interruptions or 0) > MAX_INTERRUPTIONS:
        count = (
            f"that was interruption {account.interruptions}, and a task is not tried again after {MAX_INTERRUPTIONS}"
        )
        return str(Reason.TOO_MANY_INTERRUPTIONS), joined(end.message, count)
    return None


def _again(account: TaskStatus, end: PodObservation, at: Moment) -> TaskStatus:
    number = statuses.attempts_of(account)
    due = at.now + back_off((account.failures or 0) + (account.interruptions or 0))
    verb = "was interrupted" if end.interrupted else "failed"
    message = joined(f"attempt {number} {verb}, and attempt {number + 1} begins at {due:%H:%M:%S} UTC", end.message)
    return statuses.waiting_for_next(account, due, message, at)
