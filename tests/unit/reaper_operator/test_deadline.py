"""deadline.py: counted from when the task was taken up."""

from datetime import UTC, datetime, timedelta

import pytest

from reaper_api.lifecycle import Lifecycle
from reaper_operator.deadline import due, sentence
from reaper_operator.errors import Unreadable
from tests.fakes.cluster import START

SPEC = Lifecycle(active_deadline_seconds=60)


def test_due() -> None:
    assert due(SPEC, START) == START + timedelta(seconds=60)
    assert due(SPEC, None) is None
    assert due(Lifecycle(), START) is None


def test_it_is_counted_from_a_time_that_somebody_can_count_from() -> None:
    with pytest.raises(Unreadable, match=r"status\.activeSince is 9999-12-31T23:59:59Z"):
        due(SPEC, datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC))


def test_sentence() -> None:
    assert sentence(SPEC) == "the task was not over after 60 s (activeDeadlineSeconds)"
