"""What the chart makes of nodes: installer, agent, and their end."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest

from reaper_node.settings import Settings as NodeSettings
from tests.integration.api import MERGE, Answer, Api
from tests.integration.charts import Object, container, containers, render, rights

if TYPE_CHECKING:
    from collections.abc import Iterator


def test_rights_of_the_node_installer() -> None:
    objects = render()

    installer = {("", "nodes", "get"), ("", "nodes", "patch"), ("", "namespaces", "list")}
    agent = {("reaper.io", "reapertasks", "get"), ("reaper.io", "reapertasks/status", "patch")}
    assert rights(objects["ClusterRole", "reaper-node"]) == installer | agent
    assert rights(render("node.agent.enabled=false")["ClusterRole", "reaper-node"]) == installer
    assert rights(objects["Role", "default/reaper-node"]) == {("", "events", "create")}
    removal = objects["Role", "reaper-system/reaper-node-removal"]
    assert rights(removal) == {("apps", "daemonsets", "get"), ("apps", "daemonsets", "patch"), ("", "pods", "list")}
    assert removal["rules"][0]["resourceNames"] == ["reaper-node"]


POLICY = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolic"
PATIENCE = 20.0  # seconds until a policy is in force
RELEASE = "reaper-test-policy"


@pytest.fixture
def own_node(api: Api) -> Iterator[str]:
    """A Node of nobody, and the policy of a release of its own."""
    objects = render(release=RELEASE)
    api.apply(f"{POLICY}ies/{RELEASE}-node", objects["ValidatingAdmissionPolicy", f"{RELEASE}-node"])
    api.apply(f"{POLICY}ybindings/{RELEASE}-node", objects["ValidatingAdmissionPolicyBinding", f"{RELEASE}-node"])
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": RELEASE}, "spec": {"unschedulable": True}}
    api.request("POST", "/api/v1/nodes", node).ok()
    yield f"/api/v1/nodes/{RELEASE}"
    for path in (f"/api/v1/nodes/{RELEASE}", f"{POLICY}ybindings/{RELEASE}-node", f"{POLICY}ies/{RELEASE}-node"):
        api.request("DELETE", path).ok()


def as_installer(node: str) -> dict[str, str]:
    """The API server's view of the installer's pod on a node. RBAC is not what is tried here."""
    return {
        "Impersonate-User": f"system:serviceaccount:reaper-system:{RELEASE}-node",
        "Impersonate-Group": "system:masters",
        "Impersonate-Extra-authentication.kubernetes.io%2fnode-name": node,
    }


def test_the_installer_changes_the_metadata_of_its_own_node_only(api: Api, own_node: str) -> None:
    label: Object = {"metadata": {"labels": {"reaper.io/runtime": "ready"}}}
    spec: Object = {"spec": {"unschedulable": None}}
    taint: Object = {"spec": {"taints": [{"key": "a", "effect": "NoExecute"}]}}

    def patch(body: Object, node: str = RELEASE) -> Answer:
        return api.request("PATCH", own_node, body, content_type=MERGE, headers=as_installer(node))

    deadline = time.monotonic() + PATIENCE
    while (answer := patch(taint | {"metadata": {"labels": {"try": str(time.monotonic())}}})).status < 300:
        api.request("PATCH", own_node, {"spec": {"taints": None}}, content_type=MERGE).ok()
        assert time.monotonic() < deadline
    for refused in (answer, patch(spec)):
        assert refused.status == 403
        assert "changes labels and annotations only" in refused.message
    assert "changes the Node that it runs on only" in patch(label, node="another").message
    for others in ({"labels": {"pool": "gpu"}}, {"annotations": {"a": "b"}}, {"finalizers": ["a.b/c"]}):
        assert "changes its own label and annotations of a Node only" in patch({"metadata": others}).message
    patch(label | {"metadata": {**label["metadata"], "annotations": {"reaper.io/runtime-version": "1"}}}).ok()
    api.request("PATCH", own_node, spec, content_type=MERGE).ok()  # others may: an empty spec then
    patch({"metadata": {"labels": {"reaper.io/runtime": None}}}).ok()
    unbound = as_installer(RELEASE)
    del unbound["Impersonate-Extra-authentication.kubernetes.io%2fnode-name"]
    assert api.request("PATCH", own_node, label, content_type=MERGE, headers=unbound).status == 403


def test_the_agent_has_no_privilege_and_sees_one_folder_of_the_node() -> None:
    daemon_set = render("logLevel=debug")["DaemonSet", "reaper-node"]
    agent, volumes = containers(daemon_set)["agent"], daemon_set["spec"]["template"]["spec"]["volumes"]

    assert agent["args"] == ["watch"]
    assert agent["securityContext"] == {
        "runAsUser": 0,
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    (mount,) = agent["volumeMounts"]
    (source,) = [volume["hostPath"] for volume in volumes if volume["name"] == mount["name"]]
    assert mount["readOnly"] is True
    assert mount["mountPath"] == source["path"] == NodeSettings("").tasks_directory
    assert {item["name"]: item.get("value") for item in agent["env"]} == {
        "NODE_NAME": None,
        "REAPER_LOG_LEVEL": "debug",
    }


def test_kubectl_logs_shows_the_installer_unless_somebody_says_otherwise() -> None:
    name = "kubectl.kubernetes.io/default-container"
    key = f"node.podAnnotations.{name.replace('.', chr(92) + '.')}"
    for settings, shown in (((), "installer"), ((f"{key}=agent", "node.podAnnotations.a=b"), "agent")):
        template = render(*settings)["DaemonSet", "reaper-node"]["spec"]["template"]
        assert template["metadata"]["annotations"][name] == shown
        assert shown in {container["name"] for container in template["spec"]["containers"]}


def test_a_cluster_can_do_without_the_agent() -> None:
    objects = render("node.agent.enabled=false")

    assert containers(objects["DaemonSet", "reaper-node"]).keys() == {"installer"}
    assert "reaper-node-status" not in {name for _, name in objects}


def test_uninstalling_cleans_the_nodes_first() -> None:
    objects = render("node.removal.timeoutSeconds=100")

    job = objects["Job", "reaper-node-removal"]
    assert job["metadata"]["annotations"]["helm.sh/hook"] == "pre-delete"
    environment = {item["name"]: item["value"] for item in container(job)["env"]}
    daemon_set = objects["DaemonSet", environment["REAPER_DAEMONSET"]]
    wanted = dict(pair.split("=") for pair in environment["REAPER_SELECTOR"].split(","))
    assert wanted.items() <= daemon_set["spec"]["template"]["metadata"]["labels"].items()
    assert job["spec"]["activeDeadlineSeconds"] > float(environment["REAPER_TIMEOUT"]) == 100
    assert container(daemon_set)["name"] == "installer"
    assert "reaper-node-removal" not in {name for _, name in render("node.removal.enabled=false")}


def test_uninstalling_stops_the_operator_and_lets_tasks_go_when_the_nodes_are_clean() -> None:
    objects = render("operator.removal.timeoutSeconds=30")

    job, operator = objects["Job", "reaper-operator-removal"], objects["Deployment", "reaper-operator"]
    annotations = job["metadata"]["annotations"]
    assert annotations["helm.sh/hook"] == "pre-delete"
    assert int(annotations["helm.sh/hook-weight"]) > 0
    command, *flags = container(job)["args"]
    chosen = dict(flag.removeprefix("--").split("=", 1) for flag in flags)
    assert command == "release"
    assert objects["Deployment", chosen["deployment"]] is operator
    assert chosen["namespace"] == "reaper-system"
    wanted = dict(pair.split("=") for pair in chosen["selector"].split(","))
    assert wanted.items() <= operator["spec"]["template"]["metadata"]["labels"].items()
    assert not wanted.items() <= job["spec"]["template"]["metadata"]["labels"].items()
    assert job["spec"]["activeDeadlineSeconds"] > float(chosen["timeout"]) == 30
    assert "reaper-operator-removal" not in {name for _, name in render("operator.removal.enabled=false")}


def test_the_installer_is_told_where_containerd_is() -> None:
    objects = render("node.containerd.unit=k3s.service", "node.containerd.socket=/run/k3s/c.sock", "logLevel=debug")

    environment = {i["name"]: i.get("value") for i in container(objects["DaemonSet", "reaper-node"])["env"]}
    assert environment["REAPER_CONTAINERD_UNIT"] == "k3s.service"
    assert environment["REAPER_CONTAINERD_SOCKET"] == "/run/k3s/c.sock"
    assert environment["REAPER_LOG_LEVEL"] == "debug"
