"""A bare client for tests: one request, its status and its body."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from kubernetes import config
from kubernetes.client import ApiClient, Configuration

Body = dict[str, Any]

SERVER_SIDE = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"


@dataclass(frozen=True)
class Answer:
    """What the API server said."""

    status: int
    body: Body
    warnings: tuple[str, ...] = ()
    """What kubectl would print as warnings."""

    @property
    def message(self) -> str:
        """The sentence of an error."""
        return str(self.body.get("message", ""))

    def ok(self) -> Body:
        """The body, of an answer that has to be good."""
        assert self.status < 300, f"{self.status}: {self.message}"
        return self.body


class Api:
    """Speaks to the cluster of a kubeconfig."""

    def __init__(self, kubeconfig: str) -> None:
        configuration = Configuration()
        config.load_kube_config(kubeconfig, client_configuration=configuration)  # type: ignore[no-untyped-call]
        self._client = ApiClient(configuration)

    def request(
        self,
        method: str,
        path: str,
        body: Body | None = None,
        *,
        content_type: str = "application/json",
        headers: Mapping[str, str] | None = None,
        **query: Any,
    ) -> Answer:
        """One call. Errors are answers too. `headers` are sent beside the usual ones."""
        request = self._client.param_serialize(
            method,
            path,
            query_params=list(query.items()),
            header_params={"Accept": "application/json", "Content-Type": content_type, **(headers or {})},
            body=json.dumps(body) if body is not None and content_type == SERVER_SIDE else body,
            auth_settings=["BearerToken"],
        )
        response = self._client.call_api(*request, _request_timeout=10)
        data = response.read()  # type: ignore[no-untyped-call]
        return Answer(response.status, json.loads(data), _warnings(response))

    def apply(self, path: str, body: Body, **query: Any) -> Body:
        """Server-side apply, as `kubectl apply --server-side --force-conflicts` does it."""
        query |= {"fieldManager": "reaper-tests", "force": "true"}
        return self.request("PATCH", path, body, content_type=SERVER_SIDE, **query).ok()


def _warnings(response: Any) -> tuple[str, ...]:
    """The texts of the headers `Warning: 299 - "text"`."""
    headers = (raw.encode("latin-1").decode() for raw in response.response.headers.getlist("Warning"))
    return tuple(json.loads(text) for header in headers for text in re.findall(r'299 - ("(?:[^"\\]|\\.)*")', header))
