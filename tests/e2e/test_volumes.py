"""Volumes: seen by their Pod, gone with it, and by nobody else."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from manifests import container, pod
from waiting import eventually

if TYPE_CHECKING:
    from kubectl import Kubectl, Node

Object = dict[str, Any]


def run(kubectl: Kubectl, manifest: Object) -> str:
    """What the Pod printed; it has to succeed."""
    return kubectl.printed(manifest)[0]


def mounted(name: str, script: str, *volumes: tuple[str, Object], **mount: Any) -> Object:
    """A Pod that runs a script with volumes at these paths."""
    mounts = [{"name": f"v{i}", "mountPath": path, **mount} for i, (path, _) in enumerate(volumes)]
    main = container("main", "/bin/sh", "-c", script, volumeMounts=mounts)
    return pod(name, main, volumes=[{"name": f"v{i}", **source} for i, (_, source) in enumerate(volumes)])


@pytest.fixture
def sources(kubectl: Kubectl) -> Kubectl:
    kubectl.run("create", "configmap", "settings", "--from-literal=mode=fast")
    kubectl.run("create", "secret", "generic", "keys", "--from-literal=token=hunter2")
    return kubectl


def test_a_config_map_a_secret_and_the_downward_api(sources: Kubectl) -> None:
    downward = {"downwardAPI": {"items": [{"path": "name", "fieldRef": {"fieldPath": "metadata.name"}}]}}
    projected = {"projected": {"sources": [{"configMap": {"name": "settings"}}, {"secret": {"name": "keys"}}]}}
    manifest = mounted(
        "reads",
        "cat /c/mode /s/token /d/name /p/mode /p/token",
        ("/c", {"configMap": {"name": "settings"}}),
        ("/s", {"secret": {"secretName": "keys"}}),
        ("/d", downward),
        ("/p", projected),
    )
    assert run(sources, manifest) == "fasthunter2readsfasthunter2"


def test_a_file_of_a_config_map_by_sub_path(sources: Kubectl) -> None:
    manifest = mounted(
        "sub", "cat /etc/settings/mode", ("/etc/settings/mode", {"configMap": {"name": "settings"}}), subPath="mode"
    )
    assert run(sources, manifest) == "fast"


def test_volumes_that_are_read_only_stay_as_they_are(sources: Kubectl) -> None:
    manifest = mounted("ro", "{ echo x > /c/new; } 2>/dev/null; echo $?", ("/c", {"emptyDir": {}}), readOnly=True)
    assert run(sources, manifest) == "2\n"


@pytest.mark.parametrize("source", [{"emptyDir": {}}, {"emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}])
def test_an_empty_dir_is_shared_by_the_containers_of_a_pod(kubectl: Kubectl, source: Object) -> None:
    mount = {"volumeMounts": [{"name": "shared", "mountPath": "/shared"}]}
    write = container("write", "/bin/sh", "-c", "echo from-init > /shared/file", **mount)
    read = container("read", "/bin/sh", "-c", "cat /shared/file; stat -f -c %T /shared", **mount)
    manifest = pod("pair", read, initContainers=[write], volumes=[{"name": "shared", **source}])
    output = run(kubectl, manifest).split()
    assert output[0] == "from-init"
    assert (output[1] == "tmpfs") == ("medium" in source["emptyDir"])


def test_shared_memory_of_its_own(kubectl: Kubectl, node: Node) -> None:
    manifest = mounted("shm", "touch /dev/shm/mine && ls /dev/shm", ("/dev/shm", {"emptyDir": {"medium": "Memory"}}))
    manifest["spec"]["nodeName"] = node.name
    assert run(kubectl, manifest) == "mine\n"
    assert "mine" not in node.sh("ls /dev/shm")


def test_host_paths_of_all_types(kubectl: Kubectl, node: Node) -> None:
    """What is written in a directory or file of the node is there; what is missing and may be made is made."""
    folder = f"/var/lib/{kubectl.namespace}"
    node.sh(f"mkdir {folder} && echo of-the-node > {folder}/file && mknod {folder}/block b 7 0")
    script = """
        cat /there/file /file; echo kept > /there/new; echo made > /made/file; echo x > /made-file
        test -S /socket && test -c /null && test -b /block && echo special
    """
    paths = {
        "/there": (folder, "Directory"),
        "/file": (f"{folder}/file", "File"),
        "/made": (f"{folder}/made/deep", "DirectoryOrCreate"),
        "/made-file": (f"{folder}/made-file", "FileOrCreate"),
        "/socket": ("/run/containerd/containerd.sock", "Socket"),
        "/null": ("/dev/null", "CharDevice"),
        "/block": (f"{folder}/block", "BlockDevice"),
        "/any": (folder, ""),
    }
    volumes = [(at, {"hostPath": {"path": path, "type": kind}}) for at, (path, kind) in paths.items()]
    manifest = mounted("types", script, *volumes)
    manifest["spec"]["nodeName"] = node.name
    assert run(kubectl, manifest).split() == ["of-the-node", "of-the-node", "special"]
    seen = node.sh(f"cat {folder}/new {folder}/made/deep/file {folder}/made-file && rm -r {folder}")
    assert seen.split() == ["kept", "made", "x"]


def test_host_paths_that_are_not_there_are_said(kubectl: Kubectl, node: Node) -> None:
    """No Pod starts without its volume."""
    wrong = {
        "no-folder": ({"path": "/etc/passwd", "type": "Directory"}, "is not a directory"),
        "no-file": ({"path": "/no/such/file", "type": "File"}, "is not a file"),
        "no-socket": ({"path": "/etc/passwd", "type": "Socket"}, "is not a socket file"),
        "no-device": ({"path": "/etc/passwd", "type": "BlockDevice"}, "is not a block device"),
    }
    kubectl.apply(*(mounted(name, "true", ("/host", {"hostPath": source})) for name, (source, _) in wrong.items()))
    for name, (_, sentence) in wrong.items():
        kubectl.event(name, "FailedMount", sentence)
        assert kubectl.get("pod", name)["status"]["phase"] == "Pending"
    kubectl.run("delete", "pods", "--all", "--wait=false")


def test_a_sub_path_that_is_not_there_is_an_error(sources: Kubectl) -> None:
    kubectl, volume = sources, ("/c", {"configMap": {"name": "settings"}})
    kubectl.apply(mounted("lacks", "true", volume, subPath="mode/none", readOnly=True))
    (status,) = eventually(
        lambda: [
            each
            for each in kubectl.get("pod", "lacks")["status"].get("containerStatuses", [])
            if each["state"].get("waiting", {}).get("message")
        ],
        30,
        "the Pod says why it waits",
    )
    assert "subPath" in status["state"]["waiting"]["message"]


def test_a_persistent_volume_is_kept(kubectl: Kubectl, node: Node) -> None:
    """By its claim, from one Pod to the next; and a folder in it by subPath."""
    name, folder = kubectl.namespace, f"/var/lib/{kubectl.namespace}"
    access = {"accessModes": ["ReadWriteOnce"], "storageClassName": ""}
    of_node = {"key": "kubernetes.io/hostname", "operator": "In", "values": [node.name]}
    volume = {
        "capacity": {"storage": "1Mi"},
        "hostPath": {"path": folder, "type": "DirectoryOrCreate"},
        "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [of_node]}]}},
        **access,
    }
    claim = {"resources": {"requests": {"storage": "1Mi"}}, "volumeName": name, **access}
    kubectl.apply(
        {"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": name}, "spec": volume},
        {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "data"}, "spec": claim},
    )
    source = {"persistentVolumeClaim": {"claimName": "data"}}
    try:
        run(kubectl, mounted("writes", "mkdir -p /data/deep && echo kept > /data/deep/file", ("/data", source)))
        assert run(kubectl, mounted("reads", "cat /data/file", ("/data", source), subPath="deep")) == "kept\n"
    finally:
        kubectl.run("delete", "pod,pvc", "--all", "--wait=false")
        kubectl.run("delete", "pv", name, "--wait=false")
        node.sh(f"rm -r {folder}")


def test_volumes_are_gone_with_their_container(sources: Kubectl, node: Node) -> None:
    """Neither mounted on the node while it runs, nor there for the next of the namespace."""
    inside = "/srv/e2e-volume"
    manifest = mounted(
        "has", "cat /srv/e2e-volume/mode; echo; sleep 600", (inside, {"configMap": {"name": "settings"}})
    )
    manifest["spec"] |= {"nodeName": node.name, "terminationGracePeriodSeconds": 1}
    sources.apply(manifest)
    sources.in_phase("pod", "has", "Running")
    eventually(lambda: sources.logs("has") == "fast\n", 10, "the volume is read")
    assert run(sources, mounted("lacks", f"ls -A {inside} | wc -l")) == "0\n"
    assert inside not in node.sh("cat /proc/1/mountinfo")
    sources.run("delete", "pod", "has", "--wait=false")


def test_a_config_map_that_changes_is_seen(sources: Kubectl) -> None:
    """kubelet swaps a symbolic link in the directory that is mounted."""
    manifest = mounted(
        "reads", "until grep -q slow /c/mode; do sleep 0.2; done", ("/c", {"configMap": {"name": "settings"}})
    )
    sources.apply(manifest)
    sources.in_phase("pod", "reads", "Running")
    sources.run("patch", "configmap", "settings", "--patch", '{"data": {"mode": "slow"}}')
    looks = itertools.count()

    def phase() -> str | None:
        # kubelet looks again when the Pod changes, else only once a minute; and it may hear of the Pod's change first.
        sources.run("annotate", "pod", "reads", f"look={next(looks)}", "--overwrite")
        found = str(sources.get("pod", "reads")["status"]["phase"])
        return found if found != "Running" else None

    assert eventually(phase, 50, "the Pod has ended") == "Succeeded"


def test_tokens_of_service_accounts_are_each_pods_own(kubectl: Kubectl, node: Node) -> None:
    """The original shows the last one's to all Pods of a namespace."""
    names = ("alice", "bob")
    for name in names:
        kubectl.run("create", "serviceaccount", name)
        main = container("main", "/bin/sleep", "600")
        kubectl.apply(pod(name, main, serviceAccountName=name, nodeName=node.name, terminationGracePeriodSeconds=1))
    for name in names:
        kubectl.in_phase("pod", name, "Running")
    for name in names:
        path = "/var/run/secrets/kubernetes.io/serviceaccount/token"
        script = f"cut -d. -f2 {path} | tr '_-' '/+' | base64 -d 2>/dev/null"
        assert f'"{name}"' in kubectl.execute(name, "sh", "-c", script).out
    assert node.sh("ls /run/secrets/kubernetes.io/serviceaccount 2>/dev/null || true") == ""


def test_the_last_words_reach_the_status(kubectl: Kubectl) -> None:
    """Where the container looks for them; and the end of its log, where it asks for that."""
    says = "echo my last words > {0}; echo a line of the log; exit 3"
    elsewhere, log = "/var/run/last-words", {"terminationMessagePolicy": "FallbackToLogsOnError"}
    kubectl.apply(
        pod("speaks", container("main", "/bin/sh", "-c", says.format("/dev/termination-log"))),
        pod(
            "writes",
            container("main", "/bin/sh", "-c", says.format(elsewhere), terminationMessagePath=elsewhere),
        ),
        pod("logs", container("main", "/bin/sh", "-c", says.format("/dev/null"), **log)),
    )
    for name, words in (("speaks", "my last words"), ("writes", "my last words"), ("logs", "a line of the log")):
        status = kubectl.ended(name)["status"]["containerStatuses"][0]
        assert status["state"]["terminated"]["message"] == f"{words}\n"


def test_host_aliases_are_known(kubectl: Kubectl) -> None:
    manifest = pod("knows", container("main", "getent", "hosts", "licences.example"))
    manifest["spec"]["hostAliases"] = [{"ip": "192.0.2.7", "hostnames": ["licences.example"]}]
    for name, host_network in (("in-host-network", True), ("in-pod-network", False)):
        manifest["metadata"]["name"] = name
        manifest["spec"]["hostNetwork"] = host_network
        assert run(kubectl, manifest).split() == ["192.0.2.7", "licences.example"]


def test_name_servers_are_the_nodes_or_the_clusters(kubectl: Kubectl, node: Node) -> None:
    """Each Pod's own choice, at the same time in one overlay; nothing of it is written there."""
    dns = type(kubectl)("kube-system").get("service", "kube-dns")["spec"]["clusterIP"]
    wait = (
        "touch /opt/$NAME; until [ -e /opt/host ] && [ -e /opt/kubernetes ]; do sleep 0.1; done; cat /etc/resolv.conf"
    )
    pods = []
    for mode in ("host", "kubernetes"):
        main = container("main", "/bin/sh", "-c", wait, env=[{"name": "NAME", "value": mode}])
        pods.append(pod(mode, main, dnsPolicy="ClusterFirstWithHostNet", nodeName=node.name))
        pods[-1]["metadata"]["annotations"] = {"reaper.runtime/dns-mode": mode}
    of_node, of_cluster = kubectl.printed(*pods)
    assert of_node == node.sh("cat /etc/resolv.conf")
    assert f"nameserver {dns}" in of_cluster
    assert f"search {kubectl.namespace}.svc.cluster.local" in of_cluster
    plain = pod("plain", container("main", "cat", "/etc/resolv.conf"), nodeName=node.name)
    assert kubectl.printed(plain) == [of_node]
