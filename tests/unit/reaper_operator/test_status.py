"""status.py: old status and observation in, new status out."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from reaper_api.status import TaskStatus
from reaper_api.vocabulary import Phase
from reaper_operator import status
from reaper_operator.observe import PodObservation
from tests.fakes.cluster import START

LATER = START + timedelta(seconds=60)
RUNNING = PodObservation("hello", "pod-1", Phase.RUNNING, node="node-1", started=START)
FAILED = PodObservation("hello", "pod-1", Phase.FAILED, exit_code=42, reason="Error", message="42", ended=START)


def seen(pod: PodObservation, old: TaskStatus | None = None) -> TaskStatus:
    return status.from_pod(old or TaskStatus(), pod, generation=1, now=LATER)


@pytest.mark.parametrize(
    "change",
    [
        lambda old: seen(RUNNING, old),
        lambda old: status.pod_gone(old, None, generation=2, now=LATER),
        lambda old: status.waiting(old, "Why", "so", generation=2, now=LATER),
        lambda old: status.stalled(old, "Why", "so", generation=2, now=LATER),
    ],
    ids=["seen again", "pod gone", "waiting", "stalled"],
)
def test_a_finished_status_never_changes(change: Callable[[TaskStatus], TaskStatus]) -> None:
    finished = seen(FAILED)
    assert finished.finished
    assert change(finished) is finished


def test_the_same_look_twice_gives_an_equal_status_and_an_empty_patch() -> None:
    first = seen(RUNNING)
    again = status.from_pod(first, RUNNING, generation=1, now=LATER + timedelta(hours=1))
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


def test_a_pod_that_vanished_between_two_looks_keeps_what_was_known() -> None:
    gone = status.pod_gone(seen(RUNNING), RUNNING, generation=1, now=LATER)
    assert (gone.phase, gone.reason, gone.exit_code) == (Phase.FAILED, "PodDeleted", None)
    assert (gone.node_name, gone.start_time, gone.completion_time) == ("node-1", START, LATER)


def test_a_pod_that_vanished_says_who_removed_it() -> None:
    last = PodObservation("hello", "pod-1", Phase.RUNNING, disruption="EvictionByEvictionAPI: evicted")
    gone = status.pod_gone(seen(last), last, generation=1, now=LATER)
    assert gone.message is not None
    assert "(EvictionByEvictionAPI: evicted)" in gone.message


def test_a_pod_that_vanished_after_its_end_was_seen_is_finished_by_that_end() -> None:
    gone = status.pod_gone(seen(RUNNING), FAILED, generation=1, now=LATER)
    assert (gone.exit_code, gone.reason, gone.completion_time) == (42, "Error", START)


def test_a_node_that_comes_back() -> None:
    lost = PodObservation("hello", "pod-1", Phase.UNKNOWN, reason="NodeUnreachable", message="lost")
    back = seen(RUNNING, seen(lost, seen(RUNNING)))
    assert (back.phase, back.reason, back.message) == (Phase.RUNNING, None, None)


def test_stalled_goes_when_the_way_is_free() -> None:
    stalled = status.stalled(TaskStatus(), "PodNameTaken", "taken", generation=1, now=START)
    assert [c.type for c in stalled.conditions or ()] == ["Stalled", "Finished"]
    assert stalled.phase is Phase.PENDING
    assert [c.type for c in seen(RUNNING, stalled).conditions or ()] == ["Finished"]


def test_times_are_what_kubernetes_writes() -> None:
    assert TaskStatus.model_validate(status.patch(TaskStatus(), seen(FAILED))) == seen(FAILED)
