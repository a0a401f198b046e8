"""What the status says of the process on the node is what the node itself says, from its start to its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from manifests import container, long_sleep, pod, shell, task
from waiting import eventually

if TYPE_CHECKING:
    from kubectl import Kubectl, Node

Status = dict[str, Any]
SOON = 15.0  # seconds; the agent takes a fraction of one to show a pid, and about two to take it back
BACK_OFF = 40.0  # seconds until a second attempt runs


def shown(kubectl: Kubectl, name: str) -> int | None:
    """The pid, as kubectl shows it."""
    text = kubectl.run("get", "rt", name, "-o", "jsonpath={.status.hostProcessPID}").out
    return int(text) if text else None


def shows(kubectl: Kubectl, name: str, pid: int | None, within: float = SOON) -> None:
    """Wait for it."""
    eventually(lambda: shown(kubectl, name) == pid, within, f"reapertask {name} shows pid {pid}")


def only(node: Node, marker: str, *, but: int = 0) -> int:
    """The one process with a marker in its command line."""

    def look() -> int | None:
        found = [pid for pid in node.processes(marker) if pid != but]
        return found[0] if len(found) == 1 else None

    return eventually(look, 60, f"there is one process with {marker}")


def test_the_pid_is_that_of_the_process_and_goes_with_it(kubectl: Kubectl, node: Node) -> None:
    sleep = long_sleep()
    kubectl.apply(task("sleeper", "/bin/sleep", sleep, nodeName=node.name))
    pid = only(node, sleep)

    shows(kubectl, "sleeper", pid)
    assert node.sh(f"tr '\\0' ' ' </proc/{pid}/cmdline").split() == ["/bin/sleep", sleep]
    status: Status = kubectl.get("reapertask", "sleeper")["status"]
    assert status["overlayNamespaceID"] == kubectl.namespace
    assert node.sh(f"ls -d /run/reaper/overlays/{status['overlayNamespaceID']}/merged")
    row = kubectl.run("get", "rt", "sleeper", "-o", "wide", "--no-headers").out.split()
    assert str(pid) in row

    node.sh(f"kill -TERM {pid}")
    status = kubectl.finished("sleeper")["status"]
    assert "hostProcessPID" not in status
    assert (status["phase"], status["overlayNamespaceID"]) == ("Failed", kubectl.namespace)


def test_a_named_overlay_is_named(kubectl: Kubectl, node: Node) -> None:
    sleep = long_sleep()
    kubectl.apply(task("named", "/bin/sleep", sleep, nodeName=node.name, overlay={"name": "tools"}))
    shows(kubectl, "named", only(node, sleep))

    assert kubectl.get("reapertask", "named")["status"]["overlayNamespaceID"] == f"{kubectl.namespace}@tools"


def test_two_fields_have_a_manager_of_their_own(kubectl: Kubectl, node: Node) -> None:
    sleep = long_sleep()
    kubectl.apply(task("managed", "/bin/sleep", sleep, nodeName=node.name))
    shows(kubectl, "managed", only(node, sleep))
    kubectl.in_phase("reapertask", "managed", "Running")

    found = kubectl.run("get", "rt", "managed", "--show-managed-fields", "-o", "json").out
    assert '"manager": "reaper-node"' in found
    assert shown(kubectl, "managed") is not None, "the operator has left it where it is"


def test_the_second_attempt_shows_its_own_pid(kubectl: Kubectl, node: Node, folder: str) -> None:
    sleep = long_sleep()
    script = f"echo ran >>{folder}/runs; exec sleep {sleep}"
    kubectl.apply(shell("twice", script, nodeName=node.name, backoffLimit=1))
    first = only(node, f"sleep {sleep}")
    shows(kubectl, "twice", first)

    node.sh(f"kill -KILL {first}")
    shows(kubectl, "twice", None)
    second = only(node, f"sleep {sleep}", but=first)
    shows(kubectl, "twice", second, within=BACK_OFF)
    status: Status = kubectl.get("reapertask", "twice")["status"]
    assert (status["attempts"], status["podName"]) == (2, "twice-2")
    assert node.sh(f"cat {folder}/runs").split() == ["ran", "ran"]


def test_a_restart_in_the_same_pod_shows_the_new_pid(kubectl: Kubectl, node: Node) -> None:
    sleep = long_sleep()
    kubectl.apply(task("always", "/bin/sleep", sleep, nodeName=node.name, restartPolicy="Always"))
    first = only(node, sleep)
    shows(kubectl, "always", first)

    node.sh(f"kill -KILL {first}")
    second = only(node, sleep, but=first)
    shows(kubectl, "always", second, within=BACK_OFF)
    assert kubectl.get("reapertask", "always")["status"]["podName"] == "always"


def test_tasks_do_without_the_agent_and_it_finds_them_again(kubectl: Kubectl, node: Node) -> None:
    stays, ends = long_sleep(), long_sleep()
    for name, sleep in (("stays", stays), ("ends", ends)):
        kubectl.apply(task(name, "/bin/sleep", sleep, nodeName=node.name))
    pids = {name: only(node, sleep) for name, sleep in (("stays", stays), ("ends", ends))}
    for name, pid in pids.items():
        shows(kubectl, name, pid)

    node.sh(f"kill -KILL {pids['ends']}")
    node.replace_installer()  # the agent is in the same pod

    assert node.processes(stays) == [pids["stays"]]
    assert "hostProcessPID" not in kubectl.finished("ends")["status"]
    assert shown(kubectl, "stays") == pids["stays"]
    later = long_sleep()
    kubectl.apply(task("later", "/bin/sleep", later, nodeName=node.name))
    shows(kubectl, "later", only(node, later))


def test_a_plain_pod_that_claims_a_task_changes_nothing(kubectl: Kubectl, node: Node) -> None:
    sleep, other = long_sleep(), long_sleep()
    kubectl.apply(task("honest", "/bin/sleep", sleep, nodeName=node.name))
    pid = only(node, sleep)
    shows(kubectl, "honest", pid)
    liar = pod("liar", container("task", "/bin/sleep", other), nodeName=node.name, terminationGracePeriodSeconds=0)
    liar["metadata"]["annotations"] = {"reaper.runtime/task": "honest"}
    kubectl.apply(liar)
    kubectl.in_phase("pod", "liar", "Running")
    marker = long_sleep()
    kubectl.apply(task("marker", "/bin/sleep", marker, nodeName=node.name))
    shows(kubectl, "marker", only(node, marker))  # the agent has looked at all that came before

    assert shown(kubectl, "honest") == pid


def test_nothing_is_left_of_tasks_that_are_over(kubectl: Kubectl, node: Node) -> None:
    kubectl.apply(task("short", "/bin/true", nodeName=node.name))
    kubectl.finished("short")
    pod_uid = kubectl.get("reapertask", "short")["status"]["podUID"]

    def gone() -> bool:
        return pod_uid not in node.sh("cat /run/reaper/tasks/* 2>/dev/null || true")

    eventually(gone, 2 * SOON, "the runtime has forgotten the Pod of a task that is over")
