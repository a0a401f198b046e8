"""/etc/reaper/reaper.conf of a node: what it says counts for the next Pod; what it says wrongly refuses that."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kubectl import RUNTIME
from manifests import container, pod

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from kubectl import Kubectl, Node

Object = dict[str, Any]

FILE = "/etc/reaper/reaper.conf"


@pytest.fixture
def configure(node: Node) -> Iterator[Callable[..., None]]:
    """Writes the lines of the file. Afterwards it is as it was."""
    node.sh(f"mkdir -p /etc/reaper && if [ -e {FILE} ]; then cp -p {FILE} {FILE}.e2e; fi")

    def write(*lines: str) -> None:
        node.sh(f"cat > {FILE}", stdin="\n".join(lines) + "\n")

    yield write
    node.sh(f"rm -f {FILE}; if [ -e {FILE}.e2e ]; then mv {FILE}.e2e {FILE}; else rmdir /etc/reaper; fi")


def on(node: Node, name: str, *command: str, annotations: dict[str, str] | None = None, **more: Any) -> Object:
    manifest = pod(name, container("main", *command, **more), nodeName=node.name, terminationGracePeriodSeconds=1)
    manifest["spec"]["dnsPolicy"] = "ClusterFirstWithHostNet"
    manifest["metadata"]["annotations"] = annotations or {}
    return manifest


def test_a_wrong_value_refuses_new_pods_and_leaves_the_others_alone(
    kubectl: Kubectl, node: Node, configure: Callable[..., None]
) -> None:
    kubectl.apply(on(node, "before", "/bin/sleep", "600"))
    kubectl.in_phase("pod", "before", "Running")

    configure("REAPER_OVERLAY_ISOLATION=node", "REAPER_DNS_MODE=sideways")
    sentence = f"{FILE} line 2: REAPER_DNS_MODE=sideways is not valid: it takes host or kubernetes"
    kubectl.apply(on(node, "refused", "touch", f"/opt/{kubectl.namespace}"))

    kubectl.event("refused", "FailedCreatePodSandBox", sentence)
    assert sentence in " ".join(kubectl.run("describe", "pod", "refused").out.split())
    assert kubectl.execute("before", "echo", "still there").out == "still there\n"
    said = node.sh(f"{RUNTIME} doctor; echo code $?")
    assert sentence in said
    assert said.endswith("code 1\n")

    configure("REAPER_DNS_MODE=kubernetes")  # kubelet tries again by itself
    assert kubectl.ended("refused", within=90)["status"]["phase"] == "Succeeded"
    assert node.sh(f"{RUNTIME} doctor | grep configuration").split()[2:5] == ["DNS", "mode", "kubernetes,"]


def test_the_settings_of_a_node_are_those_of_its_pods(
    kubectl: Kubectl, system: Kubectl, node: Node, configure: Callable[..., None]
) -> None:
    dns = type(kubectl)("kube-system").get("service", "kube-dns")["spec"]["clusterIP"]
    hidden, shown = "/etc/issue", "/etc/sudoers.d"
    configure(
        "# of the e2e tests",
        "REAPER_DNS_MODE=kubernetes",
        "REAPER_ANNOTATIONS_ENABLED=false",
        f"REAPER_FILTER_PATHS={hidden}",
        "REAPER_UNSUPPORTED=refuse",
    )
    node.sh(f"test -e {hidden}")
    profile = {"seccompProfile": {"type": "RuntimeDefault"}}
    kubectl.apply(on(node, "profile", "true", securityContext=profile))
    host, overlay = {"reaper.runtime/dns-mode": "host"}, {"reaper.runtime/overlay-name": "other"}
    names, files, first = kubectl.printed(
        on(node, "names", "cat", "/etc/resolv.conf", annotations=host),
        on(node, "files", "/bin/sh", "-c", f"ls {hidden} {shown} 2>&1; true"),
        on(node, "first", "/bin/sh", "-c", "echo by-first > /opt/e2e-file", annotations=overlay),
    )
    assert f"nameserver {dns}" in names  # the annotation does not count
    assert f"'{hidden}': No such file or directory" in files
    assert first == ""
    assert kubectl.printed(on(node, "second", "cat", "/opt/e2e-file")) == ["by-first\n"]  # nor this one
    state = kubectl.ended("profile")["status"]["containerStatuses"][0]["state"]["terminated"]
    assert "linux.seccomp" in state["message"]


def test_one_overlay_for_a_node(
    kubectl: Kubectl, elsewhere: Kubectl, node: Node, configure: Callable[..., None]
) -> None:
    configure("REAPER_OVERLAY_ISOLATION=node")
    file = f"/opt/{kubectl.namespace}"
    kubectl.printed(on(node, "writes", "touch", file))
    assert elsewhere.printed(on(node, "reads", "ls", file)) == [f"{file}\n"]
    assert node.sh(f"ls {file} 2>/dev/null || echo none") == "none\n"
    assert node.sh(f"{RUNTIME} overlay list | grep -c @node").strip() == "1"


def test_no_overlay_at_all(kubectl: Kubectl, node: Node, configure: Callable[..., None]) -> None:
    """What the administrator asked for: processes write to the node."""
    configure("REAPER_OVERLAY_ISOLATION=none")
    file = f"/opt/{kubectl.namespace}"
    kubectl.printed(on(node, "writes", "touch", file))
    assert node.sh(f"ls {file} && rm {file}") == f"{file}\n"
