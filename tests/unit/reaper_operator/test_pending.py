"""pending.py: why a Pod does not start, in words that name the next step."""

from datetime import timedelta
from typing import Any

import pytest

from reaper_api.task import ReaperTask
from reaper_api.translate import pod_for
from reaper_operator.pending import from_events, needs_events, next_reading, why_pending
from tests.fakes.cluster import START, pod_body


def conditions(reason: str, message: str) -> dict[str, Any]:
    return {"conditions": [{"type": "PodScheduled", "status": "False", "reason": reason, "message": message}]}


def test_nothing_to_say() -> None:
    assert why_pending(pod_body(), {}, None) == (None, None)
    assert why_pending(pod_body(gated=True), conditions("SchedulingGated", "blocked"), None) == (None, None)


def test_a_gate_of_somebody_else_is_news() -> None:
    pod = pod_body(gated=True)
    pod["spec"]["schedulingGates"].append({"name": "example.com/quota"})
    assert why_pending(pod, conditions("SchedulingGated", "blocked"), None) == ("SchedulingGated", "blocked")


@pytest.mark.parametrize(
    "why", ["didn't match Pod's node affinity/selector.", "didn't satisfy plugin(s) [NodeAffinity]."]
)
def test_where_no_node_has_the_runtime_the_label_is_named(why: str) -> None:
    said = f"0/1 nodes are available: 1 node(s) {why}"
    reason, message = why_pending(pod_body(), conditions("Unschedulable", said), None)
    assert reason == "Unschedulable"
    assert message == (
        f"{said}; only nodes with the label reaper.io/runtime=ready have the runtime: "
        "kubectl get nodes -L reaper.io/runtime"
    )
    assert why_pending(pod_body(), conditions("Unschedulable", "0/1: cpu"), None) == ("Unschedulable", "0/1: cpu")


CORDON = "a cordoned node takes no new Pod until: kubectl uncordon"
NOT_READY = "a node that is not ready takes no new Pod; why it is not: kubectl describe node"

TAINT = "a taint keeps new Pods away, which a node that is not ready has too; which one: kubectl describe node"


@pytest.mark.parametrize(
    ("why", "remedy"),
    [
        ("were unschedulable", CORDON),
        ("had untolerated taint {node.kubernetes.io/unreachable: }", NOT_READY),
        ("had untolerated taint {node.kubernetes.io/not-ready: }", NOT_READY),
        ("had untolerated taint(s)", TAINT),
    ],
)
@pytest.mark.parametrize("node", ["n1", None])
def test_a_node_that_takes_no_pods_has_a_remedy(why: str, remedy: str, node: str | None) -> None:
    said = f"0/1 nodes are available: 1 node(s) {why}."
    metadata = {"name": "t", "namespace": "ops", "uid": "u", "generation": 1}
    spec = {"command": ["/bin/true"], **({"nodeName": node} if node else {})}
    pod = pod_for(ReaperTask.parse({"metadata": metadata, "spec": spec}), 1)
    _, message = why_pending(pod, conditions("Unschedulable", said), None)
    assert message == f"{said}; {remedy} {node or 'NODE'}"


def test_a_node_without_the_image_is_named() -> None:
    waiting = {"reason": "ImagePullBackOff", "message": 'Back-off pulling image "placeholder"'}
    reason, message = why_pending(pod_body(node="node-1"), {}, waiting)
    assert reason == "PlaceholderMissing"
    assert message is not None
    assert message.startswith("node-1 does not have the image placeholder")
    assert message.endswith('see its Pod on node-1; Back-off pulling image "placeholder"')


def test_what_kubelet_says_of_a_secret_that_is_missing() -> None:
    waiting = {"reason": "CreateContainerConfigError", "message": 'secret "db" not found'}
    assert why_pending(pod_body(node="n"), {}, waiting) == ("CreateContainerConfigError", 'secret "db" not found')


@pytest.mark.parametrize(
    ("reason", "seconds", "needed"),
    [(None, 9, False), (None, 10, True), ("ContainerCreating", 60, True), ("ErrImagePull", 60, False)],
)
def test_when_events_are_read(reason: str | None, seconds: int, needed: bool) -> None:  # noqa: FBT001
    assert needs_events(reason, START, START + timedelta(seconds=seconds)) is needed
    assert not needs_events(reason, None, START)


def test_the_longer_it_takes_the_less_often_they_are_read() -> None:
    def after(waited: float) -> float:
        now = START + timedelta(seconds=waited)
        due = next_reading(START, now)
        assert due is not None
        return (due - now).total_seconds()

    assert [after(seconds) for seconds in (0, 4, 10, 20, 40, 3600)] == [10, 6, 10, 20, 40, 300]
    assert next_reading(None, START) is None


def event(reason: str, message: str, time: str, kind: str = "Warning") -> dict[str, Any]:
    return {"type": kind, "reason": reason, "message": message, "lastTimestamp": time}


def test_the_latest_warning_counts() -> None:
    said = [
        event("FailedMount", "late", "2026-11-23T12:00:09Z"),
        event("Pulled", "later", "2026-11-23T12:00:10Z", "Normal"),
        event("FailedScheduling", "early", "2026-11-23T12:00:01Z"),
        {"type": "Warning", "reason": "New", "message": "no time", "eventTime": None},
    ]
    assert from_events(said, "node-1") == ("FailedMount", "late")
    assert from_events([], "node-1") is None
    assert from_events([event("Pulled", "x", "2026", "Normal")], "node-1") is None


def test_events_of_the_new_kind() -> None:
    series = {
        "type": "Warning",
        "reason": "New",
        "message": "m",
        "series": {"lastObservedTime": "2026-11-23T12:00:30Z"},
    }
    assert from_events([series, event("Old", "o", "2026-11-23T12:00:09Z")], "n") == ("New", "m")


@pytest.mark.parametrize(
    "said",
    [
        'Failed to create pod sandbox: failed to get sandbox runtime: no runtime for "reaper-v2" is configured',
        'failed to start shim: start failed: exec: "containerd-shim-reaper-v2": executable file not found in $PATH',
    ],
)
def test_a_node_without_the_runtime_is_named(said: str) -> None:
    why = from_events([event("FailedCreatePodSandBox", said, "2026")], "node-1")
    assert why is not None
    assert why[0] == "RuntimeMissing"
    assert why[1] == (
        f"node-1 does not have the runtime reaper-v2: see the Pod of Reaper's node installer on node-1; {said}"
    )


def test_a_sandbox_has_another_id_each_time_and_that_is_no_news() -> None:
    said = [event("X", f'network for sandbox "{n * 64}": no IP', "2026") for n in "ab"]
    assert from_events(said[:1], "n") == from_events(said[1:], "n") == ("X", 'network for sandbox "…": no IP')
