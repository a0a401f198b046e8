"""What the chart makes of the operator: settings, rights, replicas, probes and metrics."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import TYPE_CHECKING

from reaper_operator.settings import ENV_PREFIX, Settings, load
from tests.integration.charts import ROOT, Object, container, kinds, render, rights

if TYPE_CHECKING:
    from collections.abc import Mapping


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


def test_rights_to_the_lease_are_those_of_one_lease_in_the_releases_namespace() -> None:
    role = render()["Role", "reaper-system/reaper-operator"]
    binding = render()["RoleBinding", "reaper-system/reaper-operator"]

    lease = ("coordination.k8s.io", "leases")
    assert rights(role) == {(*lease, "create"), (*lease, "get"), (*lease, "patch")}
    (named,) = [rule for rule in role["rules"] if "create" not in rule["verbs"]]
    assert named["resourceNames"] == ["reaper-operator"]
    assert binding["subjects"] == [{"kind": "ServiceAccount", "name": "reaper-operator", "namespace": "reaper-system"}]


# How each setting is given to the operator's container: the chart's value, and what of it is in the environment.
CHOSEN: dict[str, tuple[object, str]] = {
    "operator.workers": (3, "3"),
    "operator.resyncSeconds": (7.5, "7.5"),
    "operator.requestTimeoutSeconds": (12, "12"),
    "operator.retryBaseSeconds": (0.25, "0.25"),
    "operator.retryLimitSeconds": (100, "100"),
    "operator.exitSeconds": (40, "40"),
    "operator.lease.seconds": (30, "30"),
    "operator.lease.renewSeconds": (20, "20"),
    "operator.lease.retrySeconds": (4.5, "4.5"),
    "operator.healthPort": (8181, ":8181"),
    "operator.metrics.port": (9191, ":9191"),
    "operator.tracing.endpoint": ("http://collector:4318", "http://collector:4318"),
    "admission.webhooks.enabled": (True, ":9443"),
    "admission.webhooks.action": ("Warn", "Warn"),
    "admission.webhooks.certificates.mode": ("secret", "secret"),
    "admission.webhooks.certificates.secretName": ("mine", "mine"),
    "admission.webhooks.certificates.caDays": (100, "100"),
    "admission.webhooks.certificates.days": (0.5, "0.5"),
    "admission.webhooks.certificates.checkSeconds": (5, "5"),
    "admission.webhooks.certificates.settleSeconds": (7.5, "7.5"),
    "logLevel": ("debug", "debug"),
    "operator.logFormat": ("json", "json"),
}
# Those that have no value, and why.
WITHOUT = {
    "kubeconfig": "in a cluster there is the service account",
    "lease_namespace": "the release's",
    "webhook_configurations": "after the release",
    "webhook_hosts": "after the release and its namespace",
    "lease_name": "after the release: two of them in a namespace do not stand in each other's way",
}


def environment(values: Object | None = None, release: str = "reaper") -> dict[str, str]:
    deployment = render(release=release, values=values)["Deployment", f"{release}-operator"]
    return {item["name"]: item["value"] for item in container(deployment)["env"]}


def nested(values: Mapping[str, object]) -> Object:
    """Values by their whole names, as a values file has them."""
    tree: Object = {}
    for name, value in values.items():
        *path, last = name.split(".")
        place = tree
        for part in path:
            place = place.setdefault(part, {})
        place[last] = value
    return tree


def test_every_setting_of_the_operator_has_a_value_in_the_chart() -> None:
    values = {field.name: field.metadata["chart"] for field in fields(Settings)}
    chosen = environment(nested({name: value for name, (value, _) in CHOSEN.items()}))

    assert {name for name, value in values.items() if not value} == WITHOUT.keys()
    assert {value for value in values.values() if value} == CHOSEN.keys()
    for name, value in values.items():
        if value:
            assert chosen[f"{ENV_PREFIX}{name.upper()}"] == CHOSEN[value][1]


def test_the_charts_defaults_are_those_of_the_operator() -> None:
    """So that --help and operator/README.md are right about the chart too."""
    assert load([], environment()) == replace(Settings(), lease_namespace="reaper-system")


def test_the_environment_has_nothing_that_the_operator_does_not_know() -> None:
    known = {f"{ENV_PREFIX}{field.name.upper()}" for field in fields(Settings)}

    assert environment().keys() <= known


def test_the_lease_is_named_after_the_release() -> None:
    assert environment(release="other")["REAPER_OPERATOR_LEASE_NAME"] == "other-operator"


def test_two_replicas_that_are_replaced_one_after_the_other() -> None:
    deployment = render()["Deployment", "reaper-operator"]
    budget = render()["PodDisruptionBudget", "reaper-operator"]

    assert deployment["spec"]["replicas"] == 2
    assert deployment["spec"]["strategy"] == {
        "type": "RollingUpdate",
        "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0},
    }
    assert budget["spec"]["maxUnavailable"] == 1
    assert budget["spec"]["selector"] == deployment["spec"]["selector"]
    assert "PodDisruptionBudget" not in kinds(render("operator.podDisruptionBudget.enabled=false"))


def test_replicas_are_spread_where_that_is_possible() -> None:
    deployment = render()["Deployment", "reaper-operator"]
    constraints = deployment["spec"]["template"]["spec"]["topologySpreadConstraints"]

    assert [constraint["topologyKey"] for constraint in constraints] == [
        "kubernetes.io/hostname",
        "topology.kubernetes.io/zone",
    ]
    for constraint in constraints:
        assert constraint["whenUnsatisfiable"] == "ScheduleAnyway"  # one node has to do where there is one
        assert constraint["labelSelector"] == deployment["spec"]["selector"]
        assert constraint["matchLabelKeys"] == ["pod-template-hash"]  # or an update counts the old ones


def test_a_spread_of_ones_own_keeps_its_selector() -> None:
    name = "operator.topologySpreadConstraints[0]"
    chosen = render(
        f"{name}.maxSkew=2",
        f"{name}.topologyKey=rack",
        f"{name}.whenUnsatisfiable=DoNotSchedule",
        f"{name}.labelSelector.matchLabels.mine=yes",
    )

    assert chosen["Deployment", "reaper-operator"]["spec"]["template"]["spec"]["topologySpreadConstraints"] == [
        {
            "maxSkew": 2,
            "topologyKey": "rack",
            "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": {"mine": "yes"}},
        }
    ]


def test_the_pod_lives_longer_than_its_graceful_end_takes() -> None:
    deployment = render("operator.exitSeconds=40")["Deployment", "reaper-operator"]

    assert deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] == 45


def test_probes_and_metrics_are_where_the_ports_are() -> None:
    chosen = render("operator.healthPort=8181", "operator.metrics.port=9191")
    ports = {
        port["name"]: port["containerPort"] for port in container(chosen["Deployment", "reaper-operator"])["ports"]
    }
    service = chosen["Service", "reaper-operator-metrics"]["spec"]

    assert ports == {"health": 8181, "metrics": 9191}
    assert service["ports"] == [{"name": "metrics", "port": 9191, "targetPort": "metrics"}]
    assert service["selector"] == chosen["Deployment", "reaper-operator"]["spec"]["selector"]["matchLabels"]


def test_prometheus_finds_the_metrics_if_it_is_asked_to() -> None:
    name = "operator.metrics.serviceMonitor"
    chosen = render(f"{name}.enabled=true", f"{name}.labels.release=monitoring", f"{name}.interval=15s")
    monitor, service = chosen["ServiceMonitor", "reaper-operator"], chosen["Service", "reaper-operator-metrics"]

    assert monitor["metadata"]["labels"]["release"] == "monitoring"
    assert monitor["spec"]["endpoints"] == [{"port": "metrics", "interval": "15s"}]
    assert monitor["spec"]["selector"]["matchLabels"].items() <= service["metadata"]["labels"].items()
    assert "ServiceMonitor" not in kinds(render())


def test_a_network_policy_if_it_is_asked_for() -> None:
    peer = "operator.networkPolicy.metricsFrom[0].namespaceSelector.matchLabels.name=monitoring"
    chosen = render("operator.networkPolicy.enabled=true", peer)["NetworkPolicy", "reaper-operator"]["spec"]

    assert chosen["policyTypes"] == ["Ingress"]
    assert chosen["ingress"] == [
        {"ports": [{"port": "health"}]},
        {"ports": [{"port": "metrics"}], "from": [{"namespaceSelector": {"matchLabels": {"name": "monitoring"}}}]},
    ]
    assert "NetworkPolicy" not in kinds(render())


def test_rights_of_the_hook_that_lets_tasks_go() -> None:
    objects = render()

    name = "reaper-operator-removal"
    tasks = {("reaper.io", "reapertasks", verb) for verb in ("get", "list", "patch")}
    assert rights(objects["ClusterRole", name]) == tasks
    role = objects["Role", f"reaper-system/{name}"]
    assert rights(role) == {("apps", "deployments/scale", "get"), ("apps", "deployments/scale", "patch")} | {
        ("", "pods", "list")
    }
    assert role["rules"][0]["resourceNames"] == ["reaper-operator"]
