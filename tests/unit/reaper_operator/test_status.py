"""status.py: old status and observation in, new status out."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from reaper_api.status import TaskStatus
from reaper_api.vocabulary import ConditionType, Phase
from reaper_operator import status
from reaper_operator.conditions import Moment
from reaper_operator.observe import PodObservation
from tests.fakes.cluster import START

LATER = START + timedelta(seconds=60)
AT = Moment(1, LATER)
RUNNING = PodObservation("hello", "pod-1", Phase.RUNNING, node="node-1", started=START)
FAILED = PodObservation("hello", "pod-1", Phase.FAILED, exit_code=42, reason="Error", message="42", ended=START)


def seen(pod: PodObservation, old: TaskStatus | None = None) -> TaskStatus:
    return status.seen(old or TaskStatus(), pod, AT)


def over(old: TaskStatus | None = None) -> TaskStatus:
    return status.finished(old or seen(RUNNING), FAILED, AT, reason="Error", message="42")


@pytest.mark.parametrize(
    "change",
    [
        lambda old: seen(RUNNING, old),
        lambda old: over(old),
        lambda old: status.waiting(old, "Why", "so", Moment(2, LATER)),
        lambda old: status.stalled(old, "Why", "so", Moment(2, LATER)),
        lambda old: status.suspended(old, Moment(2, LATER)),
        lambda old: status.resumed(old, Moment(2, LATER)),
        lambda old: status.begun(old, RUNNING, Moment(2, LATER)),
        lambda old: status.stopping(old, "Why", "so", Moment(2, LATER)),
        lambda old: status.waiting_for_next(old, LATER, "so", Moment(2, LATER)),
        lambda old: status.ended_without_a_process(old, "Why", "so", Moment(2, LATER)),
    ],
)
def test_a_finished_status_never_changes(change: Callable[[TaskStatus], TaskStatus]) -> None:
    finished = over()
    assert finished.finished
    assert status.patch(finished, change(finished)) == {}


def test_the_same_look_twice_gives_an_equal_status_and_an_empty_patch() -> None:
    first = seen(RUNNING)
    again = status.seen(first, RUNNING, Moment(1, LATER + timedelta(hours=1)))
    assert again == first
    assert status.patch(first, again) == {}


def test_a_patch_has_what_differs_and_null_for_what_went_away() -> None:
    waiting = PodObservation("hello", "pod-1", Phase.PENDING, reason="Unschedulable", message="no node")
    change = status.patch(seen(waiting), seen(RUNNING, seen(waiting)))
    assert set(change) == {"phase", "conditions", "nodeName", "reason", "message", "startTime"}
    assert change["reason"] is None
    assert change["message"] is None
    assert change["startTime"] == "2026-11-23T12:00:00Z"
    assert "observedGeneration" not in change


AGENT = {"hostProcessPID": 4711, "overlayNamespaceID": "default"}
PENDING = PodObservation("hello", "pod-1", Phase.PENDING, node="node-1", reason="ContainerCreating")


def with_agent(old: TaskStatus) -> TaskStatus:
    return TaskStatus.model_validate(old.model_dump(by_alias=True) | AGENT)


@pytest.mark.parametrize("pod", [PENDING, RUNNING, replace(RUNNING, phase=Phase.UNKNOWN)])
def test_the_node_agent_keeps_its_fields_while_the_attempt_is_under_way(pod: PodObservation) -> None:
    """Also before kubelet has told that the process runs: the agent is faster."""
    known = with_agent(seen(pod))
    assert status.patch(known, seen(pod, known)) == {}
    assert status.patch(known, seen(RUNNING, known)).keys().isdisjoint(AGENT)
    waiting = status.waiting(known, "Why", "so", Moment(2, LATER))
    assert status.patch(known, waiting).keys().isdisjoint(AGENT)


@pytest.mark.parametrize(
    "change",
    [
        over,
        lambda old: status.suspended(old, AT),
        lambda old: status.waiting_for_next(old, LATER, "so", AT),
        lambda old: status.ended_without_a_process(old, "Why", "so", AT),
    ],
)
def test_the_pid_goes_with_the_attempt_and_the_overlay_stays_to_be_read(
    change: Callable[[TaskStatus], TaskStatus],
) -> None:
    running = with_agent(seen(RUNNING))
    patch = status.patch(running, change(running))
    assert patch["hostProcessPID"] is None
    assert "overlayNamespaceID" not in patch


def test_a_new_attempt_has_nothing_of_the_one_before() -> None:
    between = status.waiting_for_next(with_agent(seen(RUNNING)), LATER, "so", AT)
    patch = status.patch(between, status.begun(between, PodObservation("hello-2", "pod-2", Phase.PENDING), AT))
    assert patch["overlayNamespaceID"] is None
    late = with_agent(between)  # an agent that does not know yet
    assert status.patch(late, status.begun(late, PENDING, AT)).items() >= dict.fromkeys(AGENT).items()


def test_a_node_that_comes_back() -> None:
    lost = PodObservation("hello", "pod-1", Phase.UNKNOWN, reason="NodeUnreachable", message="lost")
    back = seen(RUNNING, seen(lost, seen(RUNNING)))
    assert (back.phase, back.reason, back.message) == (Phase.RUNNING, None, None)


def test_stalled_goes_when_the_way_is_free() -> None:
    stalled = status.stalled(TaskStatus(), "PodNameTaken", "taken", Moment(1, START))
    assert [c.type for c in stalled.conditions or ()] == ["Stalled", "Finished"]
    assert stalled.phase is Phase.PENDING
    assert [c.type for c in seen(RUNNING, stalled).conditions or ()] == ["Finished"]


def test_times_are_what_kubernetes_writes() -> None:
    assert TaskStatus.model_validate(status.patch(TaskStatus(), over())) == over()


def test_the_record_of_an_attempt() -> None:
    first = status.begun(TaskStatus(), RUNNING, Moment(1, START))
    assert (first.attempts, first.pod_uid, first.active_since) == (1, "pod-1", START)
    between = status.waiting_for_next(first, LATER, "attempt 1 failed", AT)
    assert (between.phase, between.next_attempt_time, between.reason) == (Phase.PENDING, LATER, "BackOff")
    assert (between.pod_name, between.attempts) == ("hello", 1)
    second = status.begun(between, PodObservation("hello-2", "pod-2", Phase.PENDING), AT)
    assert (second.attempts, second.pod_uid, second.next_attempt_time) == (2, "pod-2", None)
    assert (second.active_since, second.node_name, second.start_time) == (START, None, None)


def test_an_attempt_that_was_recorded_before_attempts_were_counted() -> None:
    old = TaskStatus(podUID="pod-1", phase=Phase.RUNNING)
    assert status.attempts_of(old) == 1
    assert status.is_under_way(old)
    assert status.seen(old, RUNNING, AT).attempts == 1


def test_a_suspension_and_its_end() -> None:
    held = status.suspended(TaskStatus(), Moment(1, START))
    assert status.condition(held, ConditionType.SUSPENDED).reason == "Suspended"
    assert (held.phase, held.active_since) == (Phase.SUSPENDED, None)
    assert status.suspended(held, AT) == held
    free = status.resumed(held, AT)
    assert status.condition(free, ConditionType.SUSPENDED) is None
    assert (free.phase, free.active_since, free.next_attempt_time) == (Phase.PENDING, LATER, None)
    (suspended,) = (c for c in free.conditions or () if c.type == "Suspended")
    assert (suspended.status, suspended.last_transition_time) == ("False", LATER)
    again = status.resumed(status.suspended(seen(RUNNING), AT), AT)
    assert again.next_attempt_time == LATER


def test_a_decision_to_stop_is_said_until_the_process_is_gone() -> None:
    told = seen(RUNNING, status.stopping(seen(RUNNING), "Suspended", "the process is being ended", AT))
    assert (told.phase, told.reason, told.message) == (Phase.RUNNING, "Stopping", "the process is being ended")
    assert seen(RUNNING, told) == told
    lost = seen(PodObservation("hello", "pod-1", Phase.UNKNOWN, reason="NodeUnreachable", message="lost"), told)
    assert (lost.reason, lost.message) == ("NodeUnreachable", "the process is being ended; lost")
    assert status.condition(status.suspended(told, AT), ConditionType.STOPPING) is None
