"""observe.py: what a Pod says, and nothing that it does not say."""

from datetime import UTC, datetime
from typing import Any

import pytest

from reaper_api.vocabulary import Phase
from reaper_operator.observe import observe
from tests.fakes.cluster import container, pod_body, terminated

WRAPPED = f'failed to start containerd task "{"0a" * 32}": no /opt/x on node-1'
SILENT = (
    "node-1 has stopped reporting: whether the process still runs is not known; kubectl describe node node-1; the task "
    "goes on, or is over, when the node reports again"
)
STARTED = "2026-11-23T12:00:01Z"


def scheduled(status: str, reason: str = "", message: str = "") -> dict[str, str]:
    return {"type": "PodScheduled", "status": status, "reason": reason, "message": message}


@pytest.mark.parametrize(
    ("pod", "phase", "exit_code", "reason", "message"),
    [
        pytest.param(pod_body("Pending"), "Pending", None, None, None, id="new"),
        pytest.param(
            pod_body("Pending", gated=True, conditions=[scheduled("False", "SchedulingGated", "blocked")]),
            "Pending",
            None,
            None,
            None,
            id="our own gate is no news",
        ),
        pytest.param(
            pod_body("Pending", conditions=[scheduled("False", "SchedulingGated", "blocked")]),
            "Pending",
            None,
            None,
            None,
            id="our gate has just gone",
        ),
        pytest.param(
            pod_body("Pending", conditions=[scheduled("False", "Unschedulable", "0/2 nodes are available")]),
            "Pending",
            None,
            "Unschedulable",
            "0/2 nodes are available",
            id="unschedulable",
        ),
        pytest.param(
            pod_body("Pending", containerStatuses=[container(waiting={"reason": "ContainerCreating"})]),
            "Pending",
            None,
            "ContainerCreating",
            None,
            id="creating",
        ),
        pytest.param(
            pod_body(
                "Pending",
                containerStatuses=[container(waiting={"reason": "ErrImagePull", "message": "no such image"})],
            ),
            "Pending",
            None,
            "PlaceholderMissing",
            "its node does not have the image placeholder, which stands for a program of the node, and cannot pull it. "
            "Reaper's node installer imports it: see its Pod on its node; no such image",
            id="image missing on the node",
        ),
        pytest.param(
            pod_body("Running", containerStatuses=[container(running={"startedAt": STARTED})]),
            "Running",
            None,
            None,
            None,
            id="running",
        ),
        pytest.param(
            pod_body(
                "Running",
                containerStatuses=[
                    container(
                        restarts=2,
                        last={"terminated": terminated(42)},
                        waiting={"reason": "CrashLoopBackOff", "message": "back-off 20s"},
                    )
                ],
            ),
            "Running",
            None,
            "CrashLoopBackOff",
            "back-off 20s; last time, the process ended with exit code 42",
            id="between two runs",
        ),
        pytest.param(
            pod_body("Succeeded", containerStatuses=[container(terminated=terminated(0))]),
            "Succeeded",
            0,
            "Completed",
            "the process ended with exit code 0",
            id="succeeded",
        ),
        pytest.param(
            pod_body("Failed", containerStatuses=[container(terminated=terminated(42))]),
            "Failed",
            42,
            "Error",
            "the process ended with exit code 42",
            id="failed",
        ),
        pytest.param(
            pod_body("Failed", containerStatuses=[container(terminated=terminated(137))]),
            "Failed",
            137,
            "Error",
            "the process ended with exit code 137 (128+9: as a rule ended by SIGKILL)",
            id="killed",
        ),
        pytest.param(
            pod_body("Failed", containerStatuses=[container(terminated=terminated(255))]),
            "Failed",
            255,
            "Error",
            "the process ended with exit code 255",
            id="255 is no signal",
        ),
        pytest.param(
            pod_body("Failed", containerStatuses=[container(terminated=terminated(128, "StartError", WRAPPED))]),
            "Failed",
            None,
            "StartError",
            "no /opt/x on node-1",
            id="never started: 128 is not its exit code",
        ),
        pytest.param(
            pod_body(
                "Failed",
                containerStatuses=[
                    container(terminated=terminated(137, "ContainerStatusUnknown", "could not be located"))
                ],
            ),
            "Failed",
            None,
            "ProcessLost",
            "the node no longer knows how the process ended, as after a reboot: could not be located",
            id="unknown is not 137",
        ),
        pytest.param(
            pod_body("Failed", containerStatuses=[container(terminated=terminated(255, "Unknown"))]),
            "Failed",
            None,
            "ProcessLost",
            "the node no longer knows how the process ended, as after a reboot: Unknown",
            id="unknown is not 255",
        ),
        pytest.param(
            pod_body("Failed", reason="Evicted", message="The node was low on resource: memory"),
            "Failed",
            None,
            "Evicted",
            "The node was low on resource: memory",
            id="evicted before it started",
        ),
        pytest.param(
            pod_body(
                "Failed",
                reason="DeadlineExceeded",
                message="Pod was active too long",
                containerStatuses=[container(terminated=terminated(143))],
            ),
            "Failed",
            143,
            "DeadlineExceeded",
            "Pod was active too long; the process ended with exit code 143 (128+15: as a rule ended by SIGTERM)",
            id="deadline",
        ),
        pytest.param(
            pod_body("Failed", deleted=True, containerStatuses=[container(terminated=terminated(143))]),
            "Failed",
            143,
            "PodDeleted",
            "Pod hello was deleted while the process ran; "
            "the process ended with exit code 143 (128+15: as a rule ended by SIGTERM)",
            id="deleted by hand, seen to end",
        ),
        pytest.param(
            pod_body(
                "Failed",
                deleted=True,
                containerStatuses=[container(terminated=terminated(143) | {"finishedAt": "2026-11-23T12:00:03Z"})],
            ),
            "Failed",
            143,
            "PodDeleted",
            "Pod hello was deleted while the process ran; "
            "the process ended with exit code 143 (128+15: as a rule ended by SIGTERM)",
            id="deleted by hand, on a node whose clock is behind",
        ),
        pytest.param(
            pod_body(
                "Failed",
                deleted=True,
                containerStatuses=[container(terminated=terminated(7) | {"finishedAt": "2026-11-23T12:00:03Z"})],
            ),
            "Failed",
            7,
            "Error",
            "the process ended with exit code 7",
            id="ended by itself, then deleted by hand",
        ),
        pytest.param(
            pod_body("Failed", containerStatuses=None),
            "Failed",
            None,
            "ProcessLost",
            "the node did not report how the process ended",
            id="failed without a word",
        ),
        pytest.param(
            pod_body(
                "Failed",
                node="node-1",
                conditions=[
                    {
                        "type": "DisruptionTarget",
                        "status": "True",
                        "reason": "DeletionByPodGC",
                        "message": "PodGC: node no longer exists",
                    }
                ],
                containerStatuses=[container(running={"startedAt": STARTED})],
            ),
            "Failed",
            None,
            "NodeLost",
            "the node did not report how the process ended (DeletionByPodGC: PodGC: node no longer exists)",
            id="the node was deleted",
        ),
        pytest.param(
            pod_body(
                "Running",
                node="node-1",
                conditions=[
                    {"type": "Ready", "status": "False", "reason": "ReadinessGatesNotReady"},
                    {"type": "ContainersReady", "status": "True"},
                ],
                containerStatuses=[container(running={"startedAt": STARTED})],
            ),
            "Running",
            None,
            None,
            None,
            id="a readiness gate is no lost node",
        ),
        pytest.param(
            pod_body("Succeeded", containerStatuses=[]),
            "Succeeded",
            None,
            "Completed",
            None,
            id="succeeded without a word",
        ),
        pytest.param(
            pod_body("Unknown", node="node-1"),
            "Unknown",
            None,
            "NodeUnreachable",
            SILENT,
            id="unknown",
        ),
        pytest.param(
            pod_body("Unknown", node="node-1", reason="NodeLost", message="Node node-1 is unresponsive"),
            "Unknown",
            None,
            "NodeLost",
            "Node node-1 is unresponsive; kubectl describe node node-1; the task goes on, or is over, when the node "
            "reports again",
            id="unknown, in the words of the control plane",
        ),
        pytest.param(
            pod_body(
                "Running",
                node="node-1",
                conditions=[{"type": "Ready", "status": "False"}, {"type": "ContainersReady", "status": "True"}],
                containerStatuses=[container(running={"startedAt": STARTED})],
            ),
            "Unknown",
            None,
            "NodeUnreachable",
            SILENT,
            id="the node controller says that the node is lost",
        ),
    ],
)
def test_verdict(
    pod: dict[str, Any], phase: str, exit_code: int | None, reason: str | None, message: str | None
) -> None:
    seen = observe(pod)
    assert (seen.phase, seen.exit_code, seen.reason, seen.message) == (Phase(phase), exit_code, reason, message)


def test_times_node_and_restarts() -> None:
    seen = observe(
        pod_body("Failed", node="node-1", containerStatuses=[container(restarts=3, terminated=terminated(1))])
    )
    assert seen.started == datetime(2026, 11, 23, 12, 0, 1, tzinfo=UTC)
    assert seen.ended == datetime(2026, 11, 23, 12, 0, 5, tzinfo=UTC)
    assert (seen.node, seen.restarts) == ("node-1", 3)


def test_the_time_of_a_process_that_was_never_started_is_not_1970() -> None:
    end = terminated(128, "StartError") | {"startedAt": "1970-01-01T00:00:00Z"}
    assert observe(pod_body("Failed", containerStatuses=[container(terminated=end)])).started is None


def test_another_container_says_nothing_about_the_task() -> None:
    sidecar = container(terminated=terminated(7)) | {"name": "sidecar"}
    assert observe(pod_body("Failed", containerStatuses=[sidecar])).exit_code is None


def test_the_end_of_the_output_of_a_process_that_failed() -> None:
    end = terminated(2, message="Traceback\n  no such file\n")
    seen = observe(pod_body("Failed", containerStatuses=[container(terminated=end)]))
    assert seen.message == "the process ended with exit code 2. The end of its output:\nTraceback\n  no such file"
    between = container(waiting={"reason": "CrashLoopBackOff"}, last={"terminated": end})
    assert observe(pod_body("Running", containerStatuses=[between])).message == f"last time, {seen.message}"


def test_whose_it_is_and_what_is_asked_of_it() -> None:
    body = pod_body("Running", deleted=True)
    body["metadata"] |= {
        "labels": {"reaper.io/attempt": "3"},
        "ownerReferences": [{"kind": "ReaperTask", "uid": "task-1", "controller": True}],
    }
    body["spec"]["activeDeadlineSeconds"] = 1
    seen = observe(body)
    assert (seen.task_uid, seen.attempt, seen.leaving, seen.deadline) == ("task-1", 3, True, 1)
    plain = observe(pod_body())
    assert (plain.task_uid, plain.attempt, plain.leaving, plain.deadline) == (None, 1, False, None)


def test_gate() -> None:
    assert observe(pod_body(gated=True)).gated
    assert not observe(pod_body()).gated
