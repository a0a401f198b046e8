"""events.py: news for kubectl describe, on turns only."""

import pytest

from reaper_api.status import TaskStatus
from reaper_api.task import Metadata
from reaper_api.vocabulary import Phase
from reaper_operator import status
from reaper_operator.events import for_transition
from tests.fakes.cluster import START

TASK = Metadata(name="hello", namespace="default", uid="task-1")


@pytest.mark.parametrize(
    ("old", "new", "kind", "reason"),
    [
        (Phase.PENDING, Phase.RUNNING, "Normal", "Running"),
        (Phase.RUNNING, Phase.SUCCEEDED, "Normal", "Succeeded"),
        (Phase.RUNNING, Phase.FAILED, "Warning", "Failed"),
        (Phase.RUNNING, Phase.UNKNOWN, "Warning", "Unknown"),
    ],
)
def test_turns(old: Phase, new: Phase, kind: str, reason: str) -> None:
    event = for_transition(TASK, TaskStatus(phase=old), TaskStatus(phase=new, message="m"), START)
    assert event is not None
    assert (event["type"], event["reason"], event["message"]) == (kind, reason, "m")
    assert event["involvedObject"]["uid"] == "task-1"


@pytest.mark.parametrize(("old", "new"), [(None, Phase.PENDING), (Phase.RUNNING, Phase.RUNNING)])
def test_no_turn_no_event(old: Phase | None, new: Phase) -> None:
    assert for_transition(TASK, TaskStatus(phase=old), TaskStatus(phase=new), START) is None


def test_stalled_is_news_once() -> None:
    stalled = status.stalled(TaskStatus(), "PodNameTaken", "taken", generation=1, now=START)
    event = for_transition(TASK, TaskStatus(), stalled, START)
    assert event is not None
    assert (event["type"], event["reason"], event["message"]) == ("Warning", "PodNameTaken", "taken")
    assert for_transition(TASK, stalled, stalled, START) is None


def test_names_and_messages_fit() -> None:
    task = Metadata(name="a" * 253, namespace="default", uid="task-1")
    event = for_transition(task, TaskStatus(), TaskStatus(phase=Phase.FAILED, message="ü" * 5000), START)
    assert event is not None
    assert len(event["metadata"]["name"]) <= 253
    assert len(event["message"].encode()) <= 1024
