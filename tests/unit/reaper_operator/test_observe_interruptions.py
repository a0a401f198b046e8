"""observe.py: what ended a process from outside, and what was its own doing."""

from typing import Any

import pytest

from reaper_api.vocabulary import Phase
from reaper_operator.observe import observe, vanished
from tests.fakes.cluster import container, pod_body, terminated

WRAPPED = f'failed to start containerd task "{"0a" * 32}": no /opt/x on node-1'
STARTED = "2026-11-23T12:00:01Z"


def test_why_the_control_plane_removes_a_pod() -> None:
    disruption = {
        "type": "DisruptionTarget",
        "status": "True",
        "reason": "DeletionByTaintManager",
        "message": "Taint manager: deleting due to NoExecute taint",
    }
    seen = observe(pod_body("Running", conditions=[disruption]))
    assert seen.disruption == ("Evicted", "DeletionByTaintManager: Taint manager: deleting due to NoExecute taint")


def disruption(reason: str) -> list[dict[str, str]]:
    return [{"type": "DisruptionTarget", "status": "True", "reason": reason, "message": "m"}]


@pytest.mark.parametrize(
    ("pod", "reason", "interrupted"),
    [
        pytest.param(
            pod_body("Succeeded", containerStatuses=[container(terminated=terminated(0))]), "Completed", False
        ),
        pytest.param(pod_body("Failed", containerStatuses=[container(terminated=terminated(1))]), "Error", False),
        pytest.param(
            pod_body("Failed", containerStatuses=[container(terminated=terminated(128, "StartError"))]),
            "StartError",
            False,
            id="a missing program is the task's own fault",
        ),
        pytest.param(pod_body("Failed", reason="DeadlineExceeded"), "DeadlineExceeded", False),
        pytest.param(pod_body("Failed", reason="Evicted"), "Evicted", True, id="evicted by kubelet"),
        pytest.param(pod_body("Failed", reason="OutOfcpu"), "OutOfcpu", True, id="refused by kubelet"),
        pytest.param(
            pod_body("Failed", containerStatuses=[container(terminated=terminated(255, "Unknown"))]),
            "ProcessLost",
            True,
            id="the node was rebooted",
        ),
        pytest.param(
            pod_body("Failed", deleted=True, containerStatuses=[container(terminated=terminated(143))]),
            "PodDeleted",
            True,
            id="deleted by hand",
        ),
        pytest.param(
            pod_body(
                "Failed",
                deleted=True,
                conditions=disruption("PreemptionByScheduler"),
                containerStatuses=[container(terminated=terminated(143))],
            ),
            "Preempted",
            True,
            id="preempted",
        ),
        pytest.param(
            pod_body(
                "Failed",
                deleted=True,
                conditions=disruption("EvictionByEvictionAPI"),
                containerStatuses=[container(terminated=terminated(143))],
            ),
            "Evicted",
            True,
            id="drained",
        ),
        pytest.param(pod_body("Failed", conditions=disruption("DeletionByPodGC")), "NodeLost", True, id="node gone"),
        pytest.param(pod_body("Failed"), "ProcessLost", True, id="without a word"),
    ],
)
def test_what_interrupts_a_process_and_what_is_its_own_doing(
    pod: dict[str, Any],
    reason: str,
    interrupted: bool,  # noqa: FBT001
) -> None:
    seen = observe(pod)
    assert (seen.reason, seen.interrupted) == (reason, interrupted)


def test_a_pod_that_vanished() -> None:
    gone = vanished("hello", "pod-1", None)
    assert (gone.phase, gone.reason, gone.exit_code, gone.interrupted) == (Phase.FAILED, "PodDeleted", None, True)
    assert gone.message == "Pod hello was deleted before its process was seen to end; how it ended is not known"
    last = observe(pod_body("Running", node="node-1", conditions=disruption("EvictionByEvictionAPI")))
    gone = vanished("hello", "pod-1", last)
    assert (gone.reason, gone.node) == ("Evicted", "node-1")
    assert "was seen to end (EvictionByEvictionAPI: m);" in (gone.message or "")
    over = observe(pod_body("Failed", containerStatuses=[container(terminated=terminated(3))]))
    assert vanished("hello", "pod-1", over) is over
