"""The fields that steer the life of a task: what the operator reads of a spec again and again."""

from typing import Annotated

from pydantic import Field

from reaper_api.fields import INT32, INT64, MAX_ID, Flag, Seconds
from reaper_api.rules import ApiModel

MAX_INTERRUPTIONS = 20
"""Interruptions of a task that are followed by another attempt."""

MUTABLE = ("suspend", "ttlSecondsAfterFinished", "activeDeadlineSeconds")
"""The fields of a spec that may be changed while the task is there."""


class Lifecycle(ApiModel):
    """When a task starts, how often, and when it goes."""

    suspend: Flag = False
    """True: do not start; a process that runs is stopped, with its grace period. False again: start anew, in
    a new attempt, with a new deadline. May be changed."""

    backoff_limit: Annotated[int, Field(strict=True, ge=0, le=1000, json_schema_extra=INT32)] = 0
    """How often a failed task is tried again, each time in a new Pod, after 10 s, 20 s, up to 6 minutes.
    Interruptions, such as a lost node, an eviction or a deleted Pod, do not count: with at least 1 here up to
    20 of them are followed by another attempt too. 0: one attempt, whatever happens to it."""

    active_deadline_seconds: Annotated[int, Field(strict=True, ge=1, le=MAX_ID, json_schema_extra=INT64)] | None = None
    """Seconds until the task is stopped and Failed with reason DeadlineExceeded: all attempts and the time
    between them and before the first included, from the moment that the operator takes the task up or it is
    resumed. Absent: no limit. May be changed."""

    ttl_seconds_after_finished: Seconds | None = None
    """Seconds from the end of the task until it is deleted, with its Pods and their logs. Absent: it stays.
    May be changed."""
