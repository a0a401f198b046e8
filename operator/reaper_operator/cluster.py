"""Tasks, Pods and Events at the API server: a port, and its one implementation."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any, Protocol

from kubernetes.client import Configuration

from reaper_api.vocabulary import FINAL_PHASES, GROUP, LABEL_TASK, PLURAL, VERSION
from reaper_operator import events
from reaper_operator.errors import AlreadyExists, Conflict, Invalid, NotFound
from reaper_operator.key import Key
from reaper_operator.telemetry import Silent, Telemetry
from reaper_operator.transport import Body, Fence, Transport

_TASKS = f"/apis/{GROUP}/{VERSION}/{PLURAL}"
_TASK = f"/apis/{GROUP}/{VERSION}/namespaces/{{namespace}}/{PLURAL}/{{name}}"
_PODS = "/api/v1/namespaces/{namespace}/pods"
_EVENTS = "/api/v1/namespaces/{namespace}/events"
_ALL_PODS = "/api/v1/pods"
_SCALE = "/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale"
_PAGE = 500  # objects in one answer of a list
# The API server leaves out what is over, which is most of it: status.phase is a selectable field of Pods and, by our
# CRD, of tasks, with the same words.
_NOT_OVER = ",".join(f"status.phase!={phase}" for phase in sorted(FINAL_PHASES))
_MERGE = "application/merge-patch+json"
_STRATEGIC = "application/strategic-merge-patch+json"


class Cluster(Protocol):
    """Every call may raise a ClusterError; a `get` of what is not there returns None instead."""

    async def get_task(self, key: Key) -> Body | None:
        """The ReaperTask."""

    async def get_pod(self, namespace: str, name: str) -> Body | None:
        """A Pod."""

    def unfinished_tasks(self) -> AsyncIterator[Body]:
        """All tasks in the cluster that are not over yet."""

    def unfinished_pods(self) -> AsyncIterator[Body]:
        """All Pods with our label whose process has not ended yet."""

    async def create_pod(self, manifest: Body) -> Body:
        """Create a Pod and return it. AlreadyExists if the name is taken."""

    async def remove_gate(self, namespace: str, name: str, uid: str, gate: str) -> None:
        """Take one scheduling gate off exactly this Pod. Conflict if the name belongs to another Pod by
        now."""

    async def remove_pod(self, namespace: str, name: str, uid: str) -> None:
        """Delete exactly this Pod. Conflict if the name belongs to another Pod by now."""

    async def limit_pod(self, namespace: str, name: str, uid: str, seconds: int) -> None:
        """Have kubelet end exactly this Pod when it has been active for so long. Conflict if the name belongs to
        another Pod by now."""

    async def events_about(self, namespace: str, uid: str) -> list[Body]:
        """The Kubernetes Events about an object."""

    async def patch_status(self, key: Key, resource_version: str, status: Body) -> Body:
        """Merge `status` into the task's status and return the task. Conflict unless it is still at that
        version."""

    async def patch_finalizers(self, key: Key, resource_version: str, finalizers: list[str]) -> Body:
        """Replace the task's finalizers and return the task. Conflict unless it is still at that version."""

    async def delete_task(self, key: Key, uid: str, resource_version: str) -> None:
        """Delete the task. Conflict unless it is still this one, at that version."""

    async def create_event(self, event: Body) -> None:
        """Create a Kubernetes Event; if there is one of its name, count it there."""


class ApiServer:
    """The Cluster behind an API server. Each call runs in a thread of the default executor."""

    def __init__(
        self,
        configuration: Configuration,
        *,
        timeout: float,
        fence: Fence | None = None,
        telemetry: Telemetry | None = None,
    ) -> None:
        """See Transport."""
        self._telemetry = telemetry or Silent()
        self._transport = Transport(configuration, timeout=timeout, fence=fence, telemetry=telemetry)

    async def get_task(self, key: Key) -> Body | None:
        return await self._get(_TASK, **key._asdict())

    async def get_pod(self, namespace: str, name: str) -> Body | None:
        return await self._get(_PODS + "/{name}", namespace=namespace, name=name)

    def unfinished_tasks(self) -> AsyncIterator[Body]:
        return self._list(_TASKS, fieldSelector=_NOT_OVER)

    def all_tasks(self) -> AsyncIterator[Body]:
        return self._list(_TASKS)

    def unfinished_pods(self) -> AsyncIterator[Body]:
        return self._list(_ALL_PODS, fieldSelector=_NOT_OVER, labelSelector=LABEL_TASK)

    async def create_pod(self, manifest: Body) -> Body:
        namespace = manifest["metadata"]["namespace"]
        return await self._call("POST", _PODS, {"namespace": namespace}, body=manifest)

    async def remove_gate(self, namespace: str, name: str, uid: str, gate: str) -> None:
        await self._patch_pod(namespace, name, uid, {"schedulingGates": [{"$patch": "delete", "name": gate}]})

    async def limit_pod(self, namespace: str, name: str, uid: str, seconds: int) -> None:
        await self._patch_pod(namespace, name, uid, {"activeDeadlineSeconds": seconds})

    async def _patch_pod(self, namespace: str, name: str, uid: str, spec: Body) -> None:
        body = {"metadata": {"uid": uid}, "spec": spec}
        path = {"namespace": namespace, "name": name}
        try:
            await self._call("PATCH", _PODS + "/{name}", path, body=body, content_type=_STRATEGIC)
        except Invalid as error:  # the UID of another Pod: the API server says that this field is immutable
            raise Conflict(error.status, error.message) from error

    async def remove_pod(self, namespace: str, name: str, uid: str) -> None:
        path = {"namespace": namespace, "name": name}
        await self._call("DELETE", _PODS + "/{name}", path, body={"preconditions": {"uid": uid}})

    async def patch_status(self, key: Key, resource_version: str, status: Body) -> Body:
        body = {"metadata": {"resourceVersion": resource_version}, "status": status}
        task = await self._call("PATCH", _TASK + "/status", key._asdict(), body=body, content_type=_MERGE)
        self._telemetry.status_written(status, task)
        return task

    async def patch_finalizers(self, key: Key, resource_version: str, finalizers: list[str]) -> Body:
        body = {"metadata": {"resourceVersion": resource_version, "finalizers": finalizers}}
        return await self._call("PATCH", _TASK, key._asdict(), body=body, content_type=_MERGE)

    async def delete_task(self, key: Key, uid: str, resource_version: str) -> None:
        body = {"preconditions": {"uid": uid, "resourceVersion": resource_version}}
        await self._call("DELETE", _TASK, key._asdict(), body=body)

    async def events_about(self, namespace: str, uid: str) -> list[Body]:
        query = {"fieldSelector": f"involvedObject.uid={uid}", "limit": _PAGE}
        answer = await self._call("GET", _EVENTS, {"namespace": namespace}, query=query)
        return list(answer["items"])

    async def create_event(self, event: Body) -> None:
        names = {"namespace": event["metadata"]["namespace"], "name": event["metadata"]["name"]}
        try:
            await self._call("POST", _EVENTS, names, body=event)
        except AlreadyExists:
            before = await self._call("GET", _EVENTS + "/{name}", names)
            patch = events.counted(before, event)
            await self._call("PATCH", _EVENTS + "/{name}", names, body=patch, content_type=_MERGE)

    async def replicas(self, namespace: str, deployment: str) -> int | None:
        """How many Pods a Deployment is to have; None if it is not there."""
        scale = await self._get(_SCALE, namespace=namespace, name=deployment)
        return None if scale is None else int(scale["spec"].get("replicas", 0))

    async def set_replicas(self, namespace: str, deployment: str, replicas: int) -> None:
        """Scale a Deployment."""
        names = {"namespace": namespace, "name": deployment}
        await self._call("PATCH", _SCALE, names, body={"spec": {"replicas": replicas}}, content_type=_MERGE)

    async def pods_selected(self, namespace: str, selector: str) -> list[Body]:
        """The Pods that a label selector finds."""
        return [pod async for pod in self._list(_PODS.format(namespace=namespace), labelSelector=selector)]

    async def _list(self, path: str, **selectors: str) -> AsyncIterator[Body]:
        """Page by page: all tasks of a large cluster do not fit into the operator's memory at once."""
        token = ""
        while True:
            page = await self._call("GET", path, {}, query={"limit": _PAGE, "continue": token, **selectors})
            for item in page["items"]:
                yield item
            token = page["metadata"].get("continue") or ""
            if not token:
                return

    async def _get(self, path: str, **names: str) -> Body | None:
        try:
            return await self._call("GET", path, names)
        except NotFound:
            return None

    async def _call(self, method: str, path: str, names: Mapping[str, str], **more: Any) -> Body:
        return await asyncio.to_thread(self._transport.call, method, path, names, **more)
