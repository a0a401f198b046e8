"""What the webhooks have in the cluster: the Secret with their certificate, and the configurations that name them."""

import base64
from collections.abc import Callable
from typing import Any, NamedTuple

from reaper_operator.errors import NotFound
from reaper_operator.transport import Body
from reaper_operator.webhooks.rotation import Kept

_SECRET = "/api/v1/namespaces/{namespace}/secrets/{name}"  # noqa: S105 - a path
_CONFIGURATIONS = tuple(
    f"/apis/admissionregistration.k8s.io/v1/{kind}webhookconfigurations/{{name}}" for kind in ("validating", "mutating")
)
_MERGE = "application/merge-patch+json"
_STRATEGIC = "application/strategic-merge-patch+json"  # a list of webhooks is merged by their names
_KEYS = {"bundle": "ca.crt", "authority_key": "ca.key", "certificate": "tls.crt", "key": "tls.key"}

Call = Callable[..., Body]
"""Transport.call."""


class Stored(NamedTuple):
    """A Secret, at a version."""

    kept: Kept
    version: str


class Registration:
    """Blocking calls. Every one may raise a ClusterError."""

    def __init__(self, call: Call, namespace: str, secret: str, configurations: str) -> None:
        """`configurations`: the name of both."""
        self._call = call
        self._secret = {"namespace": namespace, "name": secret}
        self._configurations = {"name": configurations}

    def configurations(self) -> list[tuple[str, Body]]:
        """The two, each with its path; one that is not there is left out."""
        found = []
        for path in _CONFIGURATIONS:
            try:
                found.append((path, self._call("GET", path, self._configurations)))
            except NotFound:
                continue
        return found

    def stored(self) -> Stored:
        """The Secret. NotFound if it is not there."""
        body = self._call("GET", _SECRET, self._secret)
        data = body.get("data") or {}
        kept = Kept(**{name: base64.b64decode(data.get(key) or "") for name, key in _KEYS.items()})
        return Stored(kept, body["metadata"]["resourceVersion"])

    def store(self, kept: Kept, version: str) -> None:
        """Conflict if the Secret is not at this version any more."""
        data = {key: base64.b64encode(getattr(kept, name)).decode() for name, key in _KEYS.items()}
        body = {"metadata": {"resourceVersion": version}, "data": data}
        self._call("PATCH", _SECRET, self._secret, body=body, content_type=_MERGE)

    def trust(self, path: str, configuration: Body, bundle: bytes) -> None:
        """Put the bundle into each webhook of a configuration, and change nothing else of it. Conflict if it is not at
        the version any more that it was read at."""
        webhooks = [
            {"name": hook["name"], "clientConfig": {"caBundle": _text(bundle)}} for hook in _hooks(configuration)
        ]
        body = {"metadata": {"resourceVersion": configuration["metadata"]["resourceVersion"]}, "webhooks": webhooks}
        self._call("PATCH", path, self._configurations, body=body, content_type=_STRATEGIC)


def trusts(configuration: Body, bundle: bytes) -> bool:
    """Whether each webhook of a configuration has exactly this bundle."""
    return all(hook["clientConfig"].get("caBundle") == _text(bundle) for hook in _hooks(configuration))


def _hooks(configuration: Body) -> list[dict[str, Any]]:
    return list(configuration.get("webhooks") or ())


def _text(bundle: bytes) -> str:
    return base64.b64encode(bundle).decode()
