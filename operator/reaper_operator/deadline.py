"""Until when a task may take: activeDeadlineSeconds, over all of its attempts. Pure."""

from datetime import datetime

from reaper_api.lifecycle import Lifecycle
from reaper_operator.reading import later

AT_ONCE = 1
"""activeDeadlineSeconds of a Pod, in seconds, that has passed by the time that kubelet hears of it. So kubelet ends the
process with its grace period, and the Pod stays, with its logs; deleting it would take them along."""


def due(spec: Lifecycle, since: datetime | None) -> datetime | None:
    """When the task has to be over that is active since then; None if never, or while nothing counts. Raises
    Unreadable."""
    if spec.active_deadline_seconds is None or since is None:
        return None
    return later(since, spec.active_deadline_seconds, "status.activeSince")


def sentence(spec: Lifecycle) -> str:
    """What a person reads."""
    return f"the task was not over after {spec.active_deadline_seconds} s (activeDeadlineSeconds)"
