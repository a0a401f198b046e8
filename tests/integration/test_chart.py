"""The chart, rendered by Helm: what it installs, what can be set, and what is refused."""

from __future__ import annotations

import json
import re
import subprocess

import pytest
import yaml

from tests.integration.charts import CHART, ROOT, Object, container, helm, kinds, program, render


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
    without = render("runtimeClass.install=false")
    policy = ("ValidatingAdmissionPolicy", "reaper-ephemeralcontainers")
    assert "RuntimeClass" not in kinds(without)
    assert policy in render()
    assert policy in without  # the access policies do not look at what is added to a Pod that is there
    assert policy not in render("runtimeClass.install=false", "admission.access.enabled=false")


@pytest.mark.parametrize(
    ("kind", "name"),
    [("Deployment", "reaper-operator"), ("Job", "reaper-node-removal"), ("Job", "reaper-operator-removal")],
)
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


def test_images_follow_the_chart_or_the_values() -> None:
    version = yaml.safe_load((CHART / "Chart.yaml").read_text())["appVersion"]
    plain = render()
    chosen = render("operator.image.repository=example.com/op", "operator.image.tag=v1", "imagePullSecrets[0]=key")

    assert container(plain["Deployment", "reaper-operator"])["image"] == f"reaper-operator:{version}"
    assert container(plain["DaemonSet", "reaper-node"])["image"] == f"reaper-node:{version}"
    assert container(chosen["Deployment", "reaper-operator"])["image"] == "example.com/op:v1"
    for kind, name in (
        ("Deployment", "operator"),
        ("DaemonSet", "node"),
        ("Job", "node-removal"),
        ("Job", "operator-removal"),
    ):
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
        ("admission.webhooks.timeoutSeconds=30", "/admission/webhooks/timeoutSeconds"),
        ("admission.webhooks.certificates.mode=vault", "/admission/webhooks/certificates/mode"),
        ("admission.webhooks.certificates.days=0", "/admission/webhooks/certificates/days"),
        (
            "admission.webhooks.enabled=true,admission.webhooks.certificates.mode=secret",
            "admission.webhooks.certificates.secretName names the Secret with tls.crt, tls.key and ca.crt that mode",
        ),
        (
            "admission.webhooks.enabled=true,admission.webhooks.port=8080",
            "admission.webhooks.port is another port than operator.healthPort and operator.metrics.port",
        ),
        ("admission.plainPods=maybe", "/admission/plainPods"),
        ("operator.lease.seconds=1.5", "/operator/lease/seconds"),
        ("operator.lease.seconds=10", "operator.lease: seconds is more than renewSeconds, and that is more than 1.2"),
        ("operator.lease.retrySeconds=9", "operator.lease: seconds is more than renewSeconds, and that is more than"),
        ("operator.healthPort=80", "/operator/healthPort"),
        ("operator.healthPort=9090", "operator.healthPort and operator.metrics.port are two ports"),
        ("operator.tracing.endpoint=collector:4318", "/operator/tracing/endpoint"),
        ("admission.access.action=Ignore", "/admission/access/action"),
        ("admission.rules.refusals=Off", "/admission/rules/refusals"),
        ("admission.rules.refusals=false", "/admission/rules/refusals"),  # what YAML makes of a bare Off
        ("admission.rules.warnings=Deny", "/admission/rules/warnings"),
        ("admission.access.uids=", "/admission/access/uids"),
        ("admission.access.uids=1000-", "/admission/access/uids"),
        ("admission.access.gids=staff", "/admission/access/gids"),
        ("admission.access.uids=2000-1000", "admission.access.uids: 2000-1000 is no range"),
        ("admission.access.gids=0-2147483648", "admission.access.gids: 0-2147483648 is no range"),
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
    tops = named(schema) - {("global",), ("operator", "resources", "claims"), ("node", "resources", "claims"),
                            ("node", "agent", "resources", "claims")}  # fmt: skip
    assert tops <= {path[:length] for path in leaves(values) for length in range(1, len(path) + 1)}


def test_a_real_api_server_takes_it_all(kubeconfig: str) -> None:
    rendered = helm("template", "dry", str(CHART), "--namespace", "default", "--no-hooks").stdout
    command = [program("kubectl"), "--kubeconfig", kubeconfig, "--namespace", "default"]
    command += ["apply", "--dry-run=server", "--validate=strict", "--force-conflicts", "--server-side", "-f", "-"]

    done = subprocess.run(command, input=rendered, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr
