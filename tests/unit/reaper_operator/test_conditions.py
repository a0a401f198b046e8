"""conditions.py: lastTransitionTime moves when the status flips, and only then."""

from datetime import timedelta

from reaper_api.status import ConditionStatus
from reaper_api.vocabulary import ConditionType
from reaper_operator.conditions import MAX_MESSAGE, Conditions, Moment, with_condition, without_condition
from tests.fakes.cluster import START


def finished(
    conditions: Conditions,
    status: ConditionStatus,
    *,
    reason: str = "Because",
    message: str = "",
    generation: int = 1,
    after: int = 0,
) -> Conditions:
    return with_condition(
        conditions,
        ConditionType.FINISHED,
        status,
        reason=reason,
        message=message,
        at=Moment(generation, START + timedelta(seconds=after)),
    )


def test_a_new_reason_does_not_move_the_time() -> None:
    (condition,) = finished(finished((), "False"), "False", reason="Other", message="new", after=10)
    assert condition.last_transition_time == START
    assert (condition.reason, condition.message) == ("Other", "new")


def test_a_flip_moves_the_time() -> None:
    (condition,) = finished(finished((), "False"), "True", after=10)
    assert condition.last_transition_time == START + timedelta(seconds=10)


def test_the_generation_is_always_the_one_that_was_looked_at() -> None:
    (condition,) = finished(finished((), "False"), "False", generation=2, after=10)
    assert condition.observed_generation == 2
    assert condition.last_transition_time == START


def test_order_and_the_other_conditions_stay() -> None:
    first = finished((), "False")
    both = with_condition(first, ConditionType.STALLED, "True", reason="Why", message="", at=Moment(1, START))
    assert [condition.type for condition in finished(both, "True", after=1)] == ["Finished", "Stalled"]
    assert without_condition(both, ConditionType.STALLED) == first


def test_what_a_node_calls_a_reason_is_made_fit() -> None:
    assert finished((), "False", reason="not a reason!")[0].reason == "Other"
    assert len(finished((), "False", message="x" * 100_000)[0].message) == MAX_MESSAGE
