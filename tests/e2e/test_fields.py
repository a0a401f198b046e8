"""What a task asks for reaches its process: variables, volumes, groups, overlays, DNS, tokens, places."""

from __future__ import annotations

from typing import TYPE_CHECKING

from manifests import shell

if TYPE_CHECKING:
    from kubectl import Kubectl, Node


def output(kubectl: Kubectl, name: str) -> str:
    """What a task printed, once it has succeeded."""
    status = kubectl.finished(name)["status"]
    assert status["phase"] == "Succeeded", status
    return kubectl.logs(name)


def test_variables(kubectl: Kubectl) -> None:
    kubectl.run("create", "configmap", "app", "--from-literal=mode=fast", "--from-literal=level=3")
    kubectl.run("create", "secret", "generic", "db", "--from-literal=password=hunter2")
    env = [
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "db", "key": "password"}}},
        {"name": "NONE", "valueFrom": {"secretKeyRef": {"name": "no", "key": "no", "optional": True}}},
        {"name": "URL", "value": "db://$(PASSWORD)"},
    ]
    sources = [{"prefix": "APP_", "configMapRef": {"name": "app"}}, {"secretRef": {"name": "no", "optional": True}}]
    kubectl.apply(shell("env", 'echo "$URL $APP_mode $APP_level ${NONE-unset}"', env=env, envFrom=sources))

    assert output(kubectl, "env") == "db://hunter2 fast 3 unset\n"


def test_volumes(kubectl: Kubectl, node: Node) -> None:
    kubectl.run("create", "configmap", "app", "--from-literal=app.conf=green")
    kubectl.run("create", "secret", "generic", "db", "--from-literal=password=hunter2")
    folder = f"/var/tmp/{kubectl.namespace}"
    volumes = [
        {"name": "config", "mountPath": "/etc/app", "configMap": {"name": "app"}},
        {
            "name": "secret",
            "mountPath": "/etc/db",
            "secret": {"secretName": "db", "items": [{"key": "password", "path": "a/b", "mode": 0o400}]},
        },
        {"name": "scratch", "mountPath": "/scratch", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}},
        {"name": "node", "mountPath": "/data", "hostPath": {"path": folder, "type": "DirectoryOrCreate"}},
        {"name": "fixed", "mountPath": "/fixed", "readOnly": True, "hostPath": {"path": "/etc"}},
        {
            "name": "all",
            "mountPath": "/all",
            "projected": {
                "sources": [
                    {"configMap": {"name": "app"}},
                    {"serviceAccountToken": {"path": "token", "audience": "vault"}},
                ]
            },
        },
    ]
    script = (
        "cat /etc/app/app.conf /etc/db/a/b; stat -Lc ' %a' /etc/db/a/b; stat -f -c %T /scratch; echo kept >/data/file; "
        "{ echo x >/fixed/e2e; } 2>/dev/null || echo read-only; cat /all/app.conf; echo; tr . '\\n' </all/token | wc -l"
    )
    kubectl.apply(shell("mounts", script, volumes=volumes, nodeName=node.name))

    assert output(kubectl, "mounts").split() == ["greenhunter2", "400", "tmpfs", "read-only", "green", "2"]
    assert node.sh(f"cat {folder}/file; rm -r {folder}") == "kept\n"


def test_groups(kubectl: Kubectl) -> None:
    kubectl.apply(shell("groups", "id -u; id -G", user={"uid": 1000, "gid": 1001, "supplementalGroups": [27, 44]}))

    assert output(kubectl, "groups").split() == ["1000", "1001", "27", "44"]


def test_an_overlay_of_its_own(kubectl: Kubectl, node: Node) -> None:
    kubectl.apply(shell("writes", "echo kept >/opt/e2e-task", overlay={"name": "mine"}, nodeName=node.name))
    output(kubectl, "writes")
    look = "cat /opt/e2e-task 2>/dev/null || echo nothing"
    kubectl.apply(
        shell("shares", look, overlay={"name": "mine"}, nodeName=node.name), shell("other", look, nodeName=node.name)
    )

    assert (output(kubectl, "shares"), output(kubectl, "other")) == ("kept\n", "nothing\n")


def test_the_dns_of_the_cluster(kubectl: Kubectl) -> None:
    kubectl.apply(shell("resolves", "grep search /etc/resolv.conf", dnsMode="kubernetes"))

    assert "svc.cluster.local" in output(kubectl, "resolves")


def test_a_token_for_those_that_name_an_account(kubectl: Kubectl) -> None:
    kubectl.run("create", "serviceaccount", "builder")
    look = "cut -c1-2 /var/run/secrets/kubernetes.io/serviceaccount/token 2>/dev/null || echo none"
    kubectl.apply(shell("has", look, serviceAccountName="builder"), shell("lacks", look))

    assert (output(kubectl, "has"), output(kubectl, "lacks")) == ("ey\n", "none\n")


def test_affinity_and_a_node_by_name(kubectl: Kubectl, node: Node) -> None:
    required = {
        "nodeSelectorTerms": [
            {"matchExpressions": [{"key": "kubernetes.io/os", "operator": "In", "values": ["linux"]}]},
            {"matchExpressions": [{"key": "example.com/other", "operator": "Exists"}]},
        ]
    }
    affinity = {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}
    kubectl.apply(shell("placed", "hostname", affinity=affinity, nodeName=node.name))

    assert output(kubectl, "placed") == f"{node.name}\n"


def test_labels_and_annotations_follow(kubectl: Kubectl) -> None:
    manifest = shell("marked", "exit 0")
    manifest["metadata"] |= {"labels": {"team": "a", "example.com/cost": "b"}, "annotations": {"note": "see wiki"}}
    kubectl.apply(manifest)
    output(kubectl, "marked")

    metadata = kubectl.get("pod", "marked")["metadata"]
    assert metadata["labels"].items() >= {"team": "a", "example.com/cost": "b", "reaper.io/task": "marked"}.items()
    assert metadata["annotations"]["note"] == "see wiki"
    assert not [key for key in metadata["annotations"] if key.startswith("kubectl.kubernetes.io/")]


def test_explain_knows_every_field(kubectl: Kubectl) -> None:
    text = kubectl.run("explain", "reapertask.spec", "--recursive").out
    for field in (
        "backoffLimit",
        "suspend",
        "ttlSecondsAfterFinished",
        "volumes",
        "overlay",
        "dnsMode",
        "secretKeyRef",
    ):
        assert field in text
    assert "How often a failed task is tried again" in kubectl.run("explain", "rt.spec.backoffLimit").out
