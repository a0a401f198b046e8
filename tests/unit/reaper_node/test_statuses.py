"""What is written into a task's status, and into whose."""

from __future__ import annotations

from typing import Any

import pytest

from reaper_node.errors import ApiError, NodeError
from reaper_node.processes import TaskProcess
from reaper_node.statuses import Statuses
from tests.fakes.tasks import NODE, FakeTasks

PROCESS = TaskProcess(4711, 99, namespace="default", pod="hello", pod_uid="pod-1", task="hello", overlay="default")
BOTH = {"hostProcessPID": 4711, "overlayNamespaceID": "default"}


@pytest.fixture
def tasks() -> FakeTasks:
    made = FakeTasks()
    made.add()
    return made


@pytest.fixture
def statuses(tasks: FakeTasks) -> Statuses:
    return Statuses(tasks, NODE)


def test_both_fields_are_written_once(tasks: FakeTasks, statuses: Statuses) -> None:
    assert statuses.tell(PROCESS, runs=True) is True
    assert statuses.tell(PROCESS, runs=True) is False
    assert tasks.writes == [("hello", BOTH)]


def test_the_pid_goes_with_the_process_and_the_overlay_stays(tasks: FakeTasks, statuses: Statuses) -> None:
    statuses.tell(PROCESS, runs=True)
    assert statuses.tell(PROCESS, runs=False) is True
    assert tasks.said() == {"overlayNamespaceID": "default"}
    assert statuses.tell(PROCESS, runs=False) is False


def test_without_an_overlay_there_is_none_in_the_status(tasks: FakeTasks, statuses: Statuses) -> None:
    tasks.update("hello", overlayNamespaceID="default")
    bare = TaskProcess(4711, 99, namespace="default", pod="hello", pod_uid="pod-1", task="hello", overlay="")
    statuses.tell(bare, runs=True)
    assert tasks.said() == {"hostProcessPID": 4711}


@pytest.mark.parametrize(
    "status",
    [
        {"podUID": "pod-2"},
        {"podUID": None},
        {"phase": "Succeeded"},
        {"phase": "Failed"},
        {"phase": "Suspended"},
        {"phase": "Pending", "nextAttemptTime": "2026-11-26T12:00:00Z"},
    ],
)
def test_nothing_is_written_about_an_attempt_that_is_over(
    tasks: FakeTasks, statuses: Statuses, status: dict[str, Any]
) -> None:
    tasks.update("hello", **status)
    assert statuses.tell(PROCESS, runs=True) is False
    assert tasks.writes == []


def test_a_pod_that_claims_anothers_task_changes_nothing(tasks: FakeTasks, statuses: Statuses) -> None:
    liar = TaskProcess(1, 1, namespace="default", pod="evil", pod_uid="pod-evil", task="hello", overlay="")
    statuses.tell(PROCESS, runs=True)
    assert statuses.tell(liar, runs=True) is False
    assert statuses.tell(liar, runs=False) is False
    assert tasks.said() == BOTH


def test_a_task_that_is_gone_is_fine(tasks: FakeTasks, statuses: Statuses) -> None:
    del tasks.tasks["hello"]
    assert statuses.tell(PROCESS, runs=True) is False


def test_a_status_that_does_not_name_this_node_yet_is_tried_again(tasks: FakeTasks, statuses: Statuses) -> None:
    tasks.update("hello", nodeName=None)
    with pytest.raises(NodeError, match="ReaperTask default/hello does not say yet that Pod hello is on this node"):
        statuses.tell(PROCESS, runs=True)
    tasks.update("hello", nodeName=NODE)
    assert statuses.tell(PROCESS, runs=True) is True


def test_somebody_elses_write_in_between_is_an_error_to_try_again(
    tasks: FakeTasks, statuses: Statuses, monkeypatch: pytest.MonkeyPatch
) -> None:
    read = tasks.task

    def then_changed(namespace: str, name: str) -> dict[str, Any]:
        body = read(namespace, name)
        tasks.update("hello", podUID="pod-2")  # the next attempt
        return body

    monkeypatch.setattr(tasks, "task", then_changed)
    with pytest.raises(ApiError) as caught:
        statuses.tell(PROCESS, runs=True)
    assert caught.value.status == 409
    assert tasks.said() == {}
