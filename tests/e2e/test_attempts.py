"""A failed task is tried again, as often as it may be and no more; what interrupts it is no failure of its own."""

from __future__ import annotations

import json
import uuid
from typing import TYPE_CHECKING, Any

import pytest

from manifests import container, long_sleep, pod, shell, task
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kubectl import Kubectl, Node

Status = dict[str, Any]
BACK_OFF = 10  # seconds before the second attempt
SLACK = 30


def with_reason(kubectl: Kubectl, name: str, reason: str) -> Status:
    def look() -> Status | None:
        status: Status = kubectl.get("reapertask", name).get("status", {})
        return status if status.get("reason") == reason else None

    return eventually(look, SLACK, f"reapertask {name} says {reason}")


def test_a_failed_attempt_is_followed_by_one_that_succeeds(kubectl: Kubectl, node: Node, folder: str) -> None:
    script = f"""
        echo ran >>{folder}/runs
        if mkdir {folder}/seen 2>/dev/null; then echo no such host >&2; exit 7; fi
        while ! [ -e {folder}/go ]; do sleep 0.1; done; echo good
    """
    kubectl.apply(shell("flaky", script, nodeName=node.name, backoffLimit=3))

    between = with_reason(kubectl, "flaky", "BackOff")
    assert (between["phase"], between["attempts"], between["failures"]) == ("Pending", 1, 1)
    assert "attempt 1 failed, and attempt 2 begins at" in between["message"]
    assert "exitCode" not in between
    last = between["lastFailure"]
    assert (last["exitCode"], last["podName"], last["nodeName"]) == (7, "flaky", node.name)
    assert "no such host" in last["message"]

    kubectl.in_phase("reapertask", "flaky", "Running", within=BACK_OFF + SLACK)
    node.sh(f"touch {folder}/go")
    status = kubectl.finished("flaky")["status"]
    assert (status["phase"], status["exitCode"], status["attempts"]) == ("Succeeded", 0, 2)
    assert (status["podName"], status["lastFailure"]["exitCode"]) == ("flaky-2", 7)
    assert "nextAttemptTime" not in status
    assert kubectl.logs("flaky-2") == "good\n"
    assert "no such host" in kubectl.logs("flaky")
    assert node.sh(f"cat {folder}/runs").split() == ["ran", "ran"]

    def told() -> bool:
        events = kubectl.list("events", "--field-selector", "involvedObject.name=flaky")
        return {event["reason"] for event in events} >= {"BackOff", "Running", "Succeeded"}

    eventually(told, SLACK, "there are Events of all that happened")  # each is written after the status


def test_the_last_failure_is_the_end(kubectl: Kubectl, node: Node, folder: str) -> None:
    kubectl.apply(shell("bad", f"echo ran >>{folder}/runs; kill -KILL $$$$", nodeName=node.name, backoffLimit=1))

    status = kubectl.finished("bad", within=BACK_OFF + SLACK)["status"]

    assert (status["phase"], status["reason"]) == ("Failed", "BackoffLimitExceeded")
    assert (status["exitCode"], status["signal"], status["failures"]) == (137, "SIGKILL", 2)
    assert status["message"].endswith("that was failure 2, and backoffLimit allows 1")
    assert node.sh(f"cat {folder}/runs").split() == ["ran", "ran"]
    header, row = (line.split() for line in kubectl.run("get", "rt", "-o", "wide").out.splitlines())
    assert header == ["NAME", "PHASE", "EXIT", "NODE", "POD", "ATTEMPTS", "PID", "REASON", "AGE"]
    assert row[:6] == ["bad", "Failed", "137", node.name, "bad-2", "2"]


def evict(kubectl: Kubectl, pod: str) -> None:
    """As `kubectl drain` does it."""
    eviction = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": pod, "namespace": kubectl.namespace},
    }
    path = f"/api/v1/namespaces/{kubectl.namespace}/pods/{pod}/eviction"
    kubectl.run("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))


def test_an_eviction_is_no_failure(kubectl: Kubectl, node: Node) -> None:
    sleep = long_sleep()
    spec = {"nodeName": node.name, "terminationGracePeriodSeconds": 1, "backoffLimit": 1}
    kubectl.apply(task("mover", "/bin/sleep", sleep, **spec))
    kubectl.in_phase("reapertask", "mover", "Running")

    evict(kubectl, "mover")

    status = with_reason(kubectl, "mover", "BackOff")
    assert (status["interruptions"], status.get("failures")) == (1, None)
    assert status["lastFailure"]["reason"] == "Evicted"
    assert node.processes(sleep) == [], "no two attempts at once"
    running = kubectl.in_phase("reapertask", "mover", "Running", within=BACK_OFF + SLACK)
    assert (running["status"]["podName"], running["status"]["attempts"]) == ("mover-2", 2)
    assert len(node.processes(sleep)) == 1


@pytest.fixture
def urgent(system: Kubectl) -> Iterator[str]:
    """A priority above that of tasks."""
    name = f"e2e-{uuid.uuid4().hex[:8]}"
    system.apply(
        {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}, "value": 1}
    )
    yield name
    system.run("delete", "priorityclass", name)


def test_a_preemption_is_no_failure(kubectl: Kubectl, urgent: str) -> None:
    """By a Pod that goes before it and will not be beside it."""
    sleep = {"labels": {"e2e": kubectl.namespace}}
    mover = task("mover", "/bin/sleep", long_sleep(), terminationGracePeriodSeconds=1, backoffLimit=1)
    mover["metadata"] |= sleep
    kubectl.apply(mover)
    place = kubectl.in_phase("reapertask", "mover", "Running")["status"]["nodeName"]
    apart = {"labelSelector": {"matchLabels": sleep["labels"]}, "topologyKey": "kubernetes.io/hostname"}
    kubectl.apply(
        pod(
            "first",
            container("c", "/bin/sleep", long_sleep()),
            priorityClassName=urgent,
            nodeSelector={"kubernetes.io/hostname": place},
            affinity={"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [apart]}},
            terminationGracePeriodSeconds=0,
        )
    )

    status = eventually(lambda: _interrupted(kubectl, "mover"), SLACK, "the task is preempted")
    assert (status["interruptions"], status.get("failures")) == (1, None)
    assert status["lastFailure"]["reason"] == "Preempted"
    kubectl.in_phase("pod", "first", "Running")

    kubectl.run("delete", "pod", "first")
    running = kubectl.in_phase("reapertask", "mover", "Running", within=BACK_OFF + SLACK)
    assert (running["status"]["podName"], running["status"]["attempts"]) == ("mover-2", 2)


def _interrupted(kubectl: Kubectl, name: str) -> dict[str, Any] | None:
    status: dict[str, Any] = kubectl.get("reapertask", name)["status"]
    return status if status.get("interruptions") else None


def test_the_node_starts_a_process_again_on_failure(kubectl: Kubectl, node: Node, folder: str) -> None:
    script = f"test -e {folder}/again && exit 0; touch {folder}/again; exit 7"
    kubectl.apply(shell("twice", script, nodeName=node.name, restartPolicy="OnFailure"))

    status = kubectl.finished("twice")["status"]

    assert (status["phase"], status["exitCode"]) == ("Succeeded", 0)
    assert (status["attempts"], status["restarts"]) == (1, 1)
    (seen,) = kubectl.get("pod", "twice")["status"]["containerStatuses"]
    assert seen["restartCount"] == 1


def test_a_missing_program_is_a_failure(kubectl: Kubectl) -> None:
    kubectl.apply(task("missing", "/no/such/program", backoffLimit=1))

    status = kubectl.finished("missing", within=BACK_OFF + SLACK)["status"]

    assert (status["reason"], status["failures"], status["attempts"]) == ("BackoffLimitExceeded", 2, 2)
    assert "/no/such/program" in status["message"]
    assert "exitCode" not in status


@pytest.mark.timeout(200)
def test_the_name_of_the_next_pod_is_taken(kubectl: Kubectl) -> None:
    """Task `a-2` has the Pod that the second attempt of task `a` would have."""
    kubectl.apply(task("a-2", "/bin/sleep", long_sleep()))
    kubectl.in_phase("reapertask", "a-2", "Running")
    kubectl.apply(shell("a", "exit 1", backoffLimit=1))

    status = with_reason(kubectl, "a", "PodNameTaken")

    assert "Pod a-2 does not belong to this task" in status["message"]
    kubectl.run("delete", "reapertask", "a-2")
    assert kubectl.finished("a", within=90)["status"]["reason"] == "BackoffLimitExceeded"


def test_the_end_of_the_output_of_a_task_that_failed(kubectl: Kubectl) -> None:
    script = "for n in $(seq 200); do echo line $n; done; sleep 0.5; echo cannot open /dev/gpu0 >&2; exit 3"
    kubectl.apply(shell("talks", script))

    message = kubectl.finished("talks")["status"]["message"]

    assert message.startswith("the process ended with exit code 3. The end of its output:\n")
    assert message.splitlines()[-1] == "cannot open /dev/gpu0"
    assert "line 1\n" not in message
    assert "line 200\n" in message
