"""What is deleted is gone from the node too, in time."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest

from absence import without_operator
from kubectl import kubeconfig
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

    assert node.processes(sleep) == [], "a task is gone when its process is gone"
    eventually(lambda: kubectl.list("pods") == [], 10, "the Pod, which kubelet was taking away, is gone")


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


@pytest.mark.parametrize("cascade", ["background", "foreground"])
def test_a_task_that_is_being_deleted_says_so(kubectl: Kubectl, node: Node, folder: str, cascade: str) -> None:
    sleep = long_sleep()
    script = f"trap '' TERM; sleep {sleep} & until [ -e {folder}/go ]; do sleep 0.1; done"
    kubectl.apply(shell("stubborn", script, nodeName=node.name, terminationGracePeriodSeconds=600))
    kubectl.in_phase("reapertask", "stubborn", "Running")

    kubectl.run("delete", "reapertask", "stubborn", f"--cascade={cascade}", "--wait=false")

    def stopping() -> bool:
        found = kubectl.find("reapertask", "stubborn") or {}
        return bool(found.get("status", {}).get("reason") == "Stopping")

    eventually(stopping, 60, "the task says that it goes")
    node.sh(f"touch {folder}/go")
    kubectl.run("wait", "--for=delete", "reapertask/stubborn", "--timeout=60s")
    assert node.processes(sleep) == []


def test_whoever_orphans_keeps_the_process(kubectl: Kubectl, node: Node) -> None:
    sleep = long_sleep()
    kubectl.apply(task("parent", "/bin/sleep", sleep, nodeName=node.name, terminationGracePeriodSeconds=1))
    kubectl.in_phase("reapertask", "parent", "Running")

    kubectl.run("delete", "reapertask", "parent", "--cascade=orphan", f"--timeout={SLACK * 2}s")

    assert len(node.processes(sleep)) == 1
    pod = kubectl.get("pod", "parent")
    assert "ownerReferences" not in pod["metadata"]
    assert pod["status"]["phase"] == "Running"
    kubectl.run("delete", "pod", "parent")


def test_finalizers_of_others_stay(kubectl: Kubectl, node: Node) -> None:
    sleep = long_sleep()
    manifest = task("kept", "/bin/sleep", sleep, nodeName=node.name, terminationGracePeriodSeconds=1)
    manifest["metadata"]["finalizers"] = ["example.com/mine"]
    kubectl.apply(manifest)
    kubectl.in_phase("reapertask", "kept", "Running")

    kubectl.run("delete", "reapertask", "kept", "--wait=false")

    def ours_is_gone() -> bool:
        return bool(kubectl.get("reapertask", "kept")["metadata"]["finalizers"] == ["example.com/mine"])

    eventually(ours_is_gone, GRACE + SLACK, "our finalizer is gone")
    assert node.processes(sleep) == []
    status = kubectl.get("reapertask", "kept")["status"]
    assert (status["phase"], status["reason"]) == ("Failed", "TaskDeleted")
    kubectl.run("patch", "reapertask", "kept", "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    assert kubectl.find("reapertask", "kept") is None


def test_a_task_is_replaced(kubectl: Kubectl, node: Node) -> None:
    """As `kubectl replace --force` does it: the same name, at once."""
    old, new = long_sleep(), long_sleep()
    kubectl.apply(task("changing", "/bin/sleep", old, nodeName=node.name, terminationGracePeriodSeconds=1))
    kubectl.in_phase("reapertask", "changing", "Running")

    replacement = json.dumps(task("changing", "/bin/sleep", new, nodeName=node.name))
    kubectl.run("replace", "--force", "-f", "-", stdin=replacement)

    kubectl.in_phase("reapertask", "changing", "Running")
    assert (len(node.processes(old)), len(node.processes(new))) == (0, 1)


def test_a_finished_task_is_held_by_nobody(kubectl: Kubectl) -> None:
    kubectl.apply(shell("over", "exit 0"))
    kubectl.finished("over")

    eventually(
        lambda: not kubectl.get("reapertask", "over")["metadata"].get("finalizers"), SLACK, "the finalizer is gone"
    )


def test_sigterm_lets_a_process_clean_up(kubectl: Kubectl, node: Node) -> None:
    file = f"/run/{kubectl.namespace}"  # shared with the node, where /tmp is the overlay's
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
    assert "it is not run again, as backoffLimit is 0: create a new task for that" in status["message"]
    assert node.processes(sleep) == []
    assert kubectl.list("pods") == []


@pytest.mark.timeout(180)
def test_a_namespace_that_no_operator_lets_go_is_let_go_by_the_documented_way(
    system: Kubectl, elsewhere: Kubectl, node: Node
) -> None:
    sleep = long_sleep()
    elsewhere.apply(task("sleeper", "/bin/sleep", sleep, nodeName=node.name, terminationGracePeriodSeconds=1))
    elsewhere.in_phase("reapertask", "sleeper", "Running")
    with without_operator(system):
        system.run("delete", "namespace", elsewhere.namespace, "--wait=false")
        eventually(lambda: node.processes(sleep) == [], 30, "the process has ended")
        assert elsewhere.get("reapertask", "sleeper")["metadata"]["finalizers"] == ["reaper.io/process"]

        command = [sys.executable, "-m", "reaper_operator", "release", "--kubeconfig", kubeconfig()]
        subprocess.run(command, check=True, capture_output=True, timeout=60)

        eventually(lambda: system.find("namespace", elsewhere.namespace) is None, 60, "the namespace is gone")
        system.run("create", "namespace", elsewhere.namespace)  # the fixture deletes it


def test_a_namespace_takes_its_processes_along(kubectl: Kubectl, node: Node) -> None:
    sleep = long_sleep()
    kubectl.apply(task("sleeper", "/bin/sleep", sleep, nodeName=node.name, terminationGracePeriodSeconds=1))
    kubectl.in_phase("reapertask", "sleeper", "Running")

    kubectl.run("delete", "namespace", kubectl.namespace, "--timeout=60s")

    assert node.processes(sleep) == []
    kubectl.run("create", "namespace", kubectl.namespace)  # the fixture deletes it
