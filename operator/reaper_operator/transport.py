"""One request to the API server through the official client, and what its answer means.

Blocking: call it in a thread.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

import urllib3
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException

from reaper_operator.access import Access
from reaper_operator.errors import (
    AlreadyExists,
    ClusterError,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    Unavailable,
)
from reaper_operator.fencing import READS, fence_writes
from reaper_operator.telemetry import Silent, Telemetry

Body = dict[str, Any]
# What the client says of one fault and of one try alone: how long it would have waited, and where a list goes on.
_OF_ONE_TRY = re.compile(r" \((?:read|connect) timeout=[^)]*\)|[?&](?:timeout|continue)=[^&\s:]*")

Fence = Callable[[], float]
"""For how many seconds a write that begins now may take. Raises a ClusterError where none may begin."""


class Transport:
    """Connections of its own. Each request is made once: repeating is for those who know what for."""

    def __init__(
        self,
        configuration: Configuration,
        *,
        timeout: float,
        fence: Fence | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        """`timeout`: seconds for one request. Without a `fence` everybody may write at any time."""
        configuration.retries = False
        self._configuration = configuration
        self._client = ApiClient(configuration)
        self._timeout = timeout
        self._fence = fence
        self._telemetry = telemetry or Silent()
        if fence is not None:
            fence_writes(self._client.rest_client.pool_manager, fence)

    def call(
        self,
        method: str,
        path: str,
        names: Mapping[str, str],
        *,
        query: Mapping[str, Any] | None = None,
        body: Body | None = None,
        content_type: str = "application/json",
        timeout: float | None = None,
    ) -> Body:
        """The object that the API server answers with. `names` are put into the {names} of `path`; `timeout` replaces
        the usual one. Raises a ClusterError."""
        seconds, query = timeout or self._timeout, dict(query or {})
        if self._fence is not None and method not in READS:
            seconds = min(seconds, self._fence())
            query["timeout"] = f"{seconds:.3f}s"  # the API server gives up too: nothing of ours is done after that
        with self._telemetry.request(method, path) as told:
            response, url = self._send(method, path, names, query, body, content_type, seconds)
            told(str(response.status))
            data: bytes = response.data
        if response.status == 401 and isinstance(self._configuration, Access):
            self._configuration.renew()  # the next request comes with what is there now
        if response.status >= 300:
            raise _error(method, response.status, data, response.headers.get("Retry-After"))
        return _object(method, url, response.status, data)

    def _send(
        self,
        method: str,
        path: str,
        names: Mapping[str, str],
        query: Mapping[str, Any],
        body: Body | None,
        content_type: str,
        seconds: float,
    ) -> tuple[Any, str]:
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = content_type
        request = self._client.param_serialize(
            method,
            path,
            path_params=dict(names),
            query_params=list(query.items()),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            response = self._client.call_api(*request, _request_timeout=seconds)
            response.read()  # type: ignore[no-untyped-call]
        except (urllib3.exceptions.HTTPError, ApiException) as error:  # the client wraps faults of TLS into its own
            raise Unavailable(0, _OF_ONE_TRY.sub("", f"{method} {request[1]}: {error}")) from error
        return response, request[1]


def _object(method: str, url: str, status: int, data: bytes) -> Body:
    """The object of a good answer. Unavailable if it is none: something between here and the API server answered."""
    try:
        answer = json.loads(data)
    except ValueError:
        answer = None
    if not isinstance(answer, dict):
        raise Unavailable(status, f"{method} {url}: the answer is not an object of Kubernetes: {data[:80]!r}")
    return answer


def _error(method: str, status: int, data: bytes, retry_after: str | None) -> ClusterError:
    """The one map from HTTP answers to our errors."""
    answer = _status_object(data)
    message = str(answer.get("message") or "") or f"HTTP status {status}"
    match status:
        case 404:
            return NotFound(status, message)
        case 409 if answer.get("reason") == "AlreadyExists":
            return AlreadyExists(status, message)
        case 409:  # on create too: two writers met at the namespace's ResourceQuota
            return Conflict(status, message)
        case 403:
            return Forbidden(status, message)
        case 422 if _names_fields(answer):
            return Invalid(status, message)
        # Admission refuses with these as well: a ValidatingAdmissionPolicy without a reason with 422, a webhook
        # without a code with 400. Whoever refuses today may agree tomorrow.
        case 400 | 413 | 422 if method == "POST":
            return Forbidden(status, message)
        case _ if status == 429 or status >= 500:
            seconds = float(retry_after) if retry_after and retry_after.isdecimal() else None
            return Unavailable(status, message, retry_after=seconds)
        case _:
            return ClusterError(status, message)


def _status_object(data: bytes) -> Body:
    """The Status object that Kubernetes answers errors with; from any other text, one with that as its message."""
    try:
        answer = json.loads(data)
    except ValueError:
        return {"message": data.decode(errors="replace").strip()[:200]}
    return answer if isinstance(answer, dict) else {}


def _names_fields(answer: Body) -> bool:
    """Whether validation refused: only it says which fields are wrong."""
    details = answer.get("details") or {}
    return any(cause.get("field") for cause in details.get("causes") or ())
