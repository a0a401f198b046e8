"""attempts.py: what counts, what does not, and when it is enough."""

from dataclasses import replace
from datetime import timedelta

import pytest

from reaper_api.lifecycle import MAX_INTERRUPTIONS, Lifecycle
from reaper_api.status import TaskStatus
from reaper_api.vocabulary import Phase
from reaper_operator import status as statuses
from reaper_operator.attempts import after, back_off
from reaper_operator.conditions import Moment
from reaper_operator.observe import PodObservation
from tests.fakes.cluster import START

AT = Moment(1, START + timedelta(seconds=60))
DONE = PodObservation("hello", "pod-1", Phase.SUCCEEDED, exit_code=0, reason="Completed", message="done")
FAILED = PodObservation("hello", "pod-1", Phase.FAILED, node="n", exit_code=137, reason="Error", message="bad")
LOST = PodObservation("hello", "pod-1", Phase.FAILED, reason="NodeLost", message="lost", interrupted=True)
DELETED = PodObservation(
    "hello", "pod-1", Phase.FAILED, exit_code=143, reason="PodDeleted", message="x", interrupted=True
)


def under_way(**fields: int) -> TaskStatus:
    pod = PodObservation("hello", "pod-1", Phase.RUNNING)
    return statuses.begun(TaskStatus(), pod, Moment(1, START)).model_copy(update=fields)


def spec(backoff_limit: int = 0, *, suspend: bool = False) -> Lifecycle:
    return Lifecycle(backoff_limit=backoff_limit, suspend=suspend)


def test_delays() -> None:
    assert [back_off(n).total_seconds() for n in (1, 2, 3, 4, 5, 6, 7, 2000)] == [10, 20, 40, 80, 160, 320, 360, 360]


def test_success_is_the_end() -> None:
    new = after(under_way(), DONE, spec(9, suspend=True), AT)
    assert (new.phase, new.exit_code, new.reason, new.last_failure) == (Phase.SUCCEEDED, 0, "Completed", None)


@pytest.mark.parametrize("end", [FAILED, LOST, DELETED])
def test_without_a_backoff_limit_there_is_one_attempt_whatever_happens(end: PodObservation) -> None:
    new = after(under_way(), end, spec(), AT)
    assert (new.phase, new.reason) == (Phase.FAILED, end.reason)
    assert new.message is not None
    assert ("create a new task" in new.message) == end.interrupted


def test_a_failure_counts_and_is_kept() -> None:
    new = after(under_way(), FAILED, spec(1), AT)
    assert (new.phase, new.reason, new.failures, new.interruptions) == (Phase.PENDING, "BackOff", 1, None)
    assert new.next_attempt_time == AT.now + timedelta(seconds=10)
    assert new.message == "attempt 1 failed, and attempt 2 begins at 12:01:10 UTC; bad"
    assert (new.exit_code, new.completion_time) == (None, None)
    failure = new.last_failure
    assert failure is not None
    assert (failure.attempt, failure.exit_code, failure.signal, failure.reason) == (1, 137, "SIGKILL", "Error")
    assert (failure.pod_name, failure.node_name, failure.message, failure.time) == ("hello", "n", "bad", AT.now)


def test_the_last_failure_ends_the_task() -> None:
    new = after(under_way(failures=2), FAILED, spec(2), AT)
    assert (new.phase, new.reason, new.exit_code, new.signal) == (Phase.FAILED, "BackoffLimitExceeded", 137, "SIGKILL")
    assert new.message == "bad; that was failure 3, and backoffLimit allows 2"
    assert (new.failures, new.completion_time) == (3, AT.now)


def test_an_interruption_does_not_count() -> None:
    new = after(under_way(failures=1), LOST, spec(1), AT)
    assert (new.phase, new.failures, new.interruptions) == (Phase.PENDING, 1, 1)
    assert new.next_attempt_time == AT.now + timedelta(seconds=20)
    assert new.message == "attempt 1 was interrupted, and attempt 2 begins at 12:01:20 UTC; lost"


def test_there_is_an_end_to_interruptions() -> None:
    again = after(under_way(interruptions=MAX_INTERRUPTIONS - 1), LOST, spec(1), AT)
    assert again.phase is Phase.PENDING
    new = after(under_way(interruptions=MAX_INTERRUPTIONS), LOST, spec(1), AT)
    assert (new.phase, new.reason) == (Phase.FAILED, "TooManyInterruptions")
    assert new.message == "lost; that was interruption 21, and a task is not tried again after 20"


@pytest.mark.parametrize("limit", [0, 3])
def test_a_process_that_was_stopped_to_be_suspended_has_not_failed(limit: int) -> None:
    told = statuses.stopping(under_way(), "Suspended", "so", AT)
    for end in (DELETED, LOST):
        new = after(told, end, spec(limit, suspend=True), AT)
        assert (new.phase, new.failures, new.interruptions, new.last_failure) == (Phase.SUSPENDED, None, None, None)
    # Also if it was resumed before its process was gone.
    assert after(told, DELETED, spec(limit), AT).phase is Phase.SUSPENDED


def test_a_process_that_failed_by_itself_when_it_was_to_be_suspended_has_failed() -> None:
    told = statuses.stopping(under_way(), "Suspended", "so", AT)
    assert after(told, FAILED, spec(0, suspend=True), AT).phase is Phase.FAILED
    new = after(told, FAILED, spec(1, suspend=True), AT)
    assert (new.phase, new.failures) == (Phase.SUSPENDED, 1)


def test_what_ends_in_a_pod_that_is_being_deleted_was_stopped_whatever_the_clock_of_its_node_says() -> None:
    """A process that answers SIGTERM with a code of its own: by a clock that is behind it ended before it was asked."""
    told = statuses.stopping(under_way(), "Suspended", "so", AT)
    end = replace(FAILED, exit_code=1, leaving=True)
    assert after(told, end, spec(0, suspend=True), AT).phase is Phase.SUSPENDED
    assert after(under_way(), end, spec(), AT).phase is Phase.FAILED


@pytest.mark.parametrize("by_kubelet", [True, False])
def test_after_the_deadline_there_is_no_other_attempt(by_kubelet: bool) -> None:  # noqa: FBT001
    told = statuses.stopping(under_way(), "DeadlineExceeded", "too long", AT)
    end = PodObservation("hello", "p", Phase.FAILED, reason="DeadlineExceeded", message="said", exit_code=0)
    new = after(told, end if by_kubelet else DELETED, spec(5), AT)
    assert (new.phase, new.reason) == (Phase.FAILED, "DeadlineExceeded")
    assert new.message == ("too long; said" if by_kubelet else "too long")


def test_kubelet_may_know_of_a_deadline_that_the_operator_does_not() -> None:
    end = PodObservation("hello", "p", Phase.FAILED, reason="DeadlineExceeded", message="said")
    assert after(under_way(), end, spec(5), AT).reason == "DeadlineExceeded"
