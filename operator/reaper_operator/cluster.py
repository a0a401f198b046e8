"""The Kubernetes API as the operator uses it: a port, and its one implementation. Nothing else of ours
talks to it."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any, Protocol

import urllib3
from kubernetes.client import ApiClient, Configuration

from reaper_api.vocabulary import FINAL_PHASES, GROUP, PLURAL, VERSION
from reaper_operator.errors import (
    AlreadyExists,
    ClusterError,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    Unavailable,
)
from reaper_operator.key import Key, key_of_task

Body = dict[str, Any]

_TASKS = f"/apis/{GROUP}/{VERSION}/{PLURAL}"
_TASK = f"/apis/{GROUP}/{VERSION}/namespaces/{{namespace}}/{PLURAL}/{{name}}"
_PODS = "/api/v1/namespaces/{namespace}/pods"
_EVENTS = "/api/v1/namespaces/{namespace}/events"
_PAGE = 500  # tasks in one answer of a list
_MERGE = "application/merge-patch+json"
_STRATEGIC = "application/strategic-merge-patch+json"


class Cluster(Protocol):
    """Every call may raise a ClusterError; a `get` of what is not there returns None instead."""

    async def get_task(self, key: Key) -> Body | None:
        """The ReaperTask."""

    async def get_pod(self, namespace: str, name: str) -> Body | None:
        """A Pod."""

    async def unfinished_tasks(self) -> list[Key]:
        """The keys of all tasks in the cluster that are not over yet."""

    async def create_pod(self, manifest: Body) -> Body:
        """Create a Pod and return it. AlreadyExists if the name is taken."""

    async def remove_gate(self, namespace: str, name: str, uid: str, gate: str) -> None:
        """Take one scheduling gate off exactly this Pod. Conflict if the name belongs to another Pod by
        now."""

    async def patch_status(self, key: Key, resource_version: str, status: Body) -> Body:
        """Merge `status` into the task's status and return the task. Conflict unless it is still at that
        version."""

    async def create_event(self, event: Body) -> None:
        """Create a Kubernetes Event."""


class ApiServer:
    """The Cluster behind an API server, through the official client. Each call runs in a thread of the
    default executor, is made once, and ends after `timeout` seconds."""

    def __init__(self, configuration: Configuration, *, timeout: float) -> None:
        # Repeating is the queue's business: it knows how long a task has been failing.
        configuration.retries = False
        self._client = ApiClient(configuration)
        self._timeout = timeout

    async def get_task(self, key: Key) -> Body | None:
        return await self._get(_TASK, **key._asdict())

    async def get_pod(self, namespace: str, name: str) -> Body | None:
        return await self._get(_PODS + "/{name}", namespace=namespace, name=name)

    async def unfinished_tasks(self) -> list[Key]:
        # A selectable field of the CRD: the API server leaves out what is over, which is most of it.
        over = ",".join(f"status.phase!={phase}" for phase in sorted(FINAL_PHASES))
        keys: list[Key] = []
        token = ""
        while True:
            query = {"limit": _PAGE, "fieldSelector": over, "continue": token}
            page = await self._call("GET", _TASKS, {}, query=query)
            keys += [key_of_task(item) for item in page["items"]]
            token = page["metadata"].get("continue") or ""
            if not token:
                return keys

    async def create_pod(self, manifest: Body) -> Body:
        namespace = manifest["metadata"]["namespace"]
        return await self._call("POST", _PODS, {"namespace": namespace}, body=manifest)

    async def remove_gate(self, namespace: str, name: str, uid: str, gate: str) -> None:
        body = {"metadata": {"uid": uid}, "spec": {"schedulingGates": [{"$patch": "delete", "name": gate}]}}
        path = {"namespace": namespace, "name": name}
        await self._call("PATCH", _PODS + "/{name}", path, body=body, content_type=_STRATEGIC)

    async def patch_status(self, key: Key, resource_version: str, status: Body) -> Body:
        body = {"metadata": {"resourceVersion": resource_version}, "status": status}
        return await self._call("PATCH", _TASK + "/status", key._asdict(), body=body, content_type=_MERGE)

    async def create_event(self, event: Body) -> None:
        await self._call("POST", _EVENTS, {"namespace": event["metadata"]["namespace"]}, body=event)

    async def _get(self, path: str, **names: str) -> Body | None:
        try:
            return await self._call("GET", path, names)
        except NotFound:
            return None

    async def _call(
        self,
        method: str,
        path: str,
        names: Mapping[str, str],
        *,
        query: Mapping[str, Any] | None = None,
        body: Body | None = None,
        content_type: str = "application/json",
    ) -> Body:
        return await asyncio.to_thread(self._call_now, method, path, names, query, body, content_type)

    def _call_now(
        self,
        method: str,
        path: str,
        names: Mapping[str, str],
        query: Mapping[str, Any] | None,
        body: Body | None,
        content_type: str,
    ) -> Body:
        headers = {"Accept": "application/json"}
        if body is not None:
            headers["Content-Type"] = content_type
        request = self._client.param_serialize(
            method,
            path,
            path_params=dict(names),
            query_params=list((query or {}).items()),
            header_params=headers,
            body=body,
            auth_settings=["BearerToken"],
        )
        try:
            response = self._client.call_api(*request, _request_timeout=self._timeout)
            data = response.read()  # type: ignore[no-untyped-call]
        except urllib3.exceptions.HTTPError as error:
            raise Unavailable(0, f"{method} {request[1]}: {error}") from error
        if response.status >= 300:
            raise _error(method, response.status, data, response.headers.get("Retry-After"))
        result: Body = json.loads(data)
        return result


def _error(method: str, status: int, data: bytes, retry_after: str | None) -> ClusterError:
    """The one map from HTTP answers to our errors."""
    message = _message(data) or f"HTTP status {status}"
    match status:
        case 404:
            return NotFound(status, message)
        case 409 if method == "POST":
            return AlreadyExists(status, message)
        case 409:
            return Conflict(status, message)
        case 403:
            return Forbidden(status, message)
        case 400 | 413 | 422:
            return Invalid(status, message)
        case _ if status == 429 or status >= 500:
            seconds = float(retry_after) if retry_after and retry_after.isdigit() else None
            return Unavailable(status, message, retry_after=seconds)
        case _:
            return ClusterError(status, message)


def _message(data: bytes) -> str:
    """`message` of the Status object that Kubernetes answers errors with, or the text itself."""
    try:
        answer = json.loads(data)
    except ValueError:
        return data.decode(errors="replace").strip()[:200]
    return str(answer.get("message", "")) if isinstance(answer, dict) else ""
