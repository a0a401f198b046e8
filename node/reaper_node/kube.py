"""The few requests that the installer sends to the API server, with the pod's service account.

The standard library is enough: four kinds of requests, no watch.
"""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from reaper_node.errors import ApiError, NodeError

if TYPE_CHECKING:
    from collections.abc import Mapping

_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")
_MERGE = "application/merge-patch+json"
_STRATEGIC = "application/strategic-merge-patch+json"

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


class ApiServer:
    """The API server as a pod reaches it."""

    def __init__(self, base: str, account: Path = _ACCOUNT) -> None:
        self._base = base
        self._account = account

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
        # Under Helm's name, so that a later upgrade by Helm does not meet a conflict of ours.
        path = f"/apis/apps/v1/namespaces/{namespace}/daemonsets/{name}?fieldManager=helm"
        self._request("PATCH", path, patch, _STRATEGIC)

    def pods(self, namespace: str, selector: str) -> list[Json]:
        query = urllib.parse.urlencode({"labelSelector": selector})
        return list(self._request("GET", f"/api/v1/namespaces/{namespace}/pods?{query}")["items"])

    def _request(self, method: str, path: str, body: Json | None = None, kind: str = "application/json") -> Json:
        # The token is read each time: kubelet renews the file.
        headers = {
            "Authorization": f"Bearer {(self._account / 'token').read_text().strip()}",
            "Content-Type": kind,
        }
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self._base + path, data, headers, method=method)  # noqa: S310
        context = ssl.create_default_context(cafile=str(self._account / "ca.crt"))
        try:
            with urllib.request.urlopen(request, timeout=15, context=context) as answer:  # noqa: S310
                return dict(json.load(answer))
        except urllib.error.HTTPError as error:
            raise ApiError(f"{method} {path}", error.code, _message(error.read())) from error
        except OSError as error:
            raise ApiError(f"{method} {path}", 0, str(error)) from error


def _message(body: bytes) -> str:
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")[:500]
