"""suspend stops a task and starts it again; the deadline and the time to live are kept, whoever restarts."""

from __future__ import annotations

import json
import time
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
    kubectl.apply(
        shell(
            "slow", "echo working; sleep 600", activeDeadlineSeconds=5, terminationGracePeriodSeconds=1, backoffLimit=3
        )
    )

    status = kubectl.finished("slow", within=5 + SLACK)["status"]

    assert (status["phase"], status["reason"], status["attempts"]) == ("Failed", "DeadlineExceeded", 1)
    assert status["message"].startswith("the task was not over after 5 s (activeDeadlineSeconds)")
    assert kubectl.logs("slow") == "working\n"


def test_a_deadline_is_moved_while_the_process_runs(kubectl: Kubectl) -> None:
    begin = time.monotonic()
    kubectl.apply(task("slow", "/bin/sleep", "600", activeDeadlineSeconds=8, terminationGracePeriodSeconds=1))
    kubectl.in_phase("reapertask", "slow", "Running", within=7)
    edit(kubectl, "slow", activeDeadlineSeconds=15)

    status = kubectl.finished("slow", within=15 + SLACK)["status"]

    assert status["reason"] == "DeadlineExceeded"
    assert time.monotonic() - begin >= 14


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
    kubectl.apply(
        shell("brief", "exit 0"),
        shell("slow", "sleep 600", terminationGracePeriodSeconds=1),
        shell("flaky", "exit 1", backoffLimit=1),
    )
    kubectl.finished("brief")
    kubectl.in_phase("reapertask", "slow", "Running")
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
