"""The likeliest mistakes: cause and remedy from `kubectl describe rt` alone, or at once where something is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from absence import without_operator
from kubectl import ALLOW
from manifests import shell, task
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kubectl import Kubectl, Node, Object

pytestmark = pytest.mark.timeout(180)


def described(kubectl: Kubectl, name: str, *sentences: str, within: float = 60) -> str:
    """What `kubectl describe rt` shows, once it has all these sentences, however they are wrapped."""

    def look() -> str | None:
        text = " ".join(kubectl.run("describe", "rt", name).out.split())
        return text if all(sentence in text for sentence in sentences) else None

    return eventually(look, within, f"kubectl describe rt {name} says {sentences}")


def refused(kubectl: Kubectl, manifest: Object, *words: str) -> str:
    """What kubectl says of a task that is not let in, once the API server has heard why not."""
    create, body = ("create", *words, "-f", "-"), json.dumps(manifest)
    dry = (*create, "--dry-run=server")
    eventually(lambda: kubectl.run(*dry, stdin=body, check=False).code != 0, 30, "the task would be refused")
    done = kubectl.run(*create, stdin=body, check=False)
    assert done.code != 0
    return " ".join(done.err.split())


@pytest.fixture
def no_operator(system: Kubectl) -> Iterator[None]:
    """For a while there is none."""
    with without_operator(system):
        yield


def test_no_runtime_on_the_node(kubectl: Kubectl) -> None:
    kubectl.apply(task("elsewhere", "/bin/true", nodeName="reaper-control-plane"))
    described(
        kubectl, "elsewhere", "Unschedulable", "reaper.io/runtime=ready", "kubectl get nodes -L reaper.io/runtime"
    )


def test_a_binary_that_is_missing(kubectl: Kubectl, node: Node) -> None:
    kubectl.apply(task("flash", "/usr/sbin/flash", nodeName=node.name))
    described(
        kubectl, "flash", f'program "/usr/sbin/flash" does not exist on node {node.name}: install it there, or correct'
    )


def test_an_image(kubectl: Kubectl) -> None:
    """A task has none. kubectl says so at once."""
    wrong = task("imaged", "/bin/true", image="busybox")
    assert 'unknown field "spec.image"' in " ".join(kubectl.apply(wrong, check=False).err.split())


def test_a_namespace_without_the_label(kubectl: Kubectl, system: Kubectl) -> None:
    remedy = f"kubectl label namespace {kubectl.namespace} reaper.io/allow=true"
    system.run("label", "namespace", kubectl.namespace, f"{ALLOW.partition('=')[0]}-")

    assert remedy in refused(kubectl, task("outside", "/bin/true"))


def test_a_user_out_of_range(kubectl: Kubectl, system: Kubectl) -> None:
    system.run("annotate", "namespace", kubectl.namespace, "reaper.io/uids=1000-1999")

    says = refused(kubectl, task("root", "/bin/id"))

    assert "1000-1999" in says
    assert "spec.user" in says


def test_an_overlay_that_cannot_be_made(kubectl: Kubectl, node: Node) -> None:
    """The Pod of a task says it as the runtime did."""
    place = f"/run/reaper/overlays/{kubectl.namespace}@broken"
    kubectl.apply(task("first", "/bin/true", nodeName=node.name))
    kubectl.finished("first")
    node.sh(f"touch {place}")
    kubectl.apply(task("covered", "/bin/true", nodeName=node.name, overlay={"name": "broken"}))
    try:
        described(
            kubectl,
            "covered",
            f"overlay {kubectl.namespace}@broken cannot be made on node {node.name}: Not a directory: {place}",
            "remove there what stands in the place of its directory",
        )
    finally:
        node.sh(f"rm {place}")


def test_no_permission(kubectl: Kubectl) -> None:
    says = refused(kubectl, task("hers", "/bin/true"), "--as=jane")
    assert 'User "jane" cannot create resource "reapertasks"' in says


def test_a_person_without_the_right_to_host_processes(kubectl: Kubectl) -> None:
    """The role `edit` is enough for a task, and not for a process of the node."""
    kubectl.run("create", "rolebinding", "jane-edit", "--clusterrole=edit", "--user=jane")
    may = ("auth", "can-i", "create", "reapertasks.reaper.io", "--as=jane")
    eventually(lambda: kubectl.run(*may, check=False).code == 0, 30, "jane may make tasks")

    says = refused(kubectl, task("hers", "/bin/true"), "--as=jane")

    assert f"jane may not run host processes in namespace {kubectl.namespace}" in says
    assert (
        f"kubectl create rolebinding 'host-processes:jane' --namespace={kubectl.namespace} "
        "--clusterrole=reaper-host-processes --user='jane'"
    ) in says


@pytest.mark.timeout(240)
@pytest.mark.usefixtures("no_operator")
def test_no_operator(kubectl: Kubectl) -> None:
    kubectl.apply(task("alone", "/bin/true"))
    text = described(kubectl, "alone", "no operator has looked at this task yet", "kubectl get pods -A -l")
    assert "Pending" in text
    columns = kubectl.run("get", "rt", "alone", "-o", "wide", "--no-headers").out.split()
    assert ("Pending" in columns, "NotSeen" in columns) == (True, True)


def _tainted(node: Object) -> bool:
    return any(each["key"] == "node.kubernetes.io/unschedulable" for each in node["spec"].get("taints", []))


def test_a_node_that_is_not_to_be_used(kubectl: Kubectl, system: Kubectl, node: Node) -> None:
    system.run("cordon", node.name)
    try:
        eventually(lambda: _tainted(system.get("node", node.name)), 30, "the taint is there")
        kubectl.apply(task("waits", "/bin/true", nodeName=node.name))
        described(kubectl, "waits", "Unschedulable", "unschedulable", f"kubectl uncordon {node.name}")
    finally:
        system.run("uncordon", node.name)
    assert kubectl.finished("waits", within=90)["status"]["phase"] == "Succeeded"


def test_a_quota(kubectl: Kubectl) -> None:
    kubectl.run("create", "quota", "few", "--hard=pods=0")
    eventually(lambda: kubectl.get("quota", "few").get("status", {}).get("hard"), 30, "the quota is in force")
    kubectl.apply(shell("many", "true"))
    described(kubectl, "many", "exceeded quota: few", "PodRefused", f"kubectl describe quota -n {kubectl.namespace}")
    kubectl.run("delete", "quota", "few")
    assert kubectl.finished("many", within=120)["status"]["phase"] == "Succeeded"
