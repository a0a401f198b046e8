"""FakeCluster behind HTTP: discovery, lists, watches with a history that can be forgotten, and answers that can fail.

Enough of an API server for the whole operator, Kopf included, with the faults that a real one cannot be asked for.
"""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from copy import deepcopy
from enum import Enum
from pathlib import Path
from typing import Any

from aiohttp import web

from reaper_api.vocabulary import FINAL_PHASES, GATE_RECORDED, GROUP, KIND, PLURAL, VERSION
from reaper_operator.errors import AlreadyExists, ClusterError, Conflict, NotFound
from reaper_operator.key import Key
from tests.fakes.cluster import FakeCluster

Body = dict[str, Any]
HttpFault = Callable[[str, str], web.Response | None]
"""Method and path in; an answer that comes instead of the right one, or None."""

TASKS, PODS = PLURAL, "pods"
SECRETS = "/api/v1/namespaces/{namespace}/secrets"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/{namespace}/leases"


class Cut(Enum):
    """How a connection ends that nobody has closed."""

    BEFORE = "the request is not carried out"
    WITHIN = "it is carried out, and half of the answer arrives"
    AFTER = "it is carried out, and nothing arrives"


def failure(
    status: int, message: str = "a fault", *, reason: str = "", field: str = "", retry_after: int | None = None
) -> web.Response:
    """An error as the API server puts it. `field`: the one that validation calls wrong. `retry_after`: seconds."""
    body: Body = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "message": message, "code": status}
    body |= {"reason": reason, "details": {"causes": [{"field": field}] if field else []}}
    headers = {} if retry_after is None else {"Retry-After": str(retry_after)}
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
        self.watches: list[str] = []  # the resource of each that was let in
        self.sent: list[tuple[str, str]] = []  # resource and type of each watch event that left
        self.fault: HttpFault = no_http_fault
        self.silent: Callable[[str, str], bool] = lambda _method, _path: False  # never answers
        self.drips: Callable[[str, str], bool] = lambda _method, _path: False  # answers without an end, bit by bit
        self.mute = False  # watches stay open, and nothing is sent over them: what happens then is lost to them
        self.token: str | None = None  # who comes with another gets 401; None: everybody is let in
        self.turned_away: list[str] = []  # the clients that got 401, by their own names
        self.cut: Callable[[str, str], Cut | None] = lambda _method, _path: None
        self._history: list[tuple[int, str, str, Body]] = []
        self._version = 1
        self._oldest = {TASKS: 0, PODS: 0}
        self._known: dict[tuple[str, Key], Body] = {}
        self._news = asyncio.Condition()
        self.leases: dict[Key, Body] = {}
        self.secrets: dict[Key, Body] = {}
        self._generation = {TASKS: 0, PODS: 0}  # of watches: all older ones end
        self._last_words: dict[str, str] = {}  # what the watches of a resource end with

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

    async def fail_watches(self, resource: str, message: str) -> None:
        """End every open watch of these with an error."""
        self._last_words[resource] = message
        await self.drop_watches(resource)

    def turned_away_of(self, client: str) -> int:
        """How many requests of a client, by a part of its User-Agent, have got 401."""
        return sum(client in name for name in self.turned_away)

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
                    "users": [{"name": "fake", "user": {"tokenFile": str(self._token_file(folder))}}],
                    "contexts": [{"name": "fake", "context": {"cluster": "fake", "user": "fake"}}],
                    "current-context": "fake",
                }
            )
        )
        return str(path)

    def _token_file(self, folder: Path) -> Path:
        """What clients prove who they are with."""
        path = folder / "token"
        path.write_text("t")
        return path

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
                web.patch(task, self._patch_finalizers),
                web.delete(task, self._delete_task),
                web.patch(task + "/status", self._patch_status),
                web.post(pods, self._create_pod),
                web.get(pods + "/{name}", self._get_pod),
                web.patch(pods + "/{name}", self._patch_pod),
                web.delete(pods + "/{name}", self._remove_pod),
                web.get("/api/v1/namespaces/{namespace}/events", self._events_about),
                web.post("/api/v1/namespaces/{namespace}/events", self._create_event),
                web.get("/api/v1/namespaces/{namespace}/events/{name}", self._get_event),
                web.patch("/api/v1/namespaces/{namespace}/events/{name}", self._patch_event),
                web.get(SECRETS + "/{name}", self._get_secret),
                web.get(LEASES + "/{name}", self._get_lease),
                web.post(LEASES, self._create_lease),
                web.patch(LEASES + "/{name}", self._patch_lease),
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
        if (
            self.token is not None
            and request.headers.get("Authorization", "").lower() != f"bearer {self.token}".lower()
        ):
            self.turned_away.append(request.headers.get("User-Agent", ""))
            return failure(401, "Unauthorized", reason="Unauthorized")
        if self.silent(request.method, request.path):
            await asyncio.Event().wait()
        if self.drips(request.method, request.path):
            return await self._drip(request)
        cut = self.cut(request.method, request.path)
        if cut is Cut.BEFORE:
            return _hang_up(request)
        fault = self.fault(request.method, request.path)
        if fault is not None:
            return fault
        try:
            answer: web.StreamResponse = await handler(request)
        except ClusterError as error:
            return failure(error.status, error.message, reason=type(error).__name__)
        if request.method != "GET":
            await self.publish()
        if cut is Cut.WITHIN:
            half = web.StreamResponse(headers={"Content-Length": "1000"})
            await half.prepare(request)
            await half.write(b'{"kind": ')
        return answer if cut is None else _hang_up(request)

    async def _drip(self, request: web.Request) -> web.StreamResponse:
        """Often enough for a client that waits for a next byte only, and never a whole answer."""
        response = web.StreamResponse()
        await response.prepare(request)
        while self.drips(request.method, request.path):
            await response.write(b" ")
            await asyncio.sleep(0.1)
        return response

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
                assert request.query["fieldSelector"] == "status.phase!=Failed,status.phase!=Succeeded"
                items = [body for body in items if body.get("status", {}).get("phase") not in FINAL_PHASES]
            return web.json_response({"metadata": {"resourceVersion": str(self._version)}, "items": items})

        return handler

    async def _watch(self, request: web.Request, resource: str, since: int) -> web.StreamResponse:
        self.watches.append(resource)
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        if since < self._oldest[resource]:
            gone = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
            await self._send(response, resource, "ERROR", gone)
            return response
        generation = self._generation[resource]
        while generation == self._generation[resource]:
            seen = self._version  # what comes while this is sent is for the next round
            for version, kind, change, body in list(self._history):
                if version > since and kind == resource and not self.mute:
                    await self._send(response, resource, change, body)
            since = max(since, seen)
            async with self._news:
                if generation == self._generation[resource] and since >= self._version:
                    await self._news.wait()
        if resource in self._last_words:
            error = {"kind": "Status", "code": 500, "message": self._last_words.pop(resource)}
            await self._send(response, resource, "ERROR", error)
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
        key, uid, spec = _key(request), body["metadata"]["uid"], body["spec"]
        if "activeDeadlineSeconds" in spec:
            await self.cluster.limit_pod(key.namespace, key.name, uid, spec["activeDeadlineSeconds"])
        else:
            assert spec["schedulingGates"] == [{"$patch": "delete", "name": GATE_RECORDED}]
            await self.cluster.remove_gate(key.namespace, key.name, uid, GATE_RECORDED)
        return _found(await self.cluster.get_pod(*key))

    async def _remove_pod(self, request: web.Request) -> web.Response:
        key, body = _key(request), await request.json()
        await self.cluster.remove_pod(key.namespace, key.name, body["preconditions"]["uid"])
        return web.json_response({"kind": "Status"})

    async def _patch_status(self, request: web.Request) -> web.Response:
        assert request.content_type == "application/merge-patch+json"
        body = await request.json()
        return _found(
            await self.cluster.patch_status(_key(request), body["metadata"]["resourceVersion"], body["status"])
        )

    async def _patch_finalizers(self, request: web.Request) -> web.Response:
        assert request.content_type == "application/merge-patch+json"
        metadata = (await request.json())["metadata"]
        version, finalizers = metadata["resourceVersion"], metadata["finalizers"]
        return _found(await self.cluster.patch_finalizers(_key(request), version, finalizers))

    async def _delete_task(self, request: web.Request) -> web.Response:
        only = (await request.json())["preconditions"]
        await self.cluster.delete_task(_key(request), only["uid"], only["resourceVersion"])
        return web.json_response({"kind": "Status"})

    async def _events_about(self, request: web.Request) -> web.Response:
        field, _, uid = request.query["fieldSelector"].partition("=")
        assert field == "involvedObject.uid"
        return web.json_response({"items": await self.cluster.events_about(_key(request).namespace, uid)})

    async def _get_lease(self, request: web.Request) -> web.Response:
        return _found(self.leases.get(_key(request)))

    async def _get_secret(self, request: web.Request) -> web.Response:
        return _found(self.secrets.get(_key(request)))

    async def _create_lease(self, request: web.Request) -> web.Response:
        body = await request.json()
        key = Key(request.match_info["namespace"], body["metadata"]["name"])
        if key in self.leases:
            raise AlreadyExists(409, f'leases "{key.name}" already exists')
        return self._store_lease(key, body, "1")

    async def _patch_lease(self, request: web.Request) -> web.Response:
        assert request.content_type == "application/merge-patch+json"
        key, body = _key(request), await request.json()
        if key not in self.leases:
            raise NotFound(404, f'leases "{key.name}" not found')
        version = self.leases[key]["metadata"]["resourceVersion"]
        if body["metadata"]["resourceVersion"] != version:
            raise Conflict(409, "the object has been modified")
        return self._store_lease(key, body, str(int(version) + 1))

    def _store_lease(self, key: Key, body: Body, version: str) -> web.Response:
        self.leases[key] = {"metadata": {**key._asdict(), "resourceVersion": version}, "spec": body["spec"]}
        return web.json_response(self.leases[key])

    async def _create_event(self, request: web.Request) -> web.Response:
        event = await request.json()
        if self._event(event["metadata"]["name"]) is not None:
            raise AlreadyExists(409, "events already exists")
        event["metadata"]["resourceVersion"] = "1"
        await self.cluster.create_event(event)
        return web.json_response(event, status=201)

    async def _get_event(self, request: web.Request) -> web.Response:
        return _found(self._event(request.match_info["name"]))

    async def _patch_event(self, request: web.Request) -> web.Response:
        assert request.content_type == "application/merge-patch+json"
        found, change = self._event(request.match_info["name"]), await request.json()
        if found is not None:
            found.update(change, metadata=found["metadata"] | change["metadata"])
        return _found(found)

    def _event(self, name: str) -> Body | None:
        return next((event for event in self.cluster.events if event["metadata"]["name"] == name), None)


def _hang_up(request: web.Request) -> web.Response:
    """Let the connection end without another byte. What is returned does not leave any more."""
    assert request.transport is not None
    request.transport.close()  # after what was written
    return web.Response()


def _group() -> Body:
    version = {"groupVersion": f"{GROUP}/{VERSION}", "version": VERSION}
    return {"name": GROUP, "versions": [version], "preferredVersion": version}


def _key(request: web.Request) -> Key:
    return Key(request.match_info["namespace"], request.match_info.get("name", ""))


def _found(body: Body | None) -> web.Response:
    return failure(404, "not found") if body is None else web.json_response(body)
