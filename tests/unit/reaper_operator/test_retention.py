"""retention.py: a finished task stays for its time to live, counted from when its end was seen."""

from datetime import UTC, datetime, timedelta

import pytest

from reaper_api.lifecycle import Lifecycle
from reaper_api.status import TaskStatus
from reaper_api.vocabulary import Phase
from reaper_operator import status
from reaper_operator.conditions import Moment
from reaper_operator.errors import Unreadable
from reaper_operator.observe import PodObservation
from reaper_operator.retention import expiry
from tests.fakes.cluster import START

END = PodObservation("hello", "pod-1", Phase.SUCCEEDED, exit_code=0, ended=START - timedelta(hours=1))
OVER = status.finished(TaskStatus(), END, Moment(1, START), reason="Completed", message=None)


def test_expiry() -> None:
    assert expiry(Lifecycle(ttl_seconds_after_finished=60), OVER) == START + timedelta(seconds=60)
    assert expiry(Lifecycle(ttl_seconds_after_finished=0), OVER) == START
    assert expiry(Lifecycle(), OVER) is None
    assert expiry(Lifecycle(ttl_seconds_after_finished=0), TaskStatus(phase=Phase.RUNNING)) is None


def test_it_is_counted_from_a_time_that_somebody_can_count_from() -> None:
    late = status.finished(
        TaskStatus(), END, Moment(1, datetime(9999, 12, 31, tzinfo=UTC)), reason="Completed", message=None
    )
    with pytest.raises(Unreadable, match="lastTransitionTime of the condition Finished is 9999-12-31T00:00:00Z"):
        expiry(Lifecycle(ttl_seconds_after_finished=86400), late)
