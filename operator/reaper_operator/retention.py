"""How long a finished task stays: ttlSecondsAfterFinished. Pure."""

from datetime import datetime, timedelta

from reaper_api.lifecycle import Lifecycle
from reaper_api.status import TaskStatus
from reaper_api.vocabulary import ConditionType
from reaper_operator import status as statuses


def expiry(spec: Lifecycle, status: TaskStatus) -> datetime | None:
    """When a finished task is deleted; None if never. It counts from the moment that everybody could see the end: an
    operator that was away does not take a task away in the moment in which it reports on it."""
    if spec.ttl_seconds_after_finished is None or not status.finished:
        return None
    finished = statuses.condition(status, ConditionType.FINISHED)
    since = finished.last_transition_time if finished is not None else status.completion_time
    return since + timedelta(seconds=spec.ttl_seconds_after_finished) if since is not None else None
