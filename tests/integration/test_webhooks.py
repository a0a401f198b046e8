"""Webhooks by the operator, asked by a real API server: verdicts, defaults, new certificates, and their absence.

The configurations are the chart's, with the address of a replica in place of the Service's. The operator has the
rights of the chart and no other.
"""

from __future__ import annotations

import base64
import json
import re
import signal
import socket
import ssl
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from reaper_api.ruleset.rule import Admission
from reaper_api.ruleset.table import BY_ID, findings
from reaper_api.ruleset.template import WORKLOADS
from tests.fakes.judged import JUDGED, Judged
from tests.integration import planes
from tests.integration.api import MERGE
from tests.integration.charts import ROOT, program, render
from tests.integration.replicas import eventually
from tests.integration.webhook_site import (
    GROUP,
    KINDS,
    PODS,
    SECRET,
    TASKS,
    USERS,
    WARNED,
    Body,
    LateServer,
    Site,
    create,
    handshake,
    path_of,
    pod,
    task,
)

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.control_plane import ControlPlane

pytestmark = pytest.mark.timeout(180)

DAY = 86400


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with planes.running(tmp_path_factory.mktemp("plane"), dict.fromkeys(USERS, GROUP)) as plane:
        yield plane


@pytest.fixture(scope="module")
def bare(plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Site:
    """The cluster without a replica."""
    return Site(plane, tmp_path_factory.mktemp("replicas"))


@pytest.fixture(scope="module")
def judging(bare: Site) -> Iterator[Site]:
    """One replica that judges, and does not fill in."""
    bare.start(webhook_check_seconds=0.2, webhook_settle_seconds=0.2)
    bare.configure(KINDS[0], failure="Fail")
    bare.serving()
    yield bare
    bare.end()


@pytest.mark.parametrize("judged", [j for j in JUDGED if not j.refused], ids=lambda judged: judged.id)
def test_the_verdict_is_that_of_the_table(judging: Site, judged: Judged) -> None:
    answer = create(judging.api, judged.body)
    refused = {name for name in judged.rules if BY_ID[name].admission is Admission.DENY}
    warned = {name for name in judged.rules if BY_ID[name].admission is Admission.WARN}
    assert answer.status == (422 if refused else 201), answer.message
    if refused:
        assert set(re.findall(r"(RPR\d{3}): ", answer.message)) == refused
    assert set(re.findall(r"(RPR\d{3}): ", " ".join(answer.warnings))) == warned
    for found in findings(judged.body):
        if found.rule.id in refused:
            assert found.violation.text in answer.message


def test_the_plans_mistake_in_its_words(judging: Site) -> None:
    answer = create(judging.api, pod(image="busybox:1"))
    assert answer.message == (
        f'admission webhook "r{judging.ports[0]}.pods.rules.reaper.io" denied the request: RPR001: Field \'image: '
        "busybox:1' will be ignored. Reaper runtime does not use container images. Set 'image: placeholder' or leave "
        "it empty. The binary at '/bin/true' must exist on the host."
    )


def test_what_the_page_shows_is_what_kubectl_shows(judging: Site, tmp_path: Path) -> None:
    body = pod("my-task", image="busybox:1", resources={"limits": {"memory": "64Mi"}})
    (tmp_path / "pod.yaml").write_text(json.dumps(body))
    command = [program("kubectl"), f"--kubeconfig={judging.plane.kubeconfig()}", "--namespace=team"]
    command += ["create", "-f", "pod.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    page = " ".join((ROOT / "docs" / "webhooks.md").read_text().split())
    warning, refusal = done.stderr.replace(f"r{judging.ports[0]}.", "").splitlines()
    assert f"{warning} {refusal}" in page


def test_a_task_is_warned_about(judging: Site) -> None:
    """What the API server drops, it drops before it asks: of that it warns itself."""
    answer = judging.api.request("POST", TASKS, {**task("t", **WARNED), "unknown": 1}, dryRun="All")
    answer.ok()
    dropped, ours = answer.warnings
    assert dropped == 'unknown field "unknown"'
    assert ours.startswith("RPR104: reaper.runtime/dns-mode has no effect on a ReaperTask: write spec.dnsMode.")


@pytest.mark.parametrize("kind", [kind for kind in WORKLOADS if any(j.kind == kind and j.rules for j in JUDGED)])
def test_other_runtimes_are_not_asked_about(judging: Site, kind: str) -> None:
    judged = next(judged for judged in JUDGED if judged.kind == kind and judged.rules)
    body = json.loads(json.dumps(judged.body).replace('"runtimeClassName": "reaper-v2", ', ""))
    answer = create(judging.api, body)
    assert (answer.status, answer.warnings) == (201, ())


def test_a_workload_that_was_there_can_be_scaled_but_not_made_worse(judging: Site) -> None:
    judged = next(judged for judged in JUDGED if judged.id == "an annotation of its Pods")
    path = "/apis/apps/v1/namespaces/team/deployments"
    judging.api.request("POST", path, judged.body).ok()
    answer = judging.api.request(
        "PATCH", f"{path}/judged", {"spec": {"template": {"spec": {"hostUsers": False}}}}, content_type=MERGE
    )
    assert answer.status == 422
    assert "RPR017" in answer.message
    scaled = judging.api.request("PATCH", f"{path}/judged", {"spec": {"replicas": 2}}, content_type=MERGE)
    assert (scaled.status, scaled.warnings) == (200, ())
    judging.api.request("DELETE", f"{path}/judged").ok()


def test_a_large_object_is_judged_too(judging: Site) -> None:
    answer = create(judging.api, pod(image="busybox:1", args=["x" * 2**20, "y" * 2**20]))
    assert answer.status == 422
    assert "RPR001" in answer.message


def test_a_namespace_can_do_without_rules(judging: Site) -> None:
    namespace = planes.make_namespace(judging.api, "unruled")
    label = {"metadata": {"labels": {"reaper.io/rules": "none"}}}
    path = f"/api/v1/namespaces/{namespace}"
    judging.api.request("PATCH", path, label, content_type=MERGE).ok()
    bad = pod(image="busybox:1")
    eventually("it is let be", 20, lambda: judging.api.request("POST", f"{path}/pods", bad, dryRun="All").status == 201)


def test_what_a_controller_makes_was_judged_before(judging: Site) -> None:
    headers = {
        "Impersonate-User": "system:serviceaccount:kube-system:replicaset-controller",
        "Impersonate-Group": "system:masters",
    }
    judging.api.request("POST", PODS, pod(image="busybox:1"), headers=headers, dryRun="All").ok()


def test_excluded_namespaces_are_not_asked_about(judging: Site) -> None:
    for namespace in ("kube-system", "reaper-system"):
        planes.until_pods_may_be_in(judging.api, namespace)
        path = f"/api/v1/namespaces/{namespace}/pods"
        judging.api.request("POST", path, pod(image="busybox:1"), dryRun="All").ok()


def test_strangers_get_an_answer_that_says_no(judging: Site) -> None:
    """Whoever is in the cluster can reach the server."""
    context = ssl.create_default_context(cadata=judging.bundle().decode())
    good = {"uid": "u", "resource": {"group": "", "version": "v1", "resource": "secrets"}, "userInfo": {}, "object": {}}
    for path, body in (("validate", b"{"), ("validate", json.dumps({"request": good}).encode()), ("x", b"{}")):
        with (
            socket.create_connection(("127.0.0.1", judging.ports[0])) as raw,
            context.wrap_socket(raw, server_hostname="127.0.0.1") as tls,
        ):
            tls.sendall(f"POST /{path} HTTP/1.1\r\nHost: x\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body)
            assert tls.recv(100).startswith(b"HTTP/1.1 400 ")
    assert "Traceback" not in judging.replicas[0].log


def test_what_users_write_wrong_is_no_error_of_the_operator(judging: Site) -> None:
    create(judging.api, pod(image="busybox:1"))
    assert "refused a Pod: RPR001" in judging.replicas[0].log
    assert " ERROR " not in judging.replicas[0].log


@pytest.fixture
def site(bare: Site) -> Iterator[Site]:
    """For tests with replicas of their own. Last in this file: `judging` has ended by then."""
    bare.end()
    yield bare
    for replica in bare.replicas:
        replica.signal(signal.SIGCONT)
    bare.end()


def made(site: Site, body: Body) -> Body:
    spec = site.api.request("POST", PODS, body, dryRun="All").ok()["spec"]
    assert isinstance(spec, dict)
    return spec


IMAGES = [
    ({"image": ""}, "placeholder", "IfNotPresent"),
    ({"image": "placeholder"}, "placeholder", "IfNotPresent"),
    ({"image": "placeholder", "imagePullPolicy": "Always"}, "placeholder", "IfNotPresent"),
    ({"image": "placeholder", "imagePullPolicy": "Never"}, "placeholder", "Never"),
    ({"image": "docker.io/library/placeholder:latest"}, "docker.io/library/placeholder:latest", "IfNotPresent"),
    ({"image": "busybox"}, "busybox", "Always"),
    ({"image": "busybox:1"}, "busybox:1", "IfNotPresent"),
]


def test_defaults(site: Site) -> None:
    """As by the chart's MutatingAdmissionPolicy: test_defaults.py."""
    site.start(webhook_check_seconds=0.2, webhook_settle_seconds=0.2)
    site.configure(KINDS[1], failure="Fail")
    eventually("it fills in", 40, lambda: site.api.request("POST", PODS, pod(image=""), dryRun="All").status == 201)
    for given, image, policy in IMAGES:
        body = pod(**given)
        body["spec"]["initContainers"] = [{**body["spec"]["containers"][0], "name": "init"}]
        for each in (made(site, body)[field][0] for field in ("containers", "initContainers")):
            assert (each["image"], each["imagePullPolicy"]) == (image, policy), given
    for value, network in (("host", True), ("Host", True), ("pod", None), ("", None)):
        body = pod(ports=[{"containerPort": 80}], env=[{"name": "A", "value": "b"}])
        body["metadata"]["annotations"] = {"reaper.runtime/network": value}
        spec = made(site, body)
        assert spec.get("hostNetwork") is network
        assert spec["containers"][0]["ports"][0].get("hostPort") == (80 if network else None)
        assert spec["containers"][0]["env"] == [{"name": "A", "value": "b"}]
    site.configure(failure="Fail")
    site.serving()
    deployment = next(j.body for j in JUDGED if j.id == "an annotation of its Pods")
    deployment = json.loads(json.dumps(deployment).replace('"IfNotPresent"', '"Always"'))
    assert not any("RPR005" in text for text in create(site.api, deployment).warnings)  # its Pods are filled in
    assert made(site, pod(runtime=None))["containers"][0]["imagePullPolicy"] == "Always"


def test_certificates_are_replaced_under_load_and_no_call_is_refused(site: Site) -> None:
    """Every object is asked about at both replicas, and must be (failurePolicy Fail)."""
    site.start(
        2,
        webhook_ca_days=30 / DAY,
        webhook_certificate_days=15 / DAY,
        webhook_check_seconds=0.4,
        webhook_settle_seconds=1.2,
    )
    site.configure(failure="Fail")
    site.serving()
    shown: list[set[bytes]] = [set() for _ in site.ports]
    asked = 0
    until = time.monotonic() + 120
    with LateServer(site, KINDS[0]) as judges, LateServer(site, KINDS[1]) as fills_in:

        def enough() -> bool:
            made = judges.authorities | fills_in.authorities
            return asked > 300 and len(made) >= 4 and all(len(each) >= 5 for each in shown)

        while not enough():
            assert time.monotonic() < until, (asked, len(judges.authorities), [len(each) for each in shown])
            answer = site.api.request("POST", TASKS, task("t", **WARNED), dryRun="All")
            assert answer.status == 201, (asked, answer.message)
            assert any("RPR104" in text for text in answer.warnings)
            filled = site.api.request("POST", PODS, pod(image=""), dryRun="All")
            assert filled.status == 201, (asked, filled.message)
            asked += 2
            for server in (judges, fills_in):
                for port, certificates in zip(site.ports, shown, strict=True):
                    certificates.add(handshake(port, server.bundle()))
    assert all(bundle.count(b"BEGIN") <= 3 for bundle in judges.bundles + fills_in.bundles)  # what has expired goes


def test_only_the_bundle_is_changed(site: Site) -> None:
    site.start(webhook_check_seconds=0.2)
    site.configure()
    before = [site.api.request("GET", path_of(kind)).ok() for kind in KINDS]
    site.serving()
    for kind, old in zip(KINDS, before, strict=True):
        new = site.api.request("GET", path_of(kind)).ok()
        for hook in new["webhooks"]:
            assert hook["clientConfig"].pop("caBundle")
        assert new["webhooks"] == old["webhooks"]
    site.configure()  # as Helm does it on an upgrade
    assert site.bundle()


def test_everything_goes_on_without_an_operator(site: Site) -> None:
    """Dead, hanging, or never there."""
    site.start(webhook_check_seconds=0.2)
    site.configure()
    site.serving()
    (replica,) = site.replicas
    replica.signal(signal.SIGSTOP)
    began = time.monotonic()
    site.api.request("POST", PODS, pod(runtime=None), dryRun="All").ok()
    assert time.monotonic() - began < 1.5  # nobody waits for what is not asked
    began = time.monotonic()
    site.api.request("POST", PODS, pod(image="busybox:1"), dryRun="All").ok()
    site.api.request("POST", TASKS, task("t"), dryRun="All").ok()
    assert time.monotonic() - began < 8  # 2 seconds for each that is asked
    replica.end()
    began = time.monotonic()
    for body in (pod(runtime=None), pod(image="busybox:1")):
        site.api.request("POST", PODS, body, dryRun="All").ok()
    site.api.request("POST", TASKS, task("t", **WARNED), dryRun="All").ok()
    site.configure()
    site.api.request("POST", PODS, pod(image="busybox:1"), dryRun="All").ok()
    assert time.monotonic() - began < 3


def test_a_replica_that_ends_answers_until_it_is_forgotten(site: Site) -> None:
    site.start(2, webhook_check_seconds=0.2, webhook_settle_seconds=0.2)
    site.configure(failure="Fail")
    site.serving()
    leader = eventually("one leads", 20, lambda: next((each for each in site.replicas if each.leads), None))
    (standby,) = [each for each in site.replicas if each is not leader]
    standby.signal(signal.SIGTERM)
    eventually("it says that it stops", 5, lambda: not standby.ready)
    began = time.monotonic()
    while time.monotonic() < began + 2:
        assert site.api.request("POST", TASKS, task("t", **WARNED), dryRun="All").status == 201
    assert standby.wait(20) == 0
    site.configure(failure="Ignore")
    eventually("it leads", 20, lambda: leader.leads and leader.ready)
    leader.signal(signal.SIGTERM)
    assert leader.wait(40) == 0
    assert "Traceback" not in leader.log + standby.log


def test_a_secret_of_ones_own(site: Site) -> None:
    """Its authority is put into the configurations, and a new certificate waits until that is known."""
    site.start(webhook_check_seconds=0.2)
    site.configure(failure="Fail")
    site.serving()
    ours = site.api.request("GET", SECRET).ok()["data"]
    site.end()

    site.start(webhook_certificates="secret", webhook_check_seconds=0.2, webhook_settle_seconds=2)
    (replica,) = site.replicas
    eventually("it says what is missing", 20, lambda: "has no tls.crt and tls.key" in replica.log)
    assert not replica.ready
    given = {name: ours[name] for name in ("ca.crt", "tls.crt", "tls.key")}
    site.api.request("PATCH", SECRET, {"data": given}, content_type=MERGE).ok()
    site.configure(failure="Fail")
    site.serving()
    assert site.bundle() == base64.b64decode(ours["ca.crt"])
    site.api.request("PATCH", SECRET, {"data": {"tls.key": "bm9uZQ=="}}, content_type=MERGE).ok()
    eventually("it says what is wrong", 20, lambda: "tls.crt and tls.key of the Secret are not taken" in replica.log)
    site.api.request("POST", TASKS, task("t", **WARNED), dryRun="All").ok()  # with what it had


def test_a_replica_that_cannot_serve_ends_and_says_why(site: Site) -> None:
    with socket.create_server(("127.0.0.1", site.ports[0])):
        site.start(webhook_check_seconds=0.2)
        (replica,) = site.replicas
        assert replica.wait(40) == 1
    assert "address already in use" in replica.log


def test_who_may_run_host_processes_is_asked_without_an_operator_too(site: Site) -> None:
    site.start(webhook_check_seconds=0.2)
    site.configure()
    site.serving()
    site.end()
    objects = render("admission.webhooks.enabled=true")
    for kind in ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"):
        planes.install(site.api, objects[kind, "reaper-access-pods"])

    def allow(word: str) -> None:
        label = {"metadata": {"labels": {"reaper.io/allow": word}}}
        site.api.request("PATCH", "/api/v1/namespaces/team", label, content_type=MERGE).ok()

    def refused() -> bool:
        answer = site.api.request("POST", PODS, pod(), dryRun="All")
        return answer.status == 403 and "reaper-access-pods" in answer.message

    allow("false")
    eventually("the policy refuses", planes.PATIENCE, refused)
    site.api.request("POST", PODS, pod(runtime=None), dryRun="All").ok()
    allow("true")
    eventually(
        "an open namespace takes it",
        planes.PATIENCE,
        lambda: site.api.request("POST", PODS, pod(), dryRun="All").status == 201,
    )
