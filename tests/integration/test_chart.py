"""The chart, rendered by Helm: what it installs, what can be set, and what is refused."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
CHART = ROOT / "charts" / "reaper"
TOOLS = ROOT / ".tools"

Object = dict[str, Any]


def helm(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    own = TOOLS / "bin" / "helm"
    program = str(own) if own.exists() else shutil.which("helm")
    assert program, "helm is missing: run `make cluster`"
    return subprocess.run([program, *words], input=stdin, capture_output=True, text=True, check=False)


def render(*settings: str, release: str = "reaper") -> dict[tuple[str, str], Object]:
    words = [word for setting in settings for word in ("--set", setting)]
    done = helm("template", release, str(CHART), "--namespace", "reaper-system", *words)
    assert done.returncode == 0, done.stderr
    objects = [document for document in yaml.safe_load_all(done.stdout) if document]
    return {(item["kind"], _name(item["metadata"], item["kind"])): item for item in objects}


def _name(metadata: Object, kind: str) -> str:
    """Roles of one name are in two namespaces."""
    return f"{metadata['namespace']}/{metadata['name']}" if kind in {"Role", "RoleBinding"} else str(metadata["name"])


def kinds(objects: dict[tuple[str, str], Object]) -> set[str]:
    return {kind for kind, _ in objects}


def container(workload: Object) -> Object:
    (only,) = workload["spec"]["template"]["spec"]["containers"]
    assert isinstance(only, dict)
    return only


def test_lint_finds_nothing() -> None:
    done = helm("lint", "--strict", str(CHART))

    assert done.returncode == 0, done.stdout + done.stderr


def test_the_version_is_that_of_the_code() -> None:
    code = re.search(r'__version__ = "(.*)"', (ROOT / "runtime/reaper_runtime/__init__.py").read_text())
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())

    assert code is not None
    assert chart["version"] == chart["appVersion"] == code[1]


def test_the_crd_is_the_generated_one_and_stays() -> None:
    crd = render()["CustomResourceDefinition", "reapertasks.reaper.io"]

    assert crd["spec"] == yaml.safe_load((ROOT / "crds" / "reapertask.yaml").read_text())["spec"]
    assert crd["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}


def test_the_crd_can_go_with_the_release_or_come_from_elsewhere() -> None:
    crd = render("crds.keep=false")["CustomResourceDefinition", "reapertasks.reaper.io"]

    assert "annotations" not in crd["metadata"]
    assert "CustomResourceDefinition" not in kinds(render("crds.install=false"))


def test_pods_only_land_where_the_runtime_is() -> None:
    objects = render("runtimeClass.nodeSelector.pool=batch", "runtimeClass.tolerations[0].operator=Exists")

    runtime_class = objects["RuntimeClass", "reaper-v2"]
    assert runtime_class["handler"] == "reaper-v2"
    assert runtime_class["scheduling"] == {
        "nodeSelector": {"reaper.io/runtime": "ready", "pool": "batch"},
        "tolerations": [{"operator": "Exists"}],
    }
    assert "RuntimeClass" not in kinds(render("runtimeClass.install=false"))


@pytest.mark.parametrize(("kind", "name"), [("Deployment", "reaper-operator"), ("Job", "reaper-node-removal")])
def test_what_needs_no_privilege_has_none(kind: str, name: str) -> None:
    """Pod Security "restricted" would let it run."""
    workload = render()[kind, name]

    pod = workload["spec"]["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container(workload)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostPID", "hostNetwork", "hostIPC"} & pod.keys()
    assert "limits" in container(workload)["resources"]


def rights(role: Object) -> set[tuple[str, str, str]]:
    rules = role["rules"]
    return {(g, r, v) for rule in rules for g in rule["apiGroups"] for r in rule["resources"] for v in rule["verbs"]}


def test_rights_are_those_that_the_operator_documents() -> None:
    """operator/README.md lists them for those who decide; the two must not drift."""
    documented = set()
    for line in (ROOT / "operator" / "README.md").read_text().splitlines():
        cells = [cell.strip(" `") for cell in line.strip("|").split("|")]
        if len(cells) == 4 and cells[0] in {"reaper.io", "core"}:
            group = "" if cells[0] == "core" else cells[0]
            documented |= {(group, cells[1], verb.strip()) for verb in cells[2].split(",")}

    assert documented
    assert rights(render()["ClusterRole", "reaper-operator"]) == documented


def test_rights_of_the_node_installer() -> None:
    objects = render()

    assert rights(objects["ClusterRole", "reaper-node"]) == {("", "nodes", "get"), ("", "nodes", "patch")}
    assert rights(objects["Role", "default/reaper-node"]) == {("", "events", "create")}
    removal = objects["Role", "reaper-system/reaper-node-removal"]
    assert rights(removal) == {("apps", "daemonsets", "get"), ("apps", "daemonsets", "patch"), ("", "pods", "list")}
    assert removal["rules"][0]["resourceNames"] == ["reaper-node"]


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
    assert "Job" not in kinds(render("node.removal.enabled=false"))


def test_the_installer_is_told_where_containerd_is() -> None:
    objects = render("node.containerd.unit=k3s.service", "node.containerd.socket=/run/k3s/c.sock", "logLevel=debug")

    environment = {i["name"]: i.get("value") for i in container(objects["DaemonSet", "reaper-node"])["env"]}
    assert environment["REAPER_CONTAINERD_UNIT"] == "k3s.service"
    assert environment["REAPER_CONTAINERD_SOCKET"] == "/run/k3s/c.sock"
    assert environment["REAPER_LOG_LEVEL"] == "debug"


def test_images_follow_the_chart_or_the_values() -> None:
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    plain = render()
    chosen = render("operator.image.repository=example.com/op", "operator.image.tag=v1", "imagePullSecrets[0]=key")

    assert container(plain["Deployment", "reaper-operator"])["image"] == f"reaper-operator:{version}"
    assert container(plain["DaemonSet", "reaper-node"])["image"] == f"reaper-node:{version}"
    assert container(chosen["Deployment", "reaper-operator"])["image"] == "example.com/op:v1"
    for kind, name in (("Deployment", "operator"), ("DaemonSet", "node"), ("Job", "node-removal")):
        spec = chosen[kind, f"reaper-{name}"]["spec"]["template"]["spec"]
        assert spec["imagePullSecrets"] == [{"name": "key"}], kind


def test_names_follow_the_release() -> None:
    names = {name for kind, name in render(release="other") if kind not in {"CustomResourceDefinition", "RuntimeClass"}}

    assert {name.rpartition("/")[2].partition("-")[0] for name in names} == {"other"}


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ("node.contianerd.unit=x.service", "'contianerd' not allowed"),
        ("logLevel=loud", "/logLevel"),
        ("node.checkSeconds=0", "/node/checkSeconds"),
        ("node.containerd.socket=relative", "/node/containerd/socket"),
        ("node.maxUnavailable=some", "/node/maxUnavailable"),
        ("operator.extraEnv[0].name=REAPER_OPERATOR_WORKERS", "/operator/extraEnv/0/name"),
    ],
)
def test_a_wrong_value_is_refused_by_name(setting: str, complaint: str) -> None:
    done = helm("template", "reaper", str(CHART), "--set", setting)

    assert done.returncode != 0
    assert complaint in done.stderr


def leaves(values: Object, path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
    found: set[tuple[str, ...]] = set()
    for key, value in values.items():
        found |= leaves(value, (*path, key)) if isinstance(value, dict) and value else {(*path, key)}
    return found


def test_every_value_has_a_schema_and_every_schema_a_value() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    schema = json.loads((CHART / "values.schema.json").read_text())

    def named(node: Object, path: tuple[str, ...] = ()) -> set[tuple[str, ...]]:
        properties = node.get("properties", {})
        inner = (named(child, (*path, key)) for key, child in properties.items())
        return set().union(*inner) if properties else {path}

    # What the values name below a free-form object (a memory limit) is not the schema's business.
    tops = named(schema) - {("global",), ("operator", "resources", "claims"), ("node", "resources", "claims")}
    assert tops <= {path[:length] for path in leaves(values) for length in range(1, len(path) + 1)}


def test_a_real_api_server_takes_it_all() -> None:
    rendered = helm("template", "dry", str(CHART), "--namespace", "default", "--no-hooks").stdout
    command = [str(TOOLS / "bin" / "kubectl"), "--kubeconfig", str(TOOLS / "kubeconfig"), "--namespace", "default"]
    command += ["apply", "--dry-run=server", "--validate=strict", "--force-conflicts", "--server-side", "-f", "-"]

    done = subprocess.run(command, input=rendered, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
