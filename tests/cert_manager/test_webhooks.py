"""Webhooks whose certificates cert-manager makes: a real one, and the chart's configurations as they are, so that the
API server asks the Service. `make cert-manager` builds it and runs this; `make test` does not."""

from __future__ import annotations

import base64
import socket
import ssl
import sys
import time
from functools import partial
from typing import TYPE_CHECKING

import pytest
import yaml

from cluster.build.catalogue import modules
from cluster.cli import Application
from cluster.host.commands import Processes
from cluster.host.console import Console
from tests.integration import planes
from tests.integration.api import MERGE, Api
from tests.integration.charts import render
from tests.integration.control_plane import Part
from tests.integration.replicas import Replica, eventually
from tests.integration.webhook_site import (
    GROUP,
    KINDS,
    NAME,
    PODS,
    SECRET,
    TASKS,
    USERS,
    WARNED,
    Body,
    bundle_of,
    handshake,
    path_of,
    pod,
    task,
)
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

pytestmark = pytest.mark.timeout(300)

HOST = f"{NAME}.reaper-system.svc"
CERTIFICATES = "/apis/cert-manager.io/v1/namespaces/reaper-system/certificates"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
PATIENCE = 60.0  # seconds until cert-manager has done what it was asked to
RENEWALS = 4  # of the certificate; between them one of its authority


class Site:
    """A control plane with a cert-manager, and the chart in its mode."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.replicas: list[Replica] = []
        self.ports: list[int] = []

    def bundle(self, kind: str = KINDS[0]) -> bytes:
        """What API servers trust."""
        return bundle_of(self.api, kind)

    def secret(self, key: str) -> bytes:
        data: dict[str, str] = self.api.request("GET", SECRET).ok()["data"]
        return base64.b64decode(data[key])

    def renew(self, name: str) -> None:
        """As `cmctl renew` does it."""
        body = self.api.request("GET", f"{CERTIFICATES}/{name}").ok()
        issuing = {"type": "Issuing", "status": "True", "reason": "ManuallyTriggered", "message": "by a test"}
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        body["status"]["conditions"].append({**issuing, "lastTransitionTime": now})
        self.api.request("PUT", f"{CERTIFICATES}/{name}/status", body).ok()

    def is_at(self, name: str, revision: int) -> bool:
        """Whether a Certificate is issued for the n-th time, and nothing is under way."""
        status = self.api.request("GET", f"{CERTIFICATES}/{name}").ok().get("status", {})
        conditions = {each["type"]: each["status"] for each in status.get("conditions") or ()}
        ready = conditions.get("Ready") == "True" and conditions.get("Issuing") != "True"
        return ready and status.get("revision") == revision

    def has_authority(self) -> bool:
        """Whether that of the Secret is trusted. A former one may be, too: cert-manager adds."""
        return all(self.secret("ca.crt").strip() in self.bundle(kind) for kind in KINDS)

    def shown(self, bundle: bytes | None = None) -> list[bytes]:
        """The certificates that replicas show to an API server that has no connection yet, and trusts this bundle."""
        trusted = bundle or self.bundle()
        return [handshake(port, trusted, HOST) for port in self.ports]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two replicas behind the Service, which are asked about everything, and must be (failurePolicy Fail)."""
    folder = tmp_path_factory.mktemp("plane")
    # Without kube-proxy nobody answers at the address of a Service: so the API server asks for what is behind it.
    flags = ["--enable-aggregator-routing=true"]
    with planes.running(folder, dict.fromkeys(USERS, GROUP), flags=flags) as plane:
        api = Api(str(plane.kubeconfig()))
        site = Site(api)
        certificates = Part(folder, _cert_manager(api), str(plane.kubeconfig()))
        try:
            certificates.start()
            _install(api)
            for user in USERS:
                port = free_port()
                choice = {
                    "webhook_address": f"0.0.0.0:{port}",
                    "webhook_certificates": "cert-manager",
                    "webhook_check_seconds": 0.2,
                    "webhook_settle_seconds": 1.2,
                }
                site.ports.append(port)
                site.replicas.append(Replica(folder, user, plane.kubeconfig(user), **choice).start())
                _lead_to(api, user, port)
            eventually("replicas are ready", PATIENCE, partial(_ready, site, certificates))
            eventually("webhooks are trusted", PATIENCE, lambda: all(map(site.bundle, KINDS)))
            _insist(api)
            yield site
        finally:
            for replica in site.replicas:
                replica.end()
            certificates.stop()


def _ready(site: Site, certificates: Part) -> bool:
    assert certificates.ended() is None, certificates.ended()
    return all(each.ready for each in site.replicas)


def _cert_manager(api: Api) -> Path:
    """The program, once its kinds are served."""
    application = Application(Processes(), Console(sys.stderr))
    module = modules(application.versions)["cert-manager"]
    slot = application.programs.slot(module.name)
    if not slot.exists():
        pytest.fail("there is no cert-manager: run `make cert-manager`")
    folder = module.source(application.host, "github.com/cert-manager/cert-manager") / "deploy" / "crds"
    for file in sorted(folder.glob("*.yaml")):
        crd = yaml.safe_load(file.read_text())
        path = f"{CRDS}/{crd['metadata']['name']}"
        api.apply(path, crd)
        eventually(f"{file.name} is served", PATIENCE, partial(_established, api, path))
    return slot / "cert-manager"


def _established(api: Api, path: str) -> bool:
    conditions = api.request("GET", path).ok().get("status", {}).get("conditions") or ()
    return ("Established", "True") in [(each["type"], each["status"]) for each in conditions]


def _install(api: Api) -> None:
    """What of the chart has to do with webhooks."""
    api.request("POST", "/api/v1/namespaces", {"metadata": {"name": "reaper-system"}}).ok()
    planes.install_crd(api)
    planes.make_namespace(api, "team")
    objects = render("admission.webhooks.enabled=true", "admission.webhooks.certificates.mode=cert-manager")
    planes.install_operators_rights(api, objects, GROUP)
    for (kind, name), item in objects.items():
        if kind in ("Issuer", "Certificate", "RuntimeClass", *KINDS) or (kind, name) == ("Service", NAME):
            planes.install(api, item)


def _lead_to(api: Api, name: str, port: int) -> None:
    """What the controllers would make of a replica's Pod, with an address of this machine: loopback is not taken."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))  # sends nothing
        address = probe.getsockname()[0]
    labels = {"kubernetes.io/service-name": NAME}
    body = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": name, "labels": labels},
        "addressType": "IPv4",
        "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
        "ports": [{"name": "webhooks", "port": port, "protocol": "TCP"}],
    }
    api.request("POST", "/apis/discovery.k8s.io/v1/namespaces/reaper-system/endpointslices", body).ok()


def _insist(api: Api) -> None:
    """Have every object refused that no webhook has answered for."""
    for kind in KINDS:
        path = path_of(kind)
        count = len(api.request("GET", path).ok()["webhooks"])
        change = [{"op": "replace", "path": f"/webhooks/{n}/failurePolicy", "value": "Fail"} for n in range(count)]
        api.request("PATCH", path, change, content_type="application/json-patch+json").ok()  # type: ignore[arg-type]
    eventually(
        "webhooks answer", PATIENCE, lambda: api.request("POST", PODS, pod(image=""), dryRun="All").status == 201
    )


def test_what_it_makes_is_trusted_and_what_is_wrong_is_refused(site: Site) -> None:
    assert site.is_at(NAME, 1)
    assert site.has_authority()
    assert site.shown() == [ssl.PEM_cert_to_DER_cert(site.secret("tls.crt").decode())] * len(USERS)
    refused = site.api.request("POST", PODS, pod(image="busybox:1"), dryRun="All")
    assert refused.status == 422
    assert refused.message.startswith('admission webhook "pods.rules.reaper.io" denied the request: RPR001: ')
    warned = site.api.request("POST", TASKS, task("t", **WARNED), dryRun="All")
    assert (warned.status, [text.partition(":")[0] for text in warned.warnings]) == (201, ["RPR104"])
    filled = site.api.request("POST", PODS, pod(image=""), dryRun="All").ok()
    assert filled["spec"]["containers"][0]["image"] == "placeholder"


def test_renewals_under_load_refuse_no_call(site: Site) -> None:
    """Of the certificate, whose key changes, and of its authority, whose key stays: the first bundle is good, too."""
    first, shown, asked = site.bundle(), {*site.shown()}, 0
    for number in range(RENEWALS):
        if number == RENEWALS // 2:
            site.renew(f"{NAME}-ca")
            eventually("it has another authority", PATIENCE, partial(site.is_at, f"{NAME}-ca", 2))
        before, until = site.shown(), time.monotonic() + PATIENCE
        site.renew(NAME)
        while not (site.is_at(NAME, number + 2) and site.has_authority() and {*site.shown()}.isdisjoint(before)):
            assert time.monotonic() < until, (number, [each.log[-500:] for each in site.replicas])
            answer = site.api.request("POST", TASKS, task("t", **WARNED), dryRun="All")
            assert answer.status == 201, (asked, answer.message)
            assert any("RPR104" in text for text in answer.warnings)
            filled = site.api.request("POST", PODS, pod(image=""), dryRun="All")
            assert filled.status == 201, (asked, filled.message)
            asked += 2
        shown |= {*site.shown()}
    assert len(shown) == RENEWALS + 1
    assert first not in (site.bundle(), site.secret("ca.crt"))
    assert site.shown(first) == site.shown()
    assert asked > RENEWALS * 5
    assert all("Traceback" not in replica.log for replica in site.replicas)


def test_the_operator_has_nothing_to_write(site: Site) -> None:
    """Neither Secret nor configurations: its rights in this mode are to read one Secret."""
    body: Body = {"metadata": {"annotations": {"mine": "x"}}}
    headers = {"Impersonate-User": USERS[0], "Impersonate-Group": GROUP}
    for path in (SECRET, path_of(KINDS[0])):
        assert site.api.request("PATCH", path, body, content_type=MERGE, headers=headers, dryRun="All").status == 403
    assert site.api.request("GET", SECRET, headers=headers).status == 200
