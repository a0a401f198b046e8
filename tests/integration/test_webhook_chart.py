"""The chart's webhooks, rendered by Helm: off unless asked for, and nothing that could be in a cluster's way."""

from __future__ import annotations

import base64
import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import yaml

from reaper_api.ruleset import policy
from reaper_api.ruleset.rule import Admission
from reaper_operator.webhooks import authority
from tests.integration import planes
from tests.integration.api import MERGE, Api
from tests.integration.charts import CHART, ROOT, helm, program, render
from tests.integration.webhook_site import ADMISSION, NAME, SECRET

CONFIGURATIONS = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
ON = "admission.webhooks.enabled=true"
MODE = "admission.webhooks.certificates.mode"

Objects = dict[tuple[str, str], dict[str, Any]]


def hooks(objects: Objects) -> dict[str, dict[str, Any]]:
    return {hook["name"]: hook for kind in CONFIGURATIONS for hook in objects[kind, NAME]["webhooks"]}


def rules(objects: Objects, kind: str, name: str) -> list[tuple[list[str], list[str], list[str]]]:
    return [(rule["resources"], rule["resourceNames"], rule["verbs"]) for rule in objects[kind, name]["rules"]]


def test_they_are_off_unless_asked_for() -> None:
    objects = render()
    assert not [name for _, name in objects if name.endswith("webhooks")]
    (container,) = objects["Deployment", "reaper-operator"]["spec"]["template"]["spec"]["containers"]
    assert {port["name"] for port in container["ports"]} == {"health", "metrics"}


def test_what_is_asked_is_what_the_policies_ask() -> None:
    spec = policy.pod_spec(Admission.DENY)
    of = hooks(render(ON))
    asked = of["pods.rules.reaper.io"]
    assert asked["rules"] == spec["matchConstraints"]["resourceRules"]
    *conditions, makers = asked["matchConditions"]
    assert conditions == spec["matchConditions"]
    assert makers in render()["ValidatingAdmissionPolicy", "reaper-rules-refused"]["spec"]["matchConditions"]
    assert of["tasks.rules.reaper.io"]["rules"] == policy.task_spec()["matchConstraints"]["resourceRules"]
    assert len(of["pods.defaults.reaper.io"]["matchConditions"]) == 1


def test_no_webhook_can_be_in_the_way_of_a_cluster() -> None:
    for name, hook in hooks(render(ON)).items():
        assert hook["failurePolicy"] == "Ignore", name
        assert hook["timeoutSeconds"] == 2
        assert hook["sideEffects"] == "None"
        assert hook["namespaceSelector"] == {
            "matchExpressions": [
                {
                    "key": "kubernetes.io/metadata.name",
                    "operator": "NotIn",
                    "values": ["kube-system", "kube-public", "kube-node-lease", "reaper-system"],
                },
                *policy.NAMESPACES["matchExpressions"],
            ]
        }
        assert "caBundle" not in hook["clientConfig"]  # the operator's: Helm would take it back
        for rule in hook["rules"]:
            assert not {"*", "DELETE", "CONNECT"} & {*rule["apiGroups"], *rule["operations"], *rule["resources"]}
            assert not any("/" in resource for resource in rule["resources"])


def test_the_way_from_api_server_to_replica() -> None:
    objects = render(ON, "admission.webhooks.port=9500", "operator.networkPolicy.enabled=true")
    for hook in hooks(objects).values():
        service = hook["clientConfig"]["service"]
        assert (service["name"], service["namespace"], service["port"]) == (NAME, "reaper-system", 443)
        assert service["path"] == ("/default" if "defaults" in hook["name"] else "/validate-filled")
    without = render(ON, "admission.defaults.enabled=false")[CONFIGURATIONS[0], NAME]
    assert {hook["clientConfig"]["service"]["path"] for hook in without["webhooks"]} == {"/validate"}
    service = objects["Service", NAME]["spec"]
    deployment = objects["Deployment", "reaper-operator"]["spec"]
    assert service["ports"] == [{"name": "webhooks", "port": 443, "targetPort": "webhooks"}]
    assert service["selector"] == deployment["selector"]["matchLabels"]
    (container,) = deployment["template"]["spec"]["containers"]
    assert {"name": "webhooks", "containerPort": 9500} in container["ports"]
    environment = {each["name"]: each["value"] for each in container["env"]}
    assert environment["REAPER_OPERATOR_WEBHOOK_ADDRESS"] == ":9500"
    assert environment["REAPER_OPERATOR_WEBHOOK_HOSTS"] == f"{NAME}.reaper-system.svc"
    assert {"ports": [{"port": "webhooks"}]} in objects["NetworkPolicy", "reaper-operator"]["spec"]["ingress"]


def test_rights_are_those_to_one_secret_and_two_configurations() -> None:
    configurations = ["validatingwebhookconfigurations", "mutatingwebhookconfigurations"]
    own = render(ON)
    assert rules(own, "Role", f"reaper-system/{NAME}") == [(["secrets"], [NAME], ["get", "patch"])]
    assert rules(own, "ClusterRole", NAME) == [(configurations, [NAME], ["get", "patch"])]
    secret = render(ON, f"{MODE}=secret", "admission.webhooks.certificates.secretName=mine")
    assert rules(secret, "Role", f"reaper-system/{NAME}") == [(["secrets"], ["mine"], ["get"])]
    assert rules(secret, "ClusterRole", NAME) == [(configurations, [NAME], ["get", "patch"])]
    others = render(ON, f"{MODE}=cert-manager")
    assert rules(others, "Role", f"reaper-system/{NAME}") == [(["secrets"], [NAME], ["get"])]
    assert ("ClusterRole", NAME) not in others


def test_the_secret_is_made_empty_where_the_operator_fills_it() -> None:
    assert not {"data", "stringData"} & render(ON)["Secret", NAME].keys()
    assert ("Secret", "mine") not in render(ON, f"{MODE}=secret", "admission.webhooks.certificates.secretName=mine")
    assert ("Secret", NAME) not in render(ON, f"{MODE}=cert-manager")


def test_cert_manager() -> None:
    objects = render(ON, f"{MODE}=cert-manager")
    for kind in CONFIGURATIONS:
        annotations = objects[kind, NAME]["metadata"]["annotations"]
        assert annotations == {"cert-manager.io/inject-ca-from": f"reaper-system/{NAME}"}
    certificate, authority = objects["Certificate", NAME]["spec"], objects["Certificate", f"{NAME}-ca"]["spec"]
    assert (certificate["secretName"], certificate["dnsNames"]) == (NAME, [f"{NAME}.reaper-system.svc"])
    assert (certificate["duration"], authority["duration"]) == ("720h", "8760h")
    assert certificate["issuerRef"] == {"kind": "Issuer", "name": NAME}
    assert objects["Issuer", NAME]["spec"] == {"ca": {"secretName": authority["secretName"]}}
    assert authority["isCA"] is True
    issuer = "admission.webhooks.certificates.issuerRef"
    mine = render(ON, f"{MODE}=cert-manager", f"{issuer}.kind=ClusterIssuer", f"{issuer}.name=mine")
    assert mine["Certificate", NAME]["spec"]["issuerRef"] == {"kind": "ClusterIssuer", "name": "mine"}
    assert ("Issuer", NAME) not in mine
    assert "annotations" not in render(ON)[CONFIGURATIONS[0], NAME]["metadata"]


def test_defaults_can_be_left_out() -> None:
    assert (CONFIGURATIONS[1], NAME) not in render(ON, "admission.defaults.enabled=false")


def test_a_release_of_another_name() -> None:
    names = [name.rpartition("/")[2] for _, name in render(ON, release="other") if name.endswith("webhooks")]
    assert names
    assert all(name.startswith("other-") for name in names)


@pytest.mark.parametrize("mode", ["own", "secret"])
def test_a_real_api_server_takes_it(kubeconfig: str, mode: str) -> None:
    words = ["--set", ON, "--set", f"{MODE}={mode}", "--set", "admission.webhooks.certificates.secretName=mine"]
    rendered = helm("template", "dry", str(CHART), "--namespace", "default", "--no-hooks", *words).stdout
    command = [program("kubectl"), "--kubeconfig", kubeconfig, "--namespace", "default"]
    command += ["apply", "--dry-run=server", "--validate=strict", "--force-conflicts", "--server-side", "-f", "-"]
    done = subprocess.run(command, input=rendered, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_every_value_is_on_their_page() -> None:
    page = (ROOT / "docs" / "webhooks.md").read_text()
    values = yaml.safe_load((CHART / "values.yaml").read_text())["admission"]["webhooks"]
    certificates = values.pop("certificates")
    for name in [f"admission.webhooks.{name}" for name in values] + list(certificates):
        assert re.search(rf"`(certificates\.)?{re.escape(name)}`", page), name


@pytest.mark.timeout(180)
def test_an_upgrade_by_helm_leaves_certificates_alone(tmp_path_factory: pytest.TempPathFactory) -> None:
    with planes.running(tmp_path_factory.mktemp("plane"), {}) as plane:
        api = Api(str(plane.kubeconfig()))
        words = ["reaper", str(CHART), f"--kubeconfig={plane.kubeconfig()}", "--namespace=reaper-system"]
        words += ["--set=admission.webhooks.enabled=true", "--no-hooks"]
        installed = helm("install", *words, "--create-namespace")
        assert installed.returncode == 0, installed.stderr
        configuration = f"{ADMISSION}/validatingwebhookconfigurations/{NAME}"
        hooks = [hook["name"] for hook in api.request("GET", configuration).ok()["webhooks"]]
        pem = base64.b64encode(authority.new_authority(datetime.now(UTC), timedelta(days=1)).certificate).decode()
        bundle = {"webhooks": [{"name": name, "clientConfig": {"caBundle": pem}} for name in hooks]}
        strategic = "application/strategic-merge-patch+json"
        api.request("PATCH", configuration, bundle, content_type=strategic).ok()
        api.request("PATCH", SECRET, {"data": {"tls.crt": pem}}, content_type=MERGE).ok()

        upgraded = helm("upgrade", *words, "--set=admission.webhooks.timeoutSeconds=3")

        assert upgraded.returncode == 0, upgraded.stderr
        for hook in api.request("GET", configuration).ok()["webhooks"]:
            assert (hook["timeoutSeconds"], hook["clientConfig"]["caBundle"]) == (3, pem)
        assert api.request("GET", SECRET).ok()["data"] == {"tls.crt": pem}


def test_without_webhooks_nothing_of_them_is_loaded() -> None:
    code = (
        "import sys, reaper_operator.cli; sys.exit(bool({'cryptography', 'reaper_operator.webhooks'} & {*sys.modules}))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
