"""events.py: news for kubectl describe, on turns only."""

from datetime import timedelta
from typing import Any

import pytest

from reaper_api.status import TaskStatus
from reaper_api.task import Metadata
from reaper_api.vocabulary import Phase
from reaper_operator import status
from reaper_operator.conditions import Moment
from reaper_operator.events import counted, for_transition
from tests.fakes.cluster import START

TASK = Metadata(name="hello", namespace="default", uid="task-1")


@pytest.mark.parametrize(
    ("old", "new", "kind", "reason"),
    [
        (Phase.PENDING, Phase.RUNNING, "Normal", "Running"),
        (Phase.RUNNING, Phase.SUCCEEDED, "Normal", "Succeeded"),
        (Phase.RUNNING, Phase.FAILED, "Warning", "Failed"),
        (Phase.RUNNING, Phase.UNKNOWN, "Warning", "Unknown"),
        (Phase.RUNNING, Phase.SUSPENDED, "Normal", "Suspended"),
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
    stalled = status.stalled(TaskStatus(), "PodNameTaken", "taken", Moment(1, START))
    event = for_transition(TASK, TaskStatus(), stalled, START)
    assert event is not None
    assert (event["type"], event["reason"], event["message"]) == ("Warning", "PodNameTaken", "taken")
    assert for_transition(TASK, stalled, stalled, START) is None


def told(message: str, minutes: int) -> dict[str, Any]:
    old, new = TaskStatus(phase=Phase.RUNNING), TaskStatus(phase=Phase.UNKNOWN, message=message)
    event = for_transition(TASK, old, new, START + timedelta(minutes=minutes))
    assert event is not None
    return event


def test_the_same_news_have_one_name_and_are_counted() -> None:
    first, again = told("node-1 is lost", 0), told("node-1 is lost", 5)
    assert first["metadata"]["name"] == again["metadata"]["name"]
    first["metadata"]["resourceVersion"] = "7"
    assert counted(first, again) == {
        "metadata": {"resourceVersion": "7"},
        "count": 2,
        "lastTimestamp": "2026-11-23T12:05:00Z",
    }


def test_other_news_have_another_name() -> None:
    names = {told(message, 0)["metadata"]["name"] for message in ("node-1 is lost", "node-2 is lost")}
    assert len(names) == 2


def test_names_and_messages_fit() -> None:
    task = Metadata(name="a" * 253, namespace="default", uid="task-1")
    event = for_transition(task, TaskStatus(), TaskStatus(phase=Phase.FAILED, message="ü" * 5000), START)
    assert event is not None
    assert len(event["metadata"]["name"]) <= 253
    assert len(event["message"].encode()) <= 1024


def test_an_attempt_that_failed_is_news() -> None:
    old = TaskStatus(phase=Phase.RUNNING)
    new = TaskStatus(phase=Phase.PENDING, reason="BackOff", message="attempt 1 failed")
    event = for_transition(TASK, old, new, START)
    assert event is not None
    assert (event["type"], event["reason"], event["message"]) == ("Warning", "BackOff", "attempt 1 failed")
    assert for_transition(TASK, new, new, START) is None


def test_what_is_in_the_way_is_news_when_it_changes() -> None:
    pending = TaskStatus(phase=Phase.PENDING)
    stuck = TaskStatus(phase=Phase.PENDING, reason="Unschedulable", message="0/2 nodes")
    event = for_transition(TASK, pending, stuck, START)
    assert event is not None
    assert (event["type"], event["reason"], event["message"]) == ("Warning", "Unschedulable", "0/2 nodes")
    assert for_transition(TASK, stuck, stuck.model_copy(update={"message": "0/3 nodes"}), START) is None
    creating = TaskStatus(phase=Phase.PENDING, reason="ContainerCreating")
    assert for_transition(TASK, stuck, creating, START) is None


def test_a_process_that_is_being_stopped_is_news_unless_its_task_was_deleted() -> None:
    running = TaskStatus(phase=Phase.RUNNING)
    told = TaskStatus(phase=Phase.RUNNING, reason="Stopping", message="spec.suspend is true")
    event = for_transition(TASK, running, told, START)
    assert event is not None
    assert (event["reason"], event["message"]) == ("Stopping", "spec.suspend is true")
    leaving = TASK.model_copy(update={"deletion_timestamp": START})
    assert for_transition(leaving, running, told, START) is None
