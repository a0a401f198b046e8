"""What is deleted is gone from the node too, in time."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from manifests import long_sleep, shell, task
from waiting import eventually

if TYPE_CHECKING:
    from kubectl import Kubectl, Node

GRACE = 4
SLACK = 6  # for the way from the API server to the node and back


def test_a_deleted_task_ends_its_process(kubectl: Kubectl, node: Node) -> None:
    sleep = long_sleep()
    kubectl.apply(task("sleeper", "/bin/sleep", sleep, nodeName=node.name))
    kubectl.in_phase("reapertask", "sleeper", "Running")
    assert len(node.processes(sleep)) == 1

    kubectl.run("delete", "reapertask", "sleeper")

    eventually(lambda: not node.processes(sleep), SLACK, "the process is gone from the node")
    eventually(lambda: kubectl.list("pods") == [], GRACE + SLACK, "the Pod is gone")


def test_a_process_that_ignores_sigterm_gets_its_grace_and_no_more(kubectl: Kubectl, node: Node) -> None:
    """Children in sessions of their own included."""
    sleep = long_sleep()
    script = f"trap '' TERM; setsid sleep {sleep} & setsid sleep {sleep} & while :; do sleep {sleep}; done"
    kubectl.apply(shell("stubborn", script, nodeName=node.name, terminationGracePeriodSeconds=GRACE))
    kubectl.in_phase("reapertask", "stubborn", "Running")
    eventually(lambda: len(node.processes(sleep)) == 4, SLACK, "the shell and its three children run")

    begin = time.monotonic()
    kubectl.run("delete", "reapertask", "stubborn")

    eventually(lambda: not node.processes(sleep), GRACE + SLACK, "all processes are gone from the node")
    assert time.monotonic() - begin >= GRACE - 1


def test_sigterm_lets_a_process_clean_up(kubectl: Kubectl, node: Node) -> None:
    file = f"/tmp/{kubectl.namespace}"
    script = f"trap 'echo cleaned >{file}; exit 0' TERM; echo ready; while :; do sleep 0.1; done"
    kubectl.apply(shell("polite", script, nodeName=node.name))
    kubectl.in_phase("reapertask", "polite", "Running")
    eventually(lambda: kubectl.logs("polite") == "ready\n", SLACK, "the process is ready")

    kubectl.run("delete", "reapertask", "polite")

    cleaned = eventually(lambda: node.sh(f"cat {file} 2>/dev/null", check=False), SLACK, "the process cleaned up")
    node.sh(f"rm {file}")
    assert cleaned == "cleaned\n"


def test_a_pod_deleted_by_hand_ends_its_task(kubectl: Kubectl, node: Node) -> None:
    sleep = long_sleep()
    kubectl.apply(task("sleeper", "/bin/sleep", sleep, nodeName=node.name, terminationGracePeriodSeconds=1))
    kubectl.in_phase("reapertask", "sleeper", "Running")

    kubectl.run("delete", "pod", "sleeper")

    status = kubectl.finished("sleeper")["status"]
    assert status["phase"] == "Failed"
    assert "deleted" in status["message"]
    assert node.processes(sleep) == []
    assert kubectl.list("pods") == []


def test_a_namespace_takes_its_processes_along(kubectl: Kubectl, node: Node) -> None:
    sleep = long_sleep()
    kubectl.apply(task("sleeper", "/bin/sleep", sleep, nodeName=node.name, terminationGracePeriodSeconds=1))
    kubectl.in_phase("reapertask", "sleeper", "Running")

    kubectl.run("delete", "namespace", kubectl.namespace, "--timeout=60s")

    assert node.processes(sleep) == []
    kubectl.run("create", "namespace", kubectl.namespace)  # the fixture deletes it
