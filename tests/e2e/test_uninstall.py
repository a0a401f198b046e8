"""Uninstalling waits for what runs, leaves nothing on a node, and installing again works as the first time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from helm import CHART, helm, note, values
from kubectl import RELEASE, SYSTEM, Kubectl, Node
from manifests import long_sleep, shell, task
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

PLACES = "/opt/reaper /run/reaper /etc/containerd/conf.d/reaper.toml /opt/containerd/bin/*reaper*"
LEFTOVERS = f"ls -d {PLACES} 2>/dev/null; echo looked"  # nothing at all is said while containerd restarts


@pytest.fixture
def install_again() -> Iterator[Callable[[], None]]:
    """Installs the release with the values and the note it had. Whatever happens, it is there again afterwards."""
    had, known_by = values(), note()
    installed = False

    def install() -> None:
        nonlocal installed
        # As it is after an uninstall that was cut off, too.
        helm("uninstall", RELEASE, "--ignore-not-found", "--wait")
        words = ("--values", "-", "--description", known_by, "--wait", "--timeout", "120s")
        helm("install", RELEASE, CHART, *words, stdin=had)
        installed = True

    yield install
    if not installed:
        install()


def error_of(node: Node) -> str:
    metadata: dict[str, Any] = Kubectl(SYSTEM).get("node", node.name)["metadata"]
    return str(metadata.get("annotations", {}).get("reaper.io/runtime-error", ""))


@pytest.mark.timeout(300)
def test_uninstalling_waits_for_pods_and_leaves_nothing_and_installing_again_works(
    system: Kubectl, kubectl: Kubectl, node: Node, install_again: Callable[[], None]
) -> None:
    sleep = long_sleep()
    kubectl.apply(task("busy", "/bin/sleep", sleep, nodeName=node.name, terminationGracePeriodSeconds=1))
    kubectl.in_phase("reapertask", "busy", "Running")

    helm("uninstall", RELEASE, "--timeout", "8s", check=False)  # gives up waiting; the pods go on

    said = eventually(lambda: error_of(node), 30, "the node says what it waits for")
    assert f"Pod {kubectl.namespace}/busy runs" in said
    assert "reaper.io/runtime" not in system.get("node", node.name)["metadata"]["labels"]
    assert len(node.processes(sleep)) == 1

    kubectl.run("delete", "reapertask", "busy")
    eventually(lambda: node.sh(LEFTOVERS, check=False) == "looked\n", 60, "nothing of Reaper is on the node")
    assert "reaper-v2" not in node.sh("containerd config dump")
    assert "placeholder" not in node.sh("ctr --namespace k8s.io images ls -q")
    assert node.processes("reaper-zygote") == []

    kubectl.apply(task("waiting", "/bin/true", nodeName="no-such-node"))
    eventually(
        lambda: kubectl.get("reapertask", "waiting")["metadata"].get("finalizers"), 30, "the operator holds the task"
    )
    helm("uninstall", RELEASE)
    assert not kubectl.get("reapertask", "waiting")["metadata"].get("finalizers")
    kubectl.run("delete", "reapertask", "waiting", "--timeout=20s")  # without an operator
    metadata = system.get("node", node.name)["metadata"]
    assert not [key for key in {**metadata["labels"], **metadata["annotations"]} if "reaper.io" in key]
    assert kubectl.find("crd", "reapertasks.reaper.io") is not None  # tasks outlive a release

    install_again()
    kubectl.apply(shell("again", "exit 4"))

    assert kubectl.finished("again")["status"]["exitCode"] == 4
