"""A control plane whose webhooks are served by operators: the chart's configurations, with the address of a replica in
place of the Service's."""

from __future__ import annotations

import base64
import json
import re
import socket
import ssl
import threading
import time
from typing import TYPE_CHECKING, Any, Self

from reaper_api.ruleset.template import WORKLOADS
from tests.integration import planes
from tests.integration.api import Answer, Api
from tests.integration.charts import render
from tests.integration.replicas import Replica, eventually
from tests.ports import free_port

if TYPE_CHECKING:
    from pathlib import Path

    from tests.integration.control_plane import ControlPlane

GROUP = "reaper-operators"
USERS = ("replica-1", "replica-2")
NAME = "reaper-operator-webhooks"
SECRET = f"/api/v1/namespaces/reaper-system/secrets/{NAME}"
ADMISSION = "/apis/admissionregistration.k8s.io/v1"
KINDS = ("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration")
PODS = "/api/v1/namespaces/team/pods"
TASKS = "/apis/reaper.io/v1alpha1/namespaces/team/reapertasks"

Body = dict[str, Any]
Objects = dict[tuple[str, str], Body]


def pod(name: str = "p", runtime: str | None = "reaper-v2", **container: Any) -> Body:
    main = {"name": "main", "image": "placeholder", "command": ["/bin/true"], **container}
    spec: Body = {"containers": [main]} | ({"runtimeClassName": runtime} if runtime else {})
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def task(name: str, **annotations: str) -> Body:
    metadata = {"name": name, "annotations": annotations}
    head = {"apiVersion": "reaper.io/v1alpha1", "kind": "ReaperTask", "metadata": metadata}
    return {**head, "spec": {"command": ["/bin/true"], "suspend": True}}


WARNED = {"reaper.runtime/dns-mode": "host"}  # RPR104


class Site:
    """A control plane, and the operators that serve its webhooks."""

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        self.plane, self.folder = plane, folder
        self.api = Api(str(plane.kubeconfig()))
        self.ports = [free_port() for _ in USERS]
        self.replicas: list[Replica] = []
        self._objects: Objects = render("admission.webhooks.enabled=true")
        self._plain: Objects = render("admission.webhooks.enabled=true", "admission.defaults.enabled=false")
        self.api.request("POST", "/api/v1/namespaces", {"metadata": {"name": "reaper-system"}}).ok()
        planes.install_crd(self.api)
        planes.make_namespace(self.api, "team")
        planes.install(self.api, self._objects["RuntimeClass", "reaper-v2"])
        planes.install_operators_rights(self.api, self._objects, GROUP)

    def start(self, count: int = 1, **settings: Any) -> None:
        """Replicas, with an empty Secret as Helm makes it, and configurations without a bundle."""
        self.api.request("DELETE", SECRET)
        planes.install(self.api, self._objects["Secret", NAME])
        for kind in KINDS:
            self.api.request("DELETE", path_of(kind))
        for user, port in list(zip(USERS, self.ports, strict=True))[:count]:
            choice = {"webhook_address": f"127.0.0.1:{port}", "webhook_hosts": "127.0.0.1", **settings}
            self.replicas.append(Replica(self.folder, user, self.plane.kubeconfig(user), **choice).start())

    def configure(self, *kinds: str, failure: str | None = None) -> None:
        """The chart's configurations, asking each of the replicas. Where it is not to fill in, it says so to those who
        judge."""
        plain = KINDS[1] not in (kinds or KINDS)
        for kind in kinds or KINDS:
            body = json.loads(json.dumps((self._plain if plain else self._objects)[kind, NAME]))
            body["webhooks"] = [
                {
                    **hook,
                    "name": f"r{port}.{hook['name']}",
                    "clientConfig": {"url": f"https://127.0.0.1:{port}{hook['clientConfig']['service']['path']}"},
                    "failurePolicy": failure or hook["failurePolicy"],
                }
                for hook in body["webhooks"]
                for port in self.ports[: len(self.replicas)]
            ]
            self.api.apply(path_of(kind), body)

    def bundle(self, kind: str = KINDS[0]) -> bytes:
        """What API servers trust."""
        return bundle_of(self.api, kind)

    def serving(self) -> None:
        """Wait until every replica is asked and answers."""
        eventually("replicas are ready", 40, lambda: all(replica.ready for replica in self.replicas))

        def answered() -> bool:
            warnings = self.api.request("POST", TASKS, task("x", **WARNED), dryRun="All").warnings
            return sum("RPR104" in text for text in warnings) == 1  # the API server tells the same only once

        eventually("webhooks answer", 40, answered)

    def end(self) -> None:
        for replica in self.replicas:
            replica.end()
        self.replicas.clear()


def path_of(kind: str) -> str:
    return f"{ADMISSION}/{kind.lower()}s/{NAME}"


def bundle_of(api: Api, kind: str) -> bytes:
    """What API servers trust: the same of every webhook of a configuration."""
    hooks = api.request("GET", path_of(kind)).ok()["webhooks"]
    (text,) = {hook["clientConfig"].get("caBundle", "") for hook in hooks}
    return base64.b64decode(text)


def handshake(port: int, bundle: bytes, host: str = "127.0.0.1") -> bytes:
    """The certificate that a replica shows to who trusts this bundle, as an API server that has no connection yet."""
    context = ssl.create_default_context(cadata=bundle.decode())
    with (
        socket.create_connection(("127.0.0.1", port), timeout=5) as raw,
        context.wrap_socket(raw, server_hostname=host) as tls,
    ):
        return tls.getpeercert(binary_form=True) or b""


class LateServer:
    """An API server that learns of each bundle a moment late."""

    LAG = 0.3  # seconds; below what the replicas are told to wait
    _BETWEEN = 0.05  # seconds between two looks

    def __init__(self, site: Site, kind: str) -> None:
        self._site, self._kind = site, kind
        self._found = [(time.monotonic(), site.bundle(kind))]
        self._end = threading.Event()
        self._thread = threading.Thread(target=self._watch)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._end.set()
        self._thread.join()

    @property
    def bundles(self) -> list[bytes]:
        """All that there were."""
        return [bundle for _, bundle in self._found]

    @property
    def authorities(self) -> set[bytes]:
        """All that were in them."""
        return {pem for bundle in self.bundles for pem in re.findall(rb"-+BEGIN.*?-+END[^\n]*", bundle, re.DOTALL)}

    def bundle(self) -> bytes:
        """What it knows."""
        now, found = time.monotonic(), list(self._found)
        known = [bundle for since, bundle in found if since <= now - self.LAG]
        return known[-1] if known else found[0][1]

    def _watch(self) -> None:
        """In a thread: the lag counts from when a bundle is there, not from when somebody asks."""
        while not self._end.wait(self._BETWEEN):
            asked, newest = time.monotonic(), self._site.bundle(self._kind)
            if newest != self._found[-1][1]:
                self._found.append((asked, newest))


def create(api: Api, body: Body) -> Answer:
    workload = WORKLOADS[body["kind"]]
    root = f"/apis/{workload.group}" if workload.group else "/api"
    path = f"{root}/{workload.version}/namespaces/team/{workload.resource}"
    return api.request("POST", path, body, dryRun="All", fieldValidation="Strict")
