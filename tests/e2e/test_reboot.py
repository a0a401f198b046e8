"""A node loses power and comes back: what ran there is over and said to be, and nothing runs twice unasked."""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from kubectl import RUNTIME
from manifests import long_sleep, shell, task
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kubectl import Kubectl, Node

BACK = 180  # seconds, in which kubelet, containerd and the installer answer again


@pytest.fixture
def disk(kubectl: Kubectl, node: Node) -> Iterator[str]:
    """A folder of the node that is there after a reboot too."""
    folder = f"/var/tmp/{kubectl.namespace}"
    node.sh(f"mkdir {folder}")
    yield folder
    node.sh(f"rm -rf {folder}")


def cut_power(node: Node) -> None:
    """A node of kind is a container: it, and all that runs in it, ends at once and starts again."""
    docker = shutil.which("docker")
    assert docker, "docker is missing: run `make cluster`"
    for verb in ("kill", "start"):
        subprocess.run([docker, verb, node.name], check=True, capture_output=True, timeout=60)


@pytest.mark.timeout(400)
def test_a_node_loses_power_and_comes_back(kubectl: Kubectl, node: Node, disk: str) -> None:
    once, sleep = long_sleep(), long_sleep()
    script = (
        f"echo ran >>/disk/runs; mkdir /disk/seen 2>/dev/null && exec sleep {sleep}; ls /opt/first 2>&1; echo again"
    )
    volumes = [{"name": "disk", "mountPath": "/disk", "hostPath": {"path": disk}}]
    kubectl.apply(
        task("once", "/bin/sh", "-c", f"touch /opt/first; exec sleep {once}", nodeName=node.name),
        shell("again", script, nodeName=node.name, backoffLimit=1, volumes=volumes),
    )
    for name in ("once", "again"):
        kubectl.in_phase("reapertask", name, "Running")
    overlays = f"{RUNTIME} overlay list"
    assert kubectl.namespace in node.sh(overlays)

    cut_power(node)

    over = kubectl.finished("once", within=BACK)["status"]
    assert (over["phase"], over["reason"], over["attempts"]) == ("Failed", "ProcessLost", 1)
    assert "exitCode" not in over
    assert "the node no longer knows how the process ended, as after a reboot" in over["message"]
    assert "hostProcessPID" not in over

    again = kubectl.finished("again", within=BACK)["status"]
    assert (again["phase"], again["attempts"], again["interruptions"]) == ("Succeeded", 2, 1)
    assert "failures" not in again
    written, word = kubectl.logs(again["podName"]).splitlines()
    assert "No such file" in written  # the overlay of before is gone: it was in memory
    assert word == "again"

    eventually(lambda: "up" in node.sh("echo up", check=False), 60, "the node answers")
    assert node.sh(f"cat {disk}/runs").split() == ["ran", "ran"]
    assert not node.processes(once)
    assert not node.processes(sleep)
    assert {each["status"]["phase"] for each in kubectl.list("pods")} <= {"Failed", "Succeeded"}
