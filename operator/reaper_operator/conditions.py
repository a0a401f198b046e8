"""The rule of conditions: lastTransitionTime moves when the status flips, and only then. Pure."""

import re
from datetime import datetime
from typing import NamedTuple

from reaper_api.status import Condition, ConditionStatus
from reaper_api.vocabulary import ConditionType

Conditions = tuple[Condition, ...]


class Moment(NamedTuple):
    """When a task was looked at: which generation of it, and the time."""

    generation: int
    now: datetime


_REASON = re.compile(r"[A-Za-z]([A-Za-z0-9_,:]*[A-Za-z0-9_])?")
MAX_MESSAGE = 4096  # characters; the schema allows more, but nobody reads more


def with_condition(
    conditions: Conditions,
    kind: ConditionType,
    status: ConditionStatus,
    *,
    reason: str,
    message: str,
    at: Moment,
) -> Conditions:
    """`conditions` with one of them set, in their old order."""
    old = next((condition for condition in conditions if condition.type == kind), None)
    new = Condition(
        type=kind,
        status=status,
        observed_generation=at.generation,
        last_transition_time=old.last_transition_time if old is not None and old.status == status else at.now,
        reason=reason if _REASON.fullmatch(reason) else "Other",
        message=message[:MAX_MESSAGE],
    )
    if old is None:
        return (*conditions, new)
    return tuple(new if condition.type == kind else condition for condition in conditions)


def without_condition(conditions: Conditions, kind: ConditionType) -> Conditions:
    """`conditions` without one of them."""
    return tuple(condition for condition in conditions if condition.type != kind)
