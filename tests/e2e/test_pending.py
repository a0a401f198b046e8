"""A task that does not start says why, and starts when the reason is gone. A lost node is no success and no failure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from manifests import long_sleep, shell, task
from waiting import eventually

if TYPE_CHECKING:
    from kubectl import Kubectl, Node
    from plugin import Reaper

SLACK = 30


def says(kubectl: Kubectl, name: str, *words: str, within: float = SLACK) -> dict[str, Any]:
    """The status once its message has all these words in it."""

    def look() -> dict[str, Any] | None:
        status: dict[str, Any] = kubectl.get("reapertask", name).get("status", {})
        return status if all(word in status.get("message", "") for word in words) else None

    return eventually(look, within, f"reapertask {name} says {words}")


def test_no_node_fits(kubectl: Kubectl) -> None:
    kubectl.apply(task("picky", "/bin/true", nodeSelector={"example.com/no": "such"}))

    status = says(kubectl, "picky", "nodes are available", "reaper.io/runtime=ready")

    assert (status["phase"], status["reason"]) == ("Pending", "Unschedulable")


def test_a_secret_that_comes_late(kubectl: Kubectl) -> None:
    volume = {"name": "key", "mountPath": "/etc/key", "secret": {"secretName": "late"}}
    kubectl.apply(shell("waits", "cat /etc/key/token", volumes=[volume]))

    status = says(kubectl, "waits", 'secret "late" not found', within=60)
    assert (status["phase"], status["reason"]) == ("Pending", "FailedMount")

    kubectl.run("create", "secret", "generic", "late", "--from-literal=token=hunter2")
    assert kubectl.finished("waits", within=150)["status"]["phase"] == "Succeeded"
    assert kubectl.logs("waits") == "hunter2"


def test_a_variable_from_a_secret_that_is_not_there(kubectl: Kubectl) -> None:
    variable = {"name": "TOKEN", "valueFrom": {"secretKeyRef": {"name": "late", "key": "token"}}}
    kubectl.apply(shell("waits", "echo $TOKEN", env=[variable]))

    status = says(kubectl, "waits", 'secret "late" not found')
    assert (status["phase"], status["reason"]) == ("Pending", "CreateContainerConfigError")

    kubectl.run("create", "secret", "generic", "late", "--from-literal=token=hunter2")
    assert kubectl.finished("waits", within=60)["status"]["phase"] == "Succeeded"
    assert kubectl.logs("waits") == "hunter2\n"


@pytest.mark.timeout(400)
def test_a_node_that_has_lost_the_image(kubectl: Kubectl, node: Node) -> None:
    """The node installer imports it again, so it has to be lost again at once until the task has said so: kubelet takes
    what is there for a moment."""
    lose, lost = "ctr --namespace k8s.io images rm --sync docker.io/library/placeholder:latest", "/run/e2e-lose-image"
    node.sh(f"{lose}; touch {lost}; setsid sh -c 'while [ -e {lost} ]; do sleep 0.1; {lose}; done' >/dev/null 2>&1 &")
    kubectl.apply(task("waits", "/bin/true", nodeName=node.name))
    try:
        status = says(kubectl, "waits", f"{node.name} does not have the image placeholder", "node installer", within=80)
    finally:
        node.sh(f"rm -f {lost}")
    assert (status["phase"], status["reason"]) == ("Pending", "PlaceholderMissing")

    assert kubectl.finished("waits", within=300)["status"]["phase"] == "Succeeded"


@pytest.mark.timeout(180)
def test_a_node_that_says_it_has_the_runtime_and_has_not(kubectl: Kubectl, system: Kubectl) -> None:
    (plane,) = [n["metadata"]["name"] for n in system.list("nodes", "-l", "node-role.kubernetes.io/control-plane")]
    system.run("label", "node", plane, "reaper.io/runtime=ready")
    try:
        kubectl.apply(task("lost", "/bin/true", nodeName=plane, tolerations=[{"operator": "Exists"}]))
        status = says(kubectl, "lost", plane, "runtime", within=60)
        assert (status["phase"], status["reason"]) == ("Pending", "RuntimeMissing")
    finally:
        system.run("label", "node", plane, "reaper.io/runtime-")
    kubectl.run("delete", "reapertask", "lost", "--timeout=60s")


@pytest.mark.timeout(300)
def test_a_node_that_stops_reporting_and_comes_back(kubectl: Kubectl, node: Node, reaper: Reaper) -> None:
    sleep = long_sleep()
    kubectl.apply(task("away", "/bin/sleep", sleep, nodeName=node.name, backoffLimit=2))
    kubectl.in_phase("reapertask", "away", "Running")
    # In the background: kubelet carries the connection that this comes by, and may end before the exit code is through.
    node.sh("setsid sh -c 'systemctl stop kubelet; sleep 90; systemctl start kubelet' >/dev/null 2>&1 &", check=False)

    status = kubectl.in_phase("reapertask", "away", "Unknown", within=85)["status"]
    assert status["reason"] == "NodeUnreachable"
    assert "whether the process still runs is not known" in status["message"]
    assert status["attempts"] == 1
    for described in (kubectl.run("describe", "rt", "away").out, reaper.types("describe", "away").out):
        told = " ".join(described.split())
        assert f"{node.name} has stopped reporting: whether the process still runs is not known" in told
        assert f"kubectl describe node {node.name}" in told
    kubectl.apply(task("late", "/bin/true", nodeName=node.name))
    says(kubectl, "late", "a taint keeps new Pods away", f"kubectl describe node {node.name}")
    assert f"node {node.name} is not ready" in reaper.types("describe", "late").out

    status = kubectl.in_phase("reapertask", "away", "Running", within=90)["status"]
    assert (status["attempts"], status.get("interruptions")) == (1, None)
    eventually(lambda: "up" in node.sh("echo up", check=False), SLACK, "the node answers again")
    assert len(node.processes(sleep)) == 1
    assert kubectl.finished("late", within=90)["status"]["phase"] == "Succeeded"
