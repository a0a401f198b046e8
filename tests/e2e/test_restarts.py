"""Parts of Reaper and of the node end and come back while tasks run. No task runs twice, no status is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kubectl import RELEASE
from manifests import container, long_sleep, pod, shell, task
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kubectl import Kubectl, Node

pytestmark = pytest.mark.timeout(180)

_CONTAINERD_START = "systemctl show --property=ExecMainStartTimestampMonotonic --value containerd"
OPERATOR = ("-l", "app.kubernetes.io/component=operator")


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
    # In the background: the connection that this comes by ends with containerd, maybe before the exit code is through.
    node.sh(f"setsid sh -c '{script}' >/dev/null 2>&1 &", check=False)
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


def test_everything_below_a_pod_is_restarted(kubectl: Kubectl, node: Node, folder: str) -> None:
    """kubelet and containerd; kill -9 of fork server and containerd. No line is lost, each end is heard of once."""
    sleep = long_sleep()
    counts = f"i=0; until [ -e {folder}/go ]; do i=$((i+1)); echo $i; sleep 0.02; done; exit 9"
    again = f"""
        echo ran >> {folder}/again
        [ "$(wc -l < {folder}/again)" = 1 ] || exit 0
        until [ -e {folder}/away ]; do sleep 0.05; done; exit 7
    """
    where = {"nodeName": node.name, "terminationGracePeriodSeconds": 1}
    kubectl.apply(
        pod("counter", container("main", "/bin/sh", "-c", counts), **where),
        pod("again", container("main", "/bin/sh", "-c", again), **{**where, "restartPolicy": "OnFailure"}),
        pod("sleeper", container("main", "/bin/sleep", sleep), **where),
    )
    for name in ("counter", "again", "sleeper"):
        kubectl.in_phase("pod", name, "Running")
    zygote = r'/opt/reaper/current/bin/reaper-runtime doctor | sed -n "s/.*of this build runs as process //p"'
    script = f"""
        systemctl restart kubelet; sleep 1
        kill -9 $({zygote})
        kill -9 $(systemctl show --property=MainPID --value containerd); sleep 3
        systemctl stop containerd; touch {folder}/away; sleep 1; systemctl start containerd; sleep 2
        systemctl restart containerd; sleep 2; touch {folder}/go
    """
    node.sh(f"cat > {folder}/script", stdin=script)
    # In the background: the connection that this comes by ends with kubelet, maybe before the exit code is through.
    node.sh(f"setsid sh {folder}/script >/dev/null 2>&1 &", check=False)

    (ended,) = kubectl.ended("counter", within=90)["status"]["containerStatuses"]
    assert ended["state"]["terminated"]["exitCode"] == 9
    assert ended["restartCount"] == 0
    lines = kubectl.logs("counter").split()
    assert lines == [str(number) for number in range(1, len(lines) + 1)]
    assert len(lines) > 100

    (ended,) = kubectl.ended("again", within=60)["status"]["containerStatuses"]
    assert (ended["restartCount"], ended["lastState"]["terminated"]["exitCode"]) == (1, 7)
    assert eventually(lambda: node.sh(f"cat {folder}/again", check=False), 30, "the node answers") == "ran\nran\n"

    assert kubectl.execute("sleeper", "echo", "here").out == "here\n"
    assert len(node.processes(sleep)) == 1
    kubectl.run("delete", "pod", "sleeper")
    assert node.processes(sleep) == []
    assert kubectl.printed(pod("after", container("main", "echo", "new"), **where)) == ["new\n"]


def test_a_new_version_takes_over_for_new_pods_only(kubectl: Kubectl, node: Node, another_version: str) -> None:
    """Its fork server starts with the first Pod; the old one is gone then, and its Pods go on."""
    old, new = long_sleep(), long_sleep()
    where = {"nodeName": node.name, "terminationGracePeriodSeconds": 1}
    kubectl.apply(pod("old", container("main", "/bin/sleep", old), **where))
    kubectl.in_phase("pod", "old", "Running")

    node.sh(f"ln -sfn {another_version} /opt/reaper/current")
    kubectl.apply(pod("new", container("main", "/bin/sleep", new), **where))
    kubectl.in_phase("pod", "new", "Running")

    servers = {name: node.parent(node.parent(node.processes(sleep)[0])) for name, sleep in (("old", old), ("new", new))}
    started = node.sh(f"tr '\\0' ' ' < /proc/{servers['new']}/cmdline")
    assert another_version in started
    assert servers["old"] != servers["new"]
    assert kubectl.execute("old", "echo", "here").out == "here\n"
    kubectl.execute("old", "/bin/sh", "-c", f"kill $(pgrep -f 'sleep {old}')")
    (status,) = kubectl.ended("old")["status"]["containerStatuses"]
    assert status["state"]["terminated"]["exitCode"] == 143
    kubectl.run("delete", "pod", "new")
    assert node.processes(new) == []


@pytest.fixture
def another_version(node: Node) -> Iterator[str]:
    """The runtime of the node once more, as another build: the name of its folder in /opt/reaper."""
    # The agent has just looked when it starts, and looks again a minute later: it would put things right.
    node.replace_installer()
    version = node.sh("readlink /opt/reaper/current").strip()
    other = f"{version}-e2e"
    node.sh(
        f"cd /opt/reaper && cp -a {version} {other}"
        f" && sed -i 's/{version}/{other}/g' {other}/VERSION {other}/bin/containerd-shim-reaper-v2"
        f" {other}/bin/reaper-runtime $(grep -lIr {version} {other}/libexec)"
    )
    yield other
    node.sh(f"cd /opt/reaper && ln -sfn {version} current && rm -rf {other}")


def test_the_installer_is_replaced(kubectl: Kubectl, node: Node) -> None:
    """It finds everything in place: nothing is restarted, nothing that runs is disturbed."""
    sleep = long_sleep()
    kubectl.apply(task("sleeper", "/bin/sleep", sleep, nodeName=node.name))
    kubectl.in_phase("reapertask", "sleeper", "Running")
    before, processes = node.sh(_CONTAINERD_START), node.processes(sleep)

    node.replace_installer()

    assert node.sh(_CONTAINERD_START) == before
    assert node.processes(sleep) == processes
    assert kubectl.get("reapertask", "sleeper")["status"]["phase"] == "Running"
