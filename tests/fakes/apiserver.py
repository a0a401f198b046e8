"""FakeCluster behind HTTP: discovery, lists, watches with a history that can be forgotten, and answers that can fail.

Enough of an API server for the whole operator, Kopf included, with the faults that a real one cannot be asked for.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from copy import deepcopy
from pathlib import Path
from typing import Any

from aiohttp import web

from reaper_api.vocabulary import FINAL_PHASES, GATE_RECORDED, GROUP, KIND, PLURAL, VERSION
from reaper_operator.errors import ClusterError
from reaper_operator.key import Key
from tests.fakes.cluster import FakeCluster

Body = dict[str, Any]
HttpFault = Callable[[str, str], web.Response | None]
"""Method and path in; an answer that comes instead of the right one, or None."""

TASKS, PODS = PLURAL, "pods"


def failure(status: int, message: str = "a fault", **headers: str) -> web.Response:
    """An error as the API server puts it."""
    body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": status}
    return web.json_response(body, status=status, headers=headers)


def no_http_fault(method: str, path: str) -> None:
    """All is well."""


def _resource(name: str, kind: str, *, status: bool = False) -> list[Body]:
    verbs = ["create", "delete", "get", "list", "patch", "update", "watch"]
    found: list[Body] = [{"name": name, "singularName": "", "namespaced": True, "kind": kind, "verbs": verbs}]
    if status:
        found.append(
            {"name": f"{name}/status", "singularName": "", "namespaced": True, "kind": kind, "verbs": ["patch"]}
        )
    return found


class FakeApiServer:
    """Serves one FakeCluster. Call `publish` after changing the cluster by hand."""

    def __init__(self, cluster: FakeCluster) -> None:
        self.cluster = cluster
        self.requests: list[str] = []
        self.sent: list[tuple[str, str]] = []  # resource and type of each watch event that left
        self.fault: HttpFault = no_http_fault
        self._history: list[tuple[int, str, str, Body]] = []
        self._version = 1
        self._oldest = {TASKS: 0, PODS: 0}
        self._known: dict[tuple[str, Key], Body] = {}
        self._news = asyncio.Condition()
        self._generation = {TASKS: 0, PODS: 0}  # of watches: all older ones end

    async def publish(self) -> None:
        """Compare the cluster with what was known, and tell the watches."""
        now = {(TASKS, key): task for key, task in self.cluster.tasks.items()}
        now |= {(PODS, key): pod for key, pod in self.cluster.pods.items()}
        for place in [*now, *(old for old in self._known if old not in now)]:
            before, after = self._known.get(place), now.get(place)
            if before == after:
                continue
            self._version += 1
            kind = "ADDED" if before is None else "DELETED" if after is None else "MODIFIED"
            found = deepcopy(after if after is not None else before)
            assert found is not None
            if place[0] == PODS:
                found["metadata"]["resourceVersion"] = str(self._version)
            self._history.append((self._version, place[0], kind, found))
        self._known = deepcopy(now)
        async with self._news:
            self._news.notify_all()

    async def drop_watches(self, *resources: str) -> None:
        """Cut every open watch of these, or of all."""
        for resource in resources or self._generation:
            self._generation[resource] += 1
        async with self._news:
            self._news.notify_all()

    def forget_history(self, *resources: str) -> None:
        """Whoever asks for changes of these, or of all, since an older version gets 410."""
        for resource in resources or self._oldest:
            self._oldest[resource] = self._version
        self._history = [change for change in self._history if change[0] > self._oldest[change[1]]]

    def kubeconfig(self, folder: Path, port: int) -> str:
        """A kubeconfig that leads here."""
        path = folder / "kubeconfig"
        path.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [{"name": "fake", "cluster": {"server": f"http://127.0.0.1:{port}"}}],
                    "users": [{"name": "fake", "user": {"token": "t"}}],
                    "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
                    "current-context": "fake",
                }
            )
        )
        return str(path)

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[int]:
        """Listen on a free port."""
        app = web.Application(middlewares=[self._middleware])
        task = f"/apis/{GROUP}/{VERSION}/namespaces/{{namespace}}/{PLURAL}/{{name}}"
        pods = "/api/v1/namespaces/{namespace}/pods"
        app.add_routes(
            [
                web.get("/api", self._json({"versions": ["v1"]})),
                web.get("/apis", self._json({"groups": [_group()]})),
                web.get(
                    "/api/v1",
                    self._json(
                        {"resources": _resource("namespaces", "Namespace") + _resource(PODS, "Pod", status=True)}
                    ),
                ),
                web.get(f"/apis/{GROUP}/{VERSION}", self._json({"resources": _resource(PLURAL, KIND, status=True)})),
                web.get(f"/apis/{GROUP}/{VERSION}/{PLURAL}", self._collection(TASKS)),
                web.get("/api/v1/pods", self._collection(PODS)),
                web.get(task, self._get_task),
                web.patch(task + "/status", self._patch_status),
                web.post(pods, self._create_pod),
                web.get(pods + "/{name}", self._get_pod),
                web.patch(pods + "/{name}", self._patch_pod),
                web.post("/api/v1/namespaces/{namespace}/events", self._create_event),
            ]
        )
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        try:
            yield int(runner.addresses[0][1])
        finally:
            await self.drop_watches()
            await runner.cleanup()

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Any) -> web.StreamResponse:
        self.requests.append(f"{request.method} {request.path}")
        fault = self.fault(request.method, request.path)
        if fault is not None:
            return fault
        try:
            answer: web.StreamResponse = await handler(request)
        except ClusterError as error:
            return failure(error.status, error.message)
        if request.method != "GET":
            await self.publish()
        return answer

    @staticmethod
    def _json(body: Body) -> Any:
        async def handler(request: web.Request) -> web.Response:
            return web.json_response(body)

        return handler

    def _collection(self, resource: str) -> Any:
        async def handler(request: web.Request) -> web.StreamResponse:
            if request.query.get("watch") == "true":
                return await self._watch(request, resource, int(request.query["resourceVersion"]))
            items = [body for (kind, _), body in self._known.items() if kind == resource]
            if "fieldSelector" in request.query:
                items = [body for body in items if body.get("status", {}).get("phase") not in FINAL_PHASES]
            return web.json_response({"metadata": {"resourceVersion": str(self._version)}, "items": items})

        return handler

    async def _watch(self, request: web.Request, resource: str, since: int) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        if since < self._oldest[resource]:
            gone = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
            await self._send(response, resource, "ERROR", gone)
            return response
        generation = self._generation[resource]
        while generation == self._generation[resource]:
            for version, kind, change, body in list(self._history):
                if version > since and kind == resource:
                    await self._send(response, resource, change, body)
            since = max(since, self._version)
            async with self._news:
                if generation == self._generation[resource] and since >= self._version:
                    await self._news.wait()
        return response

    async def _send(self, response: web.StreamResponse, resource: str, change: str, body: Body) -> None:
        self.sent.append((resource, change))
        await response.write(json.dumps({"type": change, "object": body}).encode() + b"\n")

    async def _get_task(self, request: web.Request) -> web.Response:
        return _found(await self.cluster.get_task(_key(request)))

    async def _get_pod(self, request: web.Request) -> web.Response:
        return _found(await self.cluster.get_pod(*_key(request)))

    async def _create_pod(self, request: web.Request) -> web.Response:
        return web.json_response(await self.cluster.create_pod(await request.json()), status=201)

    async def _patch_pod(self, request: web.Request) -> web.Response:
        assert request.content_type == "application/strategic-merge-patch+json"
        body = await request.json()
        assert body["spec"]["schedulingGates"] == [{"$patch": "delete", "name": GATE_RECORDED}]
        key = _key(request)
        await self.cluster.remove_gate(key.namespace, key.name, body["metadata"]["uid"], GATE_RECORDED)
        return _found(await self.cluster.get_pod(*key))

    async def _patch_status(self, request: web.Request) -> web.Response:
        assert request.content_type == "application/merge-patch+json"
        body = await request.json()
        return _found(
            await self.cluster.patch_status(_key(request), body["metadata"]["resourceVersion"], body["status"])
        )

    async def _create_event(self, request: web.Request) -> web.Response:
        await self.cluster.create_event(await request.json())
        return web.json_response({}, status=201)


def _group() -> Body:
    version = {"groupVersion": f"{GROUP}/{VERSION}", "version": VERSION}
    return {"name": GROUP, "versions": [version], "preferredVersion": version}


def _key(request: web.Request) -> Key:
    return Key(request.match_info["namespace"], request.match_info["name"])


def _found(body: Body | None) -> web.Response:
    return failure(404, "not found") if body is None else web.json_response(body)
