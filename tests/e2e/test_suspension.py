"""suspend stops a task and starts it again; the deadline and the time to live are kept, whoever restarts."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest

from kubectl import RELEASE
from manifests import long_sleep, shell, task
from waiting import eventually

if TYPE_CHECKING:
    from kubectl import Kubectl, Node

SLACK = 20
OPERATOR = ("-l", "app.kubernetes.io/component=operator")


def edit(kubectl: Kubectl, name: str, **spec: Any) -> None:
    kubectl.run("patch", "reapertask", name, "--type=merge", "-p", json.dumps({"spec": spec}))


def test_a_suspended_task_waits_for_its_start(kubectl: Kubectl) -> None:
    kubectl.apply(shell("later", "echo started", suspend=True, activeDeadlineSeconds=60))

    kubectl.run("wait", "--for=condition=Suspended", "reapertask/later", "--timeout=30s")
    status = kubectl.get("reapertask", "later")["status"]
    assert (status["phase"], status.get("attempts"), kubectl.list("pods")) == ("Suspended", None, [])

    edit(kubectl, "later", suspend=False)

    status = kubectl.finished("later")["status"]
    assert (status["phase"], status["attempts"]) == ("Succeeded", 1)


def test_suspend_and_resume(kubectl: Kubectl, node: Node) -> None:
    sleep = long_sleep()
    kubectl.apply(task("pausing", "/bin/sleep", sleep, nodeName=node.name, terminationGracePeriodSeconds=2))
    kubectl.in_phase("reapertask", "pausing", "Running")

    edit(kubectl, "pausing", suspend=True)

    status = kubectl.in_phase("reapertask", "pausing", "Suspended", within=SLACK)["status"]
    assert node.processes(sleep) == []
    assert (status.get("failures"), status.get("lastFailure"), status["reason"]) == (None, None, "Suspended")

    edit(kubectl, "pausing", suspend=False)

    status = kubectl.in_phase("reapertask", "pausing", "Running", within=SLACK)["status"]
    assert (status["attempts"], status["podName"]) == (2, "pausing-2")
    assert len(node.processes(sleep)) == 1
    conditions = {c["type"]: c["status"] for c in status["conditions"]}
    assert conditions == {"Finished": "False", "Suspended": "False"}


def test_a_deadline_keeps_the_logs(kubectl: Kubectl) -> None:
    kubectl.apply(shell("slow", "echo working; sleep 600", terminationGracePeriodSeconds=1, backoffLimit=3))
    kubectl.in_phase("reapertask", "slow", "Running")
    eventually(lambda: kubectl.logs("slow") == "working\n", SLACK, "the process works")
    edit(kubectl, "slow", activeDeadlineSeconds=5)  # which counts from when the operator took the task up

    status = kubectl.finished("slow")["status"]

    assert (status["phase"], status["reason"], status["attempts"]) == ("Failed", "DeadlineExceeded", 1)
    assert status["message"].startswith("the task was not over after 5 s (activeDeadlineSeconds)")
    assert kubectl.logs("slow") == "working\n"


def test_a_deadline_is_moved_while_the_process_runs(kubectl: Kubectl) -> None:
    kubectl.apply(task("slow", "/bin/sleep", "600", terminationGracePeriodSeconds=1))
    status = kubectl.in_phase("reapertask", "slow", "Running")["status"]
    since = datetime.fromisoformat(status["activeSince"])
    elapsed = int((datetime.now(UTC) - since).total_seconds())
    first, later = elapsed + 10, elapsed + 15
    edit(kubectl, "slow", activeDeadlineSeconds=first)
    edit(kubectl, "slow", activeDeadlineSeconds=later)

    status = kubectl.finished("slow")["status"]

    assert status["reason"] == "DeadlineExceeded"
    ended = datetime.fromisoformat(status["completionTime"])
    assert (ended - since).total_seconds() >= later - 1  # both are whole seconds


def test_a_deadline_ends_the_wait_for_a_node(kubectl: Kubectl) -> None:
    kubectl.apply(task("nowhere", "/bin/true", nodeName="no-such-node", activeDeadlineSeconds=4))

    status = kubectl.finished("nowhere", within=4 + SLACK)["status"]

    assert (status["phase"], status["reason"], status.get("exitCode")) == ("Failed", "DeadlineExceeded", None)
    assert kubectl.list("pods") == []


def test_a_finished_task_goes_with_its_pod(kubectl: Kubectl) -> None:
    kubectl.apply(shell("brief", "exit 0", ttlSecondsAfterFinished=3), shell("stays", "exit 0"))
    kubectl.finished("stays")

    eventually(lambda: kubectl.find("reapertask", "brief") is None, 3 + SLACK, "the task is gone")
    eventually(lambda: kubectl.find("pod", "brief") is None, SLACK, "its Pod is gone")
    assert kubectl.find("reapertask", "stays") is not None


@pytest.mark.timeout(180)
def test_what_is_due_survives_the_operator(system: Kubectl, kubectl: Kubectl) -> None:
    kubectl.apply(shell("brief", "exit 0"), shell("slow", "sleep 600", terminationGracePeriodSeconds=1))
    kubectl.finished("brief")
    kubectl.in_phase("reapertask", "slow", "Running")
    kubectl.apply(shell("flaky", "exit 1", backoffLimit=1))  # the last: it has a next attempt for ten seconds only
    eventually(
        lambda: kubectl.get("reapertask", "flaky").get("status", {}).get("nextAttemptTime"), SLACK, "flaky has failed"
    )
    edit(kubectl, "brief", ttlSecondsAfterFinished=1)
    edit(kubectl, "slow", activeDeadlineSeconds=1)

    system.run("delete", "pod", *OPERATOR, "--force", "--grace-period=0")

    eventually(lambda: kubectl.find("reapertask", "brief") is None, 60, "the finished task is gone")
    assert kubectl.finished("slow")["status"]["reason"] == "DeadlineExceeded"
    assert kubectl.finished("flaky")["status"]["attempts"] == 2
    system.run("rollout", "status", "deployment", f"{RELEASE}-operator", "--timeout=60s")
