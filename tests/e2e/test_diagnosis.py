"""What a person finds out on the node: what runs, what is stale, in words."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from kubectl import RUNTIME
from manifests import container, long_sleep, pod
from waiting import eventually

if TYPE_CHECKING:
    from kubectl import Kubectl, Node


def test_what_runs_and_what_has_lost_its_shim(kubectl: Kubectl, node: Node) -> None:
    sleep = long_sleep()
    kubectl.apply(
        pod("busy", container("main", "/bin/sleep", sleep), nodeName=node.name, terminationGracePeriodSeconds=1)
    )
    (status,) = kubectl.in_phase("pod", "busy", "Running")["status"]["containerStatuses"]
    name = status["containerID"].removeprefix("containerd://")
    (pid,) = node.processes(sleep)

    rows = json.loads(node.sh(f"{RUNTIME} list -o json"))
    (row,) = [row for row in rows if row["container"] == name]
    assert (row["pid"], row["status"], row["namespace"]) == (pid, "running", "k8s.io")
    (line,) = [line for line in node.sh(f"{RUNTIME} list").splitlines() if name[:13] in line]
    assert line.split()[-2:] == [str(pid), "running"]

    healthy = node.sh(f"{RUNTIME} doctor; echo code $?")
    assert healthy.endswith("code 0\n"), healthy
    assert "problem" not in healthy
    assert "the fork server of this build runs as process" in healthy

    # An overlay that was mounted before a reboot: its layers are on a disk, or as here, its directory is left.
    stale = f"/run/reaper/overlays/{kubectl.namespace}-stale"
    node.sh(f"mkdir -p {stale}/layers")
    said = node.sh(f"{RUNTIME} doctor; {RUNTIME} overlay reset {kubectl.namespace}-stale; ls -d {stale} || echo gone")
    assert f"overlay {kubectl.namespace}-stale is not mounted" in said
    assert f"reaper-runtime overlay reset {kubectl.namespace}-stale" in said
    assert said.endswith("gone\n")

    kubectl.run("delete", "pod", "busy")
    eventually(lambda: name not in node.sh(f"{RUNTIME} list -o json"), 10, "it is listed no more")
