"""Uninstalling waits for what runs, leaves nothing on a node, and installing again works as the first time."""

from __future__ import annotations

import json
import os
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from kubectl import RELEASE, ROOT, SYSTEM, Kubectl, Node, program
from manifests import long_sleep, shell, task
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

LEFTOVERS = "ls -d /opt/reaper /run/reaper /etc/containerd/conf.d/reaper.toml /opt/containerd/bin/*reaper* 2>/dev/null"


def helm(*words: str, stdin: str = "", check: bool = True) -> str:
    kubeconfig = os.environ.get("KUBECONFIG") or str(ROOT / ".tools" / "kubeconfig")
    command = [program("helm"), "--kubeconfig", kubeconfig, "--namespace", SYSTEM, *words]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=300)
    if check:
        assert done.returncode == 0, f"$ helm {' '.join(words)}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


@pytest.fixture
def reinstalled() -> Iterator[None]:
    """Whatever happens, the release is there again afterwards, with the values and the note it had."""
    values = helm("get", "values", RELEASE, "--output", "json")
    note = json.loads(helm("status", RELEASE, "--output", "json"))["info"]["description"]
    yield
    # As it is after an uninstall that was cut off, too.
    helm("uninstall", RELEASE, "--ignore-not-found", "--wait")
    words = ("--values", "-", "--description", note, "--wait", "--timeout", "120s")
    helm("install", RELEASE, str(ROOT / "charts" / "reaper"), *words, stdin=values)


def error_of(node: Node) -> str:
    metadata: dict[str, Any] = Kubectl(SYSTEM).get("node", node.name)["metadata"]
    return str(metadata.get("annotations", {}).get("reaper.io/runtime-error", ""))


@pytest.mark.timeout(300)
@pytest.mark.usefixtures("reinstalled")
def test_uninstalling_waits_for_pods_and_leaves_nothing(system: Kubectl, kubectl: Kubectl, node: Node) -> None:
    sleep = long_sleep()
    kubectl.apply(task("busy", "/bin/sleep", sleep, nodeName=node.name, terminationGracePeriodSeconds=1))
    kubectl.in_phase("reapertask", "busy", "Running")

    helm("uninstall", RELEASE, "--timeout", "8s", check=False)  # gives up waiting; the pods go on

    said = eventually(lambda: error_of(node), 30, "the node says what it waits for")
    assert f"Pod {kubectl.namespace}/busy runs" in said
    assert "reaper.io/runtime" not in system.get("node", node.name)["metadata"]["labels"]
    assert len(node.processes(sleep)) == 1

    kubectl.run("delete", "reapertask", "busy")
    eventually(lambda: not node.sh(LEFTOVERS, check=False), 60, "nothing of Reaper is on the node")
    assert "reaper-v2" not in node.sh("containerd config dump")
    assert "placeholder" not in node.sh("ctr --namespace k8s.io images ls -q")
    assert node.processes("reaper-zygote") == []

    helm("uninstall", RELEASE)
    metadata = system.get("node", node.name)["metadata"]
    assert not [key for key in {**metadata["labels"], **metadata["annotations"]} if "reaper.io" in key]
    assert kubectl.find("crd", "reapertasks.reaper.io") is not None  # tasks outlive a release


def test_it_works_again(system: Kubectl, kubectl: Kubectl) -> None:
    kubectl.apply(shell("again", "exit 4"))

    assert kubectl.finished("again")["status"]["exitCode"] == 4
