"""Users, groups, capabilities, environment: what the Pod says is what the process has, and what each exec has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from manifests import container, pod
from waiting import eventually

if TYPE_CHECKING:
    from kubectl import Kubectl, Node

Object = dict[str, Any]

_WHO = "id -u; id -g; id -G; umask; grep -E '^(CapEff|CapBnd|NoNewPrivs):' /proc/self/status"
_NET_BIND_SERVICE, _NET_ADMIN = 1 << 10, 1 << 12  # linux/capability.h
_RUNNING = "sleep 600"


def shell(name: str, script: str, security: Object | None = None, **spec: Any) -> Object:
    main = container("main", "/bin/sh", "-c", script, securityContext=security or {})
    return pod(name, main, terminationGracePeriodSeconds=1, **spec)


def who(text: str) -> tuple[list[str], dict[str, int]]:
    """Of the output of _WHO: the lines of id and umask, and the masks of /proc/self/status (in hexadecimal)."""
    lines = text.splitlines()
    masks = (line.split() for line in lines[4:])
    return lines[:4], {name.rstrip(":"): int(mask, 16) for name, mask in masks}


def test_users_groups_and_capabilities_of_the_process_and_of_its_execs(kubectl: Kubectl, node: Node) -> None:
    limited = {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]},
    }
    groups = {"runAsUser": 1000, "runAsGroup": 2000, "supplementalGroups": [3000], "fsGroup": 4000}
    script = f"{_WHO}; exec {_RUNNING}"
    kubectl.apply(
        shell("user", script, limited, securityContext=groups),
        shell("capable", script, {"capabilities": {"drop": ["ALL"], "add": ["NET_ADMIN"]}}),
        shell("root", script, nodeName=node.name),
        shell("nobody", script, {"runAsUser": 65534, "runAsGroup": 65534}),
    )
    seen = {}
    for name in ("user", "capable", "root", "nobody"):
        kubectl.in_phase("pod", name, "Running")
        eventually(lambda name=name: "NoNewPrivs" in kubectl.logs(name), 10, f"{name} has printed")  # type: ignore[misc]
        seen[name] = who(kubectl.logs(name))
        assert who(kubectl.execute(name, "sh", "-c", _WHO).out) == seen[name], f"exec of {name} differs"

    script = "cat /proc/$(systemctl show --property=MainPID --value containerd)/status"
    (of_node,) = [int(line.split()[1], 16) for line in node.sh(script).splitlines() if line.startswith("CapEff")]
    assert seen["user"] == (
        ["1000", "2000", "2000 3000 4000", "0022"],
        {"CapEff": 0, "CapBnd": _NET_BIND_SERVICE, "NoNewPrivs": 1},
    )
    assert seen["capable"][0][:3] == ["0", "0", "0"]
    assert seen["capable"][1] == {"CapEff": _NET_ADMIN, "CapBnd": _NET_ADMIN, "NoNewPrivs": 0}
    assert seen["root"][0] == ["0", "0", "0", "0022"]  # and none of the other groups that root has on the node
    assert seen["root"][1]["CapEff"] == of_node
    assert seen["nobody"][0][:3] == ["65534", "65534", "65534"]
    assert seen["nobody"][1]["CapEff"] == 0


def test_a_volume_has_the_group_of_the_pod(kubectl: Kubectl) -> None:
    main = container(
        "main", "/bin/sh", "-c", "echo x > /data/file; stat -c '%u %g' /data/file",
        volumeMounts=[{"name": "data", "mountPath": "/data"}],
    )  # fmt: skip
    volume = {"name": "data", "emptyDir": {}}
    security = {"runAsUser": 1000, "runAsGroup": 2000, "fsGroup": 4000}
    assert kubectl.printed(pod("writes", main, volumes=[volume], securityContext=security)) == ["1000 4000\n"]


def test_nothing_of_the_runtimes_environment_is_in_the_process(kubectl: Kubectl) -> None:
    main = container("main", "env", env=[{"name": "GREETING", "value": "hello"}])
    (text,) = kubectl.printed(pod("prints", main, enableServiceLinks=False))
    names = {line.partition("=")[0] for line in text.splitlines()}
    of_the_cluster = {name for name in names if name.startswith("KUBERNETES_")}
    assert names - of_the_cluster == {"GREETING", "HOME", "HOSTNAME", "PATH"}


def test_a_working_directory_is_made_and_stays_inside(kubectl: Kubectl, node: Node) -> None:
    folder = f"/srv/{kubectl.namespace}/work"
    main = container("main", "/bin/sh", "-c", "pwd", workingDir=folder)
    assert kubectl.printed(pod("works", main, nodeName=node.name)) == [f"{folder}\n"]
    assert node.sh(f"ls -d {folder} 2>/dev/null || echo none") == "none\n"


def test_a_read_only_root_leaves_volumes_to_write_to(kubectl: Kubectl) -> None:
    main = container(
        "main", "/bin/sh", "-c", "{ echo x > /opt/file; } 2>&1; echo x > /data/file && echo written",
        securityContext={"readOnlyRootFilesystem": True}, volumeMounts=[{"name": "data", "mountPath": "/data"}],
    )  # fmt: skip
    (text,) = kubectl.printed(pod("writes", main, volumes=[{"name": "data", "emptyDir": {}}]))
    assert "Read-only file system" in text
    assert text.endswith("written\n")


def test_best_effort_pods_are_the_first_to_go_when_memory_is_short(kubectl: Kubectl) -> None:
    main = container("main", "cat", "/proc/self/oom_score_adj")
    assert kubectl.printed(pod("reads", main)) == ["1000\n"]


def test_what_has_no_meaning_is_a_warning_in_containerds_log(kubectl: Kubectl, node: Node) -> None:
    """By the shim's log FIFO, in containerd's format, with the container's id."""
    profile = {"seccompProfile": {"type": "RuntimeDefault"}}
    kubectl.printed(shell("asks", "true", profile, nodeName=node.name))
    (status,) = kubectl.get("pod", "asks")["status"]["containerStatuses"]
    name = status["containerID"].removeprefix("containerd://")
    script = f"journalctl -u containerd --no-pager --since=-120s | grep 'container {name}: '"
    lines = eventually(lambda: node.sh(script, check=False).splitlines(), 10, "containerd has the warning")
    assert "level=warning" in lines[0]
    assert "not applied to a host process: linux.seccomp" in lines[0]
    assert "runtime=io.containerd.reaper.v2" in lines[0]


def test_a_user_namespace_is_refused(kubectl: Kubectl) -> None:
    """By the chart's policy, and by containerd where a namespace does without."""
    mapped = pod("mapped", container("main", "true"), hostUsers=False, hostNetwork=False)
    refused = kubectl.apply(mapped, check=False)
    assert refused.code != 0
    assert (
        "RPR017: A host process has the node's users: a user namespace is refused. Leave hostUsers out" in refused.err
    )
    kubectl.run("label", "namespace", kubectl.namespace, "reaper.io/rules=none")
    eventually(lambda: kubectl.apply(mapped, check=False).code == 0, 10, "the API server has seen the label")
    kubectl.event("mapped", "FailedCreatePodSandBox", 'handler "reaper-v2" does not support user namespaces')
    kubectl.run("delete", "pod", "mapped", "--wait=false")
