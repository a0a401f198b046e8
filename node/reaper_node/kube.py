"""The few requests that installer and agent send to the API server, with the pod's service account.

The standard library is enough: single requests on one connection, no watch.
"""

from __future__ import annotations

import email.utils
import http.client
import json
import ssl
import time
import urllib.parse
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from reaper_node.errors import ApiError, NodeError

if TYPE_CHECKING:
    from collections.abc import Mapping

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_MERGE = "application/merge-patch+json"
_STRATEGIC = "application/strategic-merge-patch+json"
_APPLY = "application/apply-patch+yaml"
_JSON = "application/json"
_METADATA = f"{_JSON};as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"  # of each object no more than that
_TASK = "/apis/reaper.io/v1alpha1/namespaces/{namespace}/reapertasks/{name}"
_TIMEOUT = 15.0  # seconds
FIELD_MANAGER = "reaper-node"

Json = dict[str, Any]


class Cluster(Protocol):
    """What the installer needs of the API server."""

    def node(self, name: str) -> Json:
        """The Node."""

    def patch_node(self, name: str, metadata: Json) -> None:
        """Merge labels and annotations into a Node; None removes one."""

    def create_event(self, event: Json) -> None:
        """Record an Event in the namespace default, where Events about Nodes belong."""

    def daemon_set(self, namespace: str, name: str) -> Json:
        """A DaemonSet."""

    def patch_daemon_set(self, namespace: str, name: str, patch: Json) -> None:
        """Change a DaemonSet by a strategic merge patch."""

    def pods(self, namespace: str, selector: str) -> list[Json]:
        """The Pods that a label selector finds."""

    def namespaces(self) -> dict[str, float]:
        """When each Namespace was created, in seconds since the epoch by this machine's clock."""


class Tasks(Protocol):
    """What the agent needs of the API server."""

    def task(self, namespace: str, name: str) -> Json:
        """A ReaperTask."""

    def apply_status(self, task: Json) -> None:
        """Apply the status of a ReaperTask on the server: fields of ours that are not in it any more go."""


class _Answer(NamedTuple):
    status: int
    reason: str
    date: str
    body: bytes


class ApiServer:
    """The API server as a pod reaches it."""

    def __init__(self, base: str, account: Path = _ACCOUNT) -> None:
        self._base = base
        self._account = account
        self._connection: http.client.HTTPConnection | None = None

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> ApiServer:
        """Where the variables that kubelet sets say it is."""
        host, port = env.get("KUBERNETES_SERVICE_HOST", ""), env.get("KUBERNETES_SERVICE_PORT", "443")
        if not host:
            raise NodeError("BadSettings", "KUBERNETES_SERVICE_HOST is not set: this has to run in a pod")
        return cls(f"https://[{host}]:{port}" if ":" in host else f"https://{host}:{port}")

    def node(self, name: str) -> Json:
        return self._request("GET", f"/api/v1/nodes/{name}")

    def patch_node(self, name: str, metadata: Json) -> None:
        self._request("PATCH", f"/api/v1/nodes/{name}", {"metadata": metadata}, _MERGE)

    def create_event(self, event: Json) -> None:
        self._request("POST", "/api/v1/namespaces/default/events", event)

    def daemon_set(self, namespace: str, name: str) -> Json:
        return self._request("GET", f"/apis/apps/v1/namespaces/{namespace}/daemonsets/{name}")

    def patch_daemon_set(self, namespace: str, name: str, patch: Json) -> None:
        # Helm 4 applies on the server. There an update and an apply are two managers, of whatever name: an upgrade that
        # changes a field which we have patched meets a conflict. One that leaves it as it was does not.
        path = f"/apis/apps/v1/namespaces/{namespace}/daemonsets/{name}?fieldManager=helm"
        self._request("PATCH", path, patch, _STRATEGIC)

    def pods(self, namespace: str, selector: str) -> list[Json]:
        query = urllib.parse.urlencode({"labelSelector": selector})
        return list(self._request("GET", f"/api/v1/namespaces/{namespace}/pods?{query}")["items"])

    def namespaces(self) -> dict[str, float]:
        answer, now = self._dated("GET", "/api/v1/namespaces", accept=_METADATA)
        ahead = time.time() - now  # of the API server's clock, by which it says when it created something
        return {
            item["metadata"]["name"]: datetime.fromisoformat(item["metadata"]["creationTimestamp"]).timestamp() + ahead
            for item in answer["items"]
        }

    def task(self, namespace: str, name: str) -> Json:
        return self._request("GET", _TASK.format(namespace=namespace, name=name))

    def apply_status(self, task: Json) -> None:
        path = _TASK.format(namespace=task["metadata"]["namespace"], name=task["metadata"]["name"])
        # By force: the two fields are ours, whoever wrote them.
        self._request("PATCH", f"{path}/status?fieldManager={FIELD_MANAGER}&force=true", task, _APPLY)

    def _request(self, method: str, path: str, body: Json | None = None, kind: str = _JSON) -> Json:
        return self._dated(method, path, body, kind)[0]

    def _dated(
        self, method: str, path: str, body: Json | None = None, kind: str = _JSON, accept: str = _JSON
    ) -> tuple[Json, float]:
        """What the API server answers, and when, in seconds since the epoch by its clock."""
        what = f"{method} {path}"
        data = None if body is None else json.dumps(body).encode()
        try:
            # The token is read each time: kubelet renews the file.
            token = (self._account / "token").read_text().strip()
            headers = {"Authorization": f"Bearer {token}", "Content-Type": kind, "Accept": accept}
            answer = self._exchange(method, path, data, headers)
            if answer.status >= 300:
                raise ApiError(what, answer.status, _message(answer.body, answer.reason))
            return dict(json.loads(answer.body)), _time(answer.date)
        except (OSError, ValueError, http.client.HTTPException) as error:
            self.close()
            raise ApiError(what, 0, str(error) or type(error).__name__) from error

    def _exchange(self, method: str, path: str, data: bytes | None, headers: dict[str, str]) -> _Answer:
        """One request on the connection that is open, or on a new one: also where the server has closed the old one."""
        if self._connection is not None:
            try:
                return _send(self._connection, method, path, data, headers)
            except (ConnectionError, ssl.SSLError, http.client.HTTPException):
                self.close()
        self._connection = self._connect()
        return _send(self._connection, method, path, data, headers)

    def _connect(self) -> http.client.HTTPConnection:
        place = urllib.parse.urlsplit(self._base)
        host = place.hostname or ""
        if place.scheme == "http":
            return http.client.HTTPConnection(host, place.port, timeout=_TIMEOUT)
        context = ssl.create_default_context(cafile=str(self._account / "ca.crt"))
        return http.client.HTTPSConnection(host, place.port, timeout=_TIMEOUT, context=context)

    def close(self) -> None:
        """Give the connection up; the next request makes another."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None


def _send(
    connection: http.client.HTTPConnection, method: str, path: str, data: bytes | None, headers: dict[str, str]
) -> _Answer:
    connection.request(method, path, data, headers)
    answer = connection.getresponse()
    try:
        body = answer.read()
    except (OSError, http.client.HTTPException):
        if answer.status < 300:
            raise
        connection.close()
        body = b""  # a refusal stays one, also where its words are lost
    return _Answer(answer.status, answer.reason, answer.getheader("Date", ""), body)


def _time(date: str) -> float:
    """A Date header (RFC 9110, section 6.6.1), in seconds since the epoch; now where there is none that can be read."""
    try:
        return email.utils.parsedate_to_datetime(date).timestamp()
    except ValueError:
        return time.time()


def _message(body: bytes, reason: str) -> str:
    """What the API server says about a refusal, or what something between here and there says."""
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")[:500] or reason
