"""How long a finished task stays: ttlSecondsAfterFinished. Pure."""

from datetime import datetime

from reaper_api.lifecycle import Lifecycle
from reaper_api.status import TaskStatus
from reaper_api.vocabulary import ConditionType
from reaper_operator import status as statuses
from reaper_operator.reading import later

_FINISHED = "lastTransitionTime of the condition Finished"


def expiry(spec: Lifecycle, status: TaskStatus) -> datetime | None:
    """When a finished task is deleted; None if never. It counts from the moment that everybody could see the end: an
    operator that was away does not take a task away in the moment in which it reports on it. Raises Unreadable."""
    if spec.ttl_seconds_after_finished is None or not status.finished:
        return None
    finished = statuses.condition(status, ConditionType.FINISHED)
    if finished is not None:
        return later(finished.last_transition_time, spec.ttl_seconds_after_finished, _FINISHED)
    if status.completion_time is not None:
        return later(status.completion_time, spec.ttl_seconds_after_finished, "status.completionTime")
    return None
