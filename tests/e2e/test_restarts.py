"""Parts of Reaper and of the node end and come back while tasks run. No task runs twice, no status is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from kubectl import RELEASE
from manifests import long_sleep, shell, task
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kubectl import Kubectl, Node

import pytest

_CONTAINERD_START = "systemctl show --property=ExecMainStartTimestampMonotonic --value containerd"
OPERATOR = ("-l", "app.kubernetes.io/component=operator")


@pytest.fixture
def folder(kubectl: Kubectl, node: Node) -> Iterator[str]:
    """A folder of the node where processes leave a word each time they start."""
    folder = f"/tmp/{kubectl.namespace}"
    node.sh(f"mkdir {folder}")
    yield folder
    node.sh(f"rm -rf {folder}")


def test_the_operator_is_killed_while_tasks_run(system: Kubectl, kubectl: Kubectl, node: Node, folder: str) -> None:
    names = [f"task-{number}" for number in range(6)]
    script = f"echo ran >>{folder}/$NAME; while ! [ -e {folder}/go ]; do sleep 0.1; done; exit 5"

    def named(name: str) -> dict[str, object]:
        return shell(name, script, nodeName=node.name, env=[{"name": "NAME", "value": name}])

    kubectl.apply(*map(named, names[:4]))
    system.run("delete", "pod", *OPERATOR, "--force", "--grace-period=0")
    kubectl.apply(*map(named, names[4:]))  # while it is away, or just back
    for name in names:
        kubectl.in_phase("reapertask", name, "Running")
    system.run("delete", "pod", *OPERATOR, "--force", "--grace-period=0")
    node.sh(f"touch {folder}/go")  # they end while it is away

    statuses = [kubectl.finished(name)["status"] for name in names]

    assert [(status["phase"], status["exitCode"]) for status in statuses] == [("Failed", 5)] * 6
    assert node.sh(f"cat {folder}/task-*").split() == ["ran"] * 6
    assert len(kubectl.list("pods")) == 6
    system.run("rollout", "status", "deployment", f"{RELEASE}-operator", "--timeout=60s")


def test_the_shim_is_killed(kubectl: Kubectl, node: Node) -> None:
    """Its process must not outlive it unseen, and the task must not look fine."""
    sleep = long_sleep()
    kubectl.apply(task("orphan", "/bin/sleep", sleep, nodeName=node.name))
    kubectl.in_phase("reapertask", "orphan", "Running")
    (pid,) = node.processes(sleep)
    shim = node.parent(pid)
    assert "containerd-shim-reaper-v2" in node.sh(f"tr '\\0' ' ' </proc/{shim}/cmdline")

    node.sh(f"kill -9 {shim}")

    eventually(lambda: not node.processes(sleep), 15, "the process is gone from the node")
    status = kubectl.finished("orphan")["status"]
    assert status["phase"] == "Failed"
    assert status.get("exitCode") != 0
    assert status["message"]


def restart_containerd(kubectl: Kubectl, node: Node, folder: str, script: str) -> dict[str, Any]:
    """The status of a task that ended around a restart of containerd, done by `script`."""
    task = f"echo before; while ! [ -e {folder}/go ]; do sleep 0.1; done; echo after; exit 9"
    kubectl.apply(shell("survivor", task, nodeName=node.name))
    kubectl.in_phase("reapertask", "survivor", "Running")
    before = node.sh(_CONTAINERD_START).strip()
    # In the background: the connection that this comes by ends with containerd.
    node.sh(f"setsid sh -c '{script}' >/dev/null 2>&1 &")
    status: dict[str, Any] = kubectl.finished("survivor")["status"]
    after = eventually(lambda: node.sh(_CONTAINERD_START, check=False).strip(), 30, "the node answers again")
    assert after != before
    return status


def test_containerd_is_restarted(kubectl: Kubectl, node: Node, folder: str) -> None:
    """The process does not notice, and its output and exit code are those that it had."""
    status = restart_containerd(kubectl, node, folder, f"systemctl restart containerd; sleep 2; touch {folder}/go")

    assert (status["phase"], status["exitCode"]) == ("Failed", 9)
    assert kubectl.logs("survivor").splitlines() == ["before", "after"]


def test_a_process_ends_while_containerd_is_away(kubectl: Kubectl, node: Node, folder: str) -> None:
    """Its exit code is kept for containerd; its last words are not read by containerd, whatever the runtime."""
    script = f"systemctl stop containerd; touch {folder}/go; sleep 1; systemctl start containerd"
    status = restart_containerd(kubectl, node, folder, script)

    assert (status["phase"], status["exitCode"]) == ("Failed", 9)
    assert kubectl.logs("survivor").splitlines()[0] == "before"


def test_the_installer_is_replaced(system: Kubectl, kubectl: Kubectl, node: Node) -> None:
    """It finds everything in place: nothing is restarted, nothing that runs is disturbed."""
    sleep = long_sleep()
    kubectl.apply(task("sleeper", "/bin/sleep", sleep, nodeName=node.name))
    kubectl.in_phase("reapertask", "sleeper", "Running")
    before, processes = node.sh(_CONTAINERD_START), node.processes(sleep)

    system.run("delete", "pod", "-l", "app.kubernetes.io/component=node")
    system.run("rollout", "status", "daemonset", f"{RELEASE}-node", "--timeout=60s")

    assert node.sh(_CONTAINERD_START) == before
    assert node.processes(sleep) == processes
    assert kubectl.get("reapertask", "sleeper")["status"]["phase"] == "Running"
