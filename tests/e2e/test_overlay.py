"""What a process writes stays in the overlay of its namespace: shared there, hidden elsewhere, never on the node."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kubectl import RUNTIME
from manifests import container, pod
from namespaces import opened
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kubectl import Kubectl, Node

OVERLAY_NAME = "reaper.runtime/overlay-name"


@pytest.fixture
def neighbour(system: Kubectl, kubectl: Kubectl) -> Iterator[Kubectl]:
    """Another namespace."""
    with opened(system, f"{kubectl.namespace}-next") as other:
        yield other


def run(kubectl: Kubectl, node: Node, name: str, script: str, overlay: str = "") -> str:
    """What a Pod on this node printed; it has to succeed."""
    manifest = pod(name, container("main", "/bin/sh", "-c", script), nodeName=node.name)
    if overlay:
        manifest["metadata"]["annotations"] = {OVERLAY_NAME: overlay}
    return kubectl.printed(manifest)[0]


def test_pods_of_a_namespace_share_what_they_write(kubectl: Kubectl, neighbour: Kubectl, node: Node) -> None:
    file = f"/opt/{kubectl.namespace}"
    run(kubectl, node, "write", f"echo kept > {file}")
    assert run(kubectl, node, "read", f"cat {file}") == "kept\n"
    assert run(kubectl, node, "named", f"ls {file} 2>&1 || true", overlay="tools").startswith("ls: cannot access")
    assert "cannot access" in run(neighbour, node, "other", f"ls {file} 2>&1 || true")
    assert node.sh(f"ls {file} 2>&1 || true").startswith("ls: cannot access")


def test_a_named_overlay_is_shared_by_its_name(kubectl: Kubectl, node: Node) -> None:
    run(kubectl, node, "write", "echo tools > /opt/e2e-named", overlay="tools")
    assert run(kubectl, node, "read", "cat /opt/e2e-named", overlay="tools") == "tools\n"


def test_users_are_added_inside_only(kubectl: Kubectl, node: Node) -> None:
    before = node.sh("cat /etc/passwd /etc/shadow")
    name = f"u{kubectl.namespace[-6:]}"
    output = run(
        kubectl, node, "adds", f"useradd --create-home {name} && id {name} && cut -d: -f2 /etc/shadow | sort -u"
    )
    assert f"({name})" in output
    assert output.split()[-1] == "!"
    assert node.sh("cat /etc/passwd /etc/shadow") == before


def test_a_package_is_installed_inside_only(kubectl: Kubectl, node: Node) -> None:
    """One that is made on the spot, with a script that runs as root; apt-get takes it from a file."""
    script = """
        set -e
        mkdir -p /tmp/made/DEBIAN /tmp/made/usr/bin && cd /tmp/made
        printf 'Package: e2e-hello\nVersion: 1.0\nArchitecture: all\nDescription: says hello\n' > DEBIAN/control
        echo 'Maintainer: e2e <e2e@example.org>' >> DEBIAN/control
        printf '#!/bin/sh\necho configured > /etc/e2e-hello.conf\n' > DEBIAN/postinst
        printf '#!/bin/sh\necho hello from a package\n' > usr/bin/e2e-hello
        chmod 755 DEBIAN/postinst usr/bin/e2e-hello
        dpkg-deb --build --root-owner-group . /tmp/hello.deb >/dev/null
        apt-get install --yes /tmp/hello.deb >/tmp/log 2>&1 || { cat /tmp/log; exit 1; }
        e2e-hello; cat /etc/e2e-hello.conf; dpkg-query --show e2e-hello
    """
    before = node.sh("cat /var/lib/dpkg/status | md5sum")
    output = run(kubectl, node, "installs", script)
    assert output.splitlines() == ["hello from a package", "configured", "e2e-hello\t1.0"]
    assert node.sh("ls /usr/bin/e2e-hello /etc/e2e-hello.conf 2>/dev/null || echo nothing") == "nothing\n"
    assert node.sh("cat /var/lib/dpkg/status | md5sum") == before


def test_a_sensitive_file_can_be_renamed_over(kubectl: Kubectl, node: Node) -> None:
    before = node.sh("cat /etc/shadow; stat -c %i /etc/shadow")
    script = "echo root:new:1:0:9:7::: > /etc/shadow.new && mv /etc/shadow.new /etc/shadow && cat /etc/shadow"
    assert run(kubectl, node, "renames", script) == "root:new:1:0:9:7:::\n"
    assert run(kubectl, node, "reads", "cat /etc/shadow") == "root:new:1:0:9:7:::\n"
    assert node.sh("cat /etc/shadow; stat -c %i /etc/shadow") == before


def test_an_overlay_is_reset_when_nobody_uses_it(kubectl: Kubectl, node: Node) -> None:
    file, name = "/opt/e2e-reset", kubectl.namespace
    reset = f"{RUNTIME} overlay reset {name} 2>&1; echo code $?"
    kubectl.apply(
        pod(
            "busy", container("main", "/bin/sh", "-c", f"touch {file}; exec sleep 600"), nodeName=node.name,
            terminationGracePeriodSeconds=1,
        )
    )  # fmt: skip
    kubectl.in_phase("pod", "busy", "Running")
    listed = node.sh(f"{RUNTIME} overlay list")
    assert [line.split()[0] for line in listed.splitlines() if name in line] == [name]

    refused = node.sh(reset)
    assert f"overlay {name} is in use on node" in refused
    assert refused.endswith("code 1\n")
    assert kubectl.execute("busy", "ls", file).code == 0

    kubectl.run("delete", "pod", "busy")
    assert node.sh(reset).endswith("code 0\n")
    assert run(kubectl, node, "looks", f"ls {file} 2>/dev/null || echo gone") == "gone\n"


@pytest.mark.timeout(180)
def test_an_overlay_goes_with_its_namespace(system: Kubectl, node: Node) -> None:
    """A later namespace of that name must not see what the first one wrote. The installer looks when it starts."""
    name, file = "e2e-gone", "/opt/e2e-gone"
    with opened(system, name) as first:
        run(first, node, "writes", f"touch {file}")
    system.run("wait", "--for=delete", f"namespace/{name}", "--timeout=60s")
    with opened(system, name) as second:
        node.replace_installer()
        eventually(lambda: name not in node.sh(f"{RUNTIME} overlay list").split(), 30, "the overlay is reset")
        assert run(second, node, "looks", f"ls {file} 2>/dev/null || echo none") == "none\n"


def test_an_overlay_that_cannot_be_made_refuses_the_container(kubectl: Kubectl, node: Node) -> None:
    """Here a file is in its place. The Pod must not run on the node's own files instead."""
    place = f"/run/reaper/overlays/{kubectl.namespace}"
    run(kubectl, node, "first", "true", overlay="other")  # the directory of the overlays is a mount of its own by now
    node.sh(f"touch {place}")
    kubectl.apply(pod("refused", container("main", "/bin/touch", "/opt/e2e-refused"), nodeName=node.name))
    state = kubectl.ended("refused")["status"]["containerStatuses"][0]["state"]["terminated"]
    node.sh(f"rm {place}")
    assert state["exitCode"] == 128
    assert f"overlay {kubectl.namespace} cannot be made on node {node.name}: Not a directory" in state["message"]
    assert node.sh("ls /opt/e2e-refused 2>/dev/null || echo none") == "none\n"


def test_passwords_and_keys_of_the_node_are_not_seen(kubectl: Kubectl, node: Node) -> None:
    node.sh("ls /etc/kubernetes /var/lib/kubelet | grep -q .")
    seen = run(kubectl, node, "looks", "ls -A /etc/kubernetes /var/lib/kubelet; ls /etc/ssh/ssh_host_* 2>&1 | tail -1")
    assert [line for line in seen.splitlines() if line][:2] == ["/etc/kubernetes:", "/var/lib/kubelet:"]
    assert ".conf" not in seen


def test_the_nodes_other_file_systems_are_there(kubectl: Kubectl, node: Node) -> None:
    """On a kind node /var is a volume of its own: it must be neither empty nor written."""
    seen = run(kubectl, node, "looks", "ls /var/log | wc -l; touch /var/log/from-a-process && echo written")
    assert int(seen.split()[0]) > 0
    assert seen.split()[1] == "written"
    assert node.sh("ls /var/log/from-a-process 2>&1 || true").startswith("ls: cannot access")


def test_first_use_by_many_at_once(kubectl: Kubectl, node: Node) -> None:
    names = [f"first-{number}" for number in range(6)]
    script = "touch /opt/$(hostname)-$$$$ && echo done"
    pods = [pod(name, container("main", "/bin/sh", "-c", script), nodeName=node.name) for name in names]
    assert kubectl.printed(*pods) == ["done\n"] * len(names)
    assert node.sh(f"grep -c '/run/reaper/overlays/{kubectl.namespace}/merged ' /proc/1/mounts").strip() == "1"
