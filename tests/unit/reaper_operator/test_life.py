"""life.py: every state of a task, and the one next step."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from reaper_api.status import TaskStatus
from reaper_api.task import TaskHead
from reaper_api.vocabulary import Phase
from reaper_operator import status as statuses
from reaper_operator.conditions import Moment
from reaper_operator.life import Action, next_step
from reaper_operator.observe import PodObservation
from tests.fakes.cluster import START, task_body

NOW = START + timedelta(seconds=60)
AT = Moment(1, NOW)
HELD = ["reaper.io/process"]
POD = PodObservation("hello", "pod-1", Phase.RUNNING, node="node-1")
WAITING = replace(POD, phase=Phase.PENDING, node=None)
GATED = replace(WAITING, gated=True)
FAILED = replace(POD, phase=Phase.FAILED, exit_code=1, reason="Error", message="bad")

UNDER_WAY = statuses.begun(TaskStatus(), POD, Moment(1, START))
BETWEEN = statuses.waiting_for_next(UNDER_WAY, NOW + timedelta(seconds=5), "attempt 1 failed", AT)
PAUSED = statuses.suspended(UNDER_WAY, AT)
OVER = statuses.finished(UNDER_WAY, FAILED, AT, reason="Error", message="bad")
TOLD = statuses.stopping(UNDER_WAY, "Suspended", "so", AT)
TOO_LONG = statuses.stopping(UNDER_WAY, "DeadlineExceeded", "so", AT)


def task(status: TaskStatus, *, finalizers: list[str] | None = None, deleted: bool = False, **spec: Any) -> TaskHead:
    body = task_body(**spec)
    body["metadata"]["finalizers"] = HELD if finalizers is None else finalizers
    if deleted:
        body["metadata"]["deletionTimestamp"] = "2026-11-23T12:00:30Z"
    return TaskHead.model_validate(body | {"status": status.model_dump(by_alias=True)})


NOTHING: list[str] = []
CASES = {
    "new": (task(TaskStatus(), finalizers=NOTHING), None, Action.BEGIN, None),
    "new and suspended": (task(TaskStatus(), suspend=True), None, Action.NOTHING, Phase.SUSPENDED),
    "recorded, not held yet": (task(UNDER_WAY, finalizers=NOTHING), GATED, Action.HOLD, Phase.PENDING),
    "recorded and held": (task(UNDER_WAY), GATED, Action.START, Phase.PENDING),
    "running": (task(UNDER_WAY), POD, Action.NOTHING, Phase.RUNNING),
    "running, not held": (task(UNDER_WAY, finalizers=NOTHING), POD, Action.HOLD, Phase.RUNNING),
    "failed": (task(UNDER_WAY), FAILED, Action.NOTHING, Phase.FAILED),
    "failed, to be tried again": (task(UNDER_WAY, backoffLimit=1), FAILED, Action.NOTHING, Phase.PENDING),
    "Pod gone": (task(UNDER_WAY), None, Action.NOTHING, Phase.FAILED),
    "between attempts": (task(BETWEEN, backoffLimit=1), None, Action.NOTHING, Phase.PENDING),
    "between, and suspended": (task(BETWEEN, suspend=True), None, Action.NOTHING, Phase.SUSPENDED),
    "suspended still": (task(PAUSED, suspend=True), None, Action.NOTHING, Phase.SUSPENDED),
    "resumed": (task(PAUSED), None, Action.BEGIN, Phase.PENDING),
    "to be suspended": (task(UNDER_WAY, suspend=True), POD, Action.REMOVE, Phase.RUNNING),
    "to be suspended, gated": (task(UNDER_WAY, suspend=True), GATED, Action.REMOVE, Phase.PENDING),
    "told, on its way": (task(TOLD, suspend=True), replace(POD, leaving=True), Action.NOTHING, Phase.RUNNING),
    "told, and resumed too early": (task(TOLD), POD, Action.REMOVE, Phase.RUNNING),
    "deadline, running": (task(UNDER_WAY, activeDeadlineSeconds=60), POD, Action.EXPIRE, Phase.RUNNING),
    "deadline, kubelet knows": (task(TOO_LONG), replace(POD, deadline=1), Action.NOTHING, Phase.RUNNING),
    "deadline of an older Pod": (task(TOO_LONG), replace(POD, deadline=3600), Action.EXPIRE, Phase.RUNNING),
    "deadline, without a node": (task(TOO_LONG), WAITING, Action.REMOVE, Phase.PENDING),
    "deadline, node lost": (
        task(TOO_LONG),
        replace(POD, phase=Phase.UNKNOWN, deadline=1),
        Action.NOTHING,
        Phase.UNKNOWN,
    ),
    "deadline between attempts": (task(BETWEEN, activeDeadlineSeconds=60), None, Action.NOTHING, Phase.FAILED),
    "over, held": (task(OVER), None, Action.RELEASE, Phase.FAILED),
    "over": (task(OVER, finalizers=NOTHING), None, Action.NOTHING, Phase.FAILED),
    "over and due": (task(OVER, finalizers=NOTHING, ttlSecondsAfterFinished=0), None, Action.DELETE, Phase.FAILED),
    "over, of others": (task(OVER, finalizers=["x/y"], suspend=True), None, Action.NOTHING, Phase.FAILED),
    "over and deleted": (
        task(OVER, finalizers=["x/y"], deleted=True, ttlSecondsAfterFinished=0),
        None,
        Action.NOTHING,
        Phase.FAILED,
    ),
    "deleted, nothing begun": (task(TaskStatus(), finalizers=["x/y"], deleted=True), None, Action.NOTHING, None),
    "deleted, gated and not held": (
        task(UNDER_WAY, finalizers=["x/y"], deleted=True),
        GATED,
        Action.NOTHING,
        Phase.RUNNING,
    ),
    "deleted, running": (task(UNDER_WAY, deleted=True), POD, Action.REMOVE, Phase.RUNNING),
    "deleted, on its way": (task(UNDER_WAY, deleted=True), replace(POD, leaving=True), Action.NOTHING, Phase.RUNNING),
    "deleted, over, there": (task(UNDER_WAY, deleted=True), FAILED, Action.REMOVE, Phase.RUNNING),
    "deleted, over, kept by others": (
        task(UNDER_WAY, deleted=True),
        replace(FAILED, leaving=True),
        Action.RELEASE,
        Phase.RUNNING,
    ),
    "deleted, gone": (task(UNDER_WAY, deleted=True), None, Action.RELEASE, Phase.RUNNING),
    "deleted, gone, kept by others": (
        task(UNDER_WAY, finalizers=[*HELD, "x/y"], deleted=True),
        None,
        Action.RELEASE,
        Phase.FAILED,
    ),
    "deleted between attempts": (task(BETWEEN, deleted=True), None, Action.RELEASE, Phase.PENDING),
    "deleted while suspended": (task(PAUSED, deleted=True, suspend=True), None, Action.RELEASE, Phase.SUSPENDED),
    "orphaning": (task(UNDER_WAY, finalizers=[*HELD, "orphan"], deleted=True), POD, Action.RELEASE, Phase.RUNNING),
}


@pytest.mark.parametrize(("head", "pod", "action", "phase"), CASES.values(), ids=CASES)
def test_the_next_step(head: TaskHead, pod: PodObservation | None, action: Action, phase: Phase | None) -> None:
    step = next_step(head, pod, None, AT)
    assert (step.action, step.status.phase) == (action, phase)


@pytest.mark.parametrize(("head", "pod", "action", "phase"), CASES.values(), ids=CASES)
def test_a_step_that_was_written_is_not_written_again(
    head: TaskHead, pod: PodObservation | None, action: Action, phase: Phase | None
) -> None:
    """Whatever the action: the world has not moved yet."""
    written = next_step(head, pod, None, AT).status
    still = pod if statuses.is_under_way(written) else None
    again = next_step(head.model_copy(update={"status": written}), still, None, AT)
    assert statuses.patch(written, again.status) == {}


def test_a_pod_that_belongs_to_nobody_any_more_is_left_alone() -> None:
    """The garbage collector was faster: the task was orphaned."""
    assert next_step(task(UNDER_WAY, deleted=True), POD, None, AT, owned=False).action is Action.RELEASE
    assert next_step(task(UNDER_WAY), POD, None, AT, owned=False).action is Action.NOTHING


def test_a_task_that_waits_for_a_lost_node_says_the_way_out() -> None:
    lost = replace(POD, phase=Phase.UNKNOWN, reason="NodeUnreachable", message="node-1 has stopped reporting")
    status = next_step(task(UNDER_WAY, deleted=True), lost, None, AT).status
    assert status.message == (
        "the task was deleted: it goes when Pod hello is gone; node-1 has stopped reporting; "
        "if the node is gone for good: kubectl delete pod hello --force"
    )


def looks(head: TaskHead, pod: PodObservation | None) -> float | None:
    step = next_step(head, pod, None, AT)
    return (step.look - NOW).total_seconds() if step.look else None


def test_when_to_look_again() -> None:
    assert looks(task(TaskStatus(), activeDeadlineSeconds=7), None) == 7
    assert looks(task(UNDER_WAY), POD) is None
    assert looks(task(UNDER_WAY, activeDeadlineSeconds=100), POD) == 40
    assert looks(task(BETWEEN, backoffLimit=1), None) == 5
    assert looks(task(BETWEEN, backoffLimit=1, activeDeadlineSeconds=62), None) == 2
    assert looks(task(UNDER_WAY, backoffLimit=1), FAILED) == 10
    assert looks(task(OVER, finalizers=NOTHING, ttlSecondsAfterFinished=9), None) == 9
    assert looks(task(UNDER_WAY), replace(POD, phase=Phase.PENDING, scheduled=NOW)) == 10
    assert looks(task(PAUSED, suspend=True, activeDeadlineSeconds=1), None) is None


def test_why_a_pod_had_found_no_node_when_the_deadline_came() -> None:
    unscheduled = replace(WAITING, reason="Unschedulable", message="0/2 nodes are available")
    head = task(UNDER_WAY, activeDeadlineSeconds=60)
    step = next_step(head, unscheduled, None, AT)
    message = "the task was not over after 60 s (activeDeadlineSeconds); 0/2 nodes are available"
    assert (step.action, step.status.message) == (Action.REMOVE, message)
    end = next_step(head.model_copy(update={"status": step.status}), None, None, AT).status
    assert (end.reason, end.message, end.interruptions) == ("DeadlineExceeded", message, None)
    assert end.last_failure is not None
    assert end.last_failure.reason == "DeadlineExceeded"


def test_why_a_task_had_not_run_when_its_deadline_came() -> None:
    refused = statuses.waiting(TaskStatus(), "PodRefused", "exceeded quota", Moment(1, START))
    step = next_step(task(refused, activeDeadlineSeconds=60), None, None, AT)
    assert (step.status.reason, step.status.exit_code) == ("DeadlineExceeded", None)
    assert step.status.message == "the task was not over after 60 s (activeDeadlineSeconds); exceeded quota"
