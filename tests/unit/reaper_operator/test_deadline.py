"""deadline.py: counted from when the task was taken up."""

from datetime import timedelta

from reaper_api.lifecycle import Lifecycle
from reaper_operator.deadline import due, sentence
from tests.fakes.cluster import START

SPEC = Lifecycle(active_deadline_seconds=60)


def test_due() -> None:
    assert due(SPEC, START) == START + timedelta(seconds=60)
    assert due(SPEC, None) is None
    assert due(Lifecycle(), START) is None


def test_sentence() -> None:
    assert sentence(SPEC) == "the task was not over after 60 s (activeDeadlineSeconds)"
