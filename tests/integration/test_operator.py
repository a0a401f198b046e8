"""The whole operator, Kopf included, against an API server that misbehaves."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from reaper_operator.key import Key
from reaper_operator.run import run
from reaper_operator.settings import Settings
from tests.fakes.apiserver import PODS, FakeApiServer, HttpFault, failure, no_http_fault
from tests.fakes.cluster import FakeCluster, no_fault, pod_body

PATIENCE = 20.0  # seconds; each of these things takes well under one
STATUS = "/status"


class Stage:
    """An operator at work on a fake cluster."""

    def __init__(self, cluster: FakeCluster, server: FakeApiServer) -> None:
        self.cluster = cluster
        self.server = server

    async def until(self, predicate: Callable[[], object]) -> None:
        """Wait for something to become true."""
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while not predicate():
            assert asyncio.get_running_loop().time() < deadline, (self.cluster.tasks, self.server.requests[-10:])
            await asyncio.sleep(0.01)

    async def until_status(self, key: Key, **want: Any) -> None:
        await self.until(lambda: {name: self.cluster.status(key).get(name) for name in want} == want)

    async def add(self, name: str = "hello", **spec: Any) -> Key:
        key = self.cluster.add_task(name, **spec)
        await self.server.publish()
        return key

    async def running(self, name: str = "hello") -> Key:
        """A task whose process runs."""
        key = await self.add(name)
        await self.until(lambda: self.cluster.start(key))
        await self.server.publish()
        await self.until_status(key, phase="Running")
        return key


@asynccontextmanager
async def stage(folder: Path, cluster: FakeCluster | None = None, **settings: Any) -> AsyncIterator[Stage]:
    """A fresh operator; it has ended without a fault when this is left."""
    cluster = cluster or FakeCluster()
    server = FakeApiServer(cluster)
    await server.publish()
    stop = asyncio.Event()
    async with server.serve() as port:
        choice = Settings(
            kubeconfig=server.kubeconfig(folder, port),
            health_address=f"127.0.0.1:{_free_port()}",
            **{"resync_seconds": 3600.0, "retry_base_seconds": 0.01, "retry_limit_seconds": 0.1, **settings},
        )
        loops: list[asyncio.AbstractEventLoop] = []

        async def main() -> None:
            loops.append(asyncio.get_running_loop())
            await run(choice, stop)

        # In a loop of its own: at its end Kopf waits for every task of its loop, also for those of our server.
        work = asyncio.create_task(asyncio.to_thread(asyncio.run, main()))
        try:
            yield Stage(cluster, server)
        finally:
            loops[0].call_soon_threadsafe(stop.set)
            await asyncio.wait_for(work, 10)


def _free_port() -> int:
    import socket

    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def times(count: int, method: str, path: str, answer: Callable[[], web.Response]) -> HttpFault:
    """Fail the first `count` requests of one kind."""
    left = [count]

    def fault(asked: str, where: str) -> web.Response | None:
        if asked == method and where.endswith(path) and left[0] > 0:
            left[0] -= 1
            return answer()
        return None

    return fault


async def test_a_life(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        key = await on.running()
        on.cluster.end(key, 42)
        await on.server.publish()
        await on.until_status(key, phase="Failed", exitCode=42)
        await on.until(lambda: [event["reason"] for event in on.cluster.events] == ["Running", "Failed"])
        assert on.cluster.writes.count("create_pod") == 1


async def test_what_was_there_before_the_operator_came(tmp_path: Path) -> None:
    cluster = FakeCluster()
    key = cluster.add_task()
    async with stage(tmp_path, cluster) as on:
        await on.until_status(key, phase="Pending")


async def test_twenty_tasks_at_once_are_twenty_pods(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        keys = [on.cluster.add_task(f"task-{number}") for number in range(20)]
        await on.server.publish()
        for key in keys:
            await on.until_status(key, phase="Pending")
        assert on.cluster.writes.count("create_pod") == len(on.cluster.pods) == 20


async def test_a_deletion_that_the_watch_lost_is_found_by_the_resync(tmp_path: Path) -> None:
    async with stage(tmp_path, resync_seconds=0.3) as on:
        key = await on.running()
        on.server.fault = lambda _, path: failure(503) if path == "/api/v1/pods" else None
        await on.server.drop_watches(PODS)
        on.cluster.delete_pod(key)
        await on.server.publish()
        on.server.forget_history(PODS)
        on.server.fault = no_http_fault
        await on.until_status(key, phase="Failed", reason="PodDeleted")
        assert (PODS, "DELETED") not in on.server.sent
        assert len(on.cluster.starts) == 1


async def test_a_watch_that_is_dropped_again_and_again_loses_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        for number in range(5):
            await on.server.drop_watches()
            key = await on.running(f"task-{number}")
            await on.server.drop_watches()
            on.cluster.end(key, 0)
            await on.server.publish()
            await on.until_status(key, phase="Succeeded")


async def test_an_expired_watch_starts_anew(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:
        await on.running("first")
        on.server.forget_history()
        await on.server.drop_watches()
        on.server.forget_history()
        await on.running("second")


WRITES = [("POST", "/pods"), ("PATCH", STATUS), ("PATCH", "/pods/hello")]
READS = [("GET", "/reapertasks/hello"), ("GET", "/pods/hello")]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [(*call, status) for status in (500, 503, 429) for call in READS + WRITES] + [(*call, 409) for call in WRITES],
)
async def test_an_api_server_that_fails_for_a_while(tmp_path: Path, method: str, path: str, status: int) -> None:
    async with stage(tmp_path) as on:
        on.server.fault = times(3, method, path, lambda: failure(status))
        key = await on.running()
        assert len(on.cluster.starts) == 1
        assert on.cluster.writes.count("create_pod") == 1
        assert on.cluster.status(key)["podUID"] == on.cluster.starts[0]


async def test_an_answer_that_is_lost_after_the_pod_was_made(tmp_path: Path) -> None:
    async with stage(tmp_path) as on:

        def fault(call: str, done: bool) -> None:  # noqa: FBT001 - see Fault
            if call == "create_pod" and done:
                on.cluster.fault = no_fault  # once
                raise ConnectionResetError

        on.cluster.fault = fault
        await on.running()
        assert on.cluster.writes.count("create_pod") == 1


async def test_an_invalid_pod_is_asked_for_once(tmp_path: Path) -> None:
    async with stage(tmp_path, resync_seconds=0.1) as on:
        on.server.fault = times(99, "POST", "/pods", lambda: failure(422, "Pod is invalid: spec.x"))
        key = await on.add()
        await on.until_status(key, reason="PodInvalid")
        seen = len(on.server.requests)
        await on.until(lambda: len(on.server.requests) > seen + 12)
        assert sum(request.endswith("/pods") and request.startswith("POST") for request in on.server.requests) == 1


async def test_one_bad_task_holds_up_no_other(tmp_path: Path) -> None:
    async with stage(tmp_path, workers=1, retry_base_seconds=0.001, retry_limit_seconds=0.001) as on:
        on.server.fault = lambda _, path: failure(500) if path.endswith("/reapertasks/bad") else None
        bad = await on.add("bad")
        for number in range(5):
            await on.running(f"good-{number}")
        assert on.cluster.status(bad) == {}


async def test_the_name_is_taken_until_the_stranger_leaves(tmp_path: Path) -> None:
    cluster = FakeCluster()
    stranger = Key("default", "hello")
    cluster.pods[stranger] = pod_body("Running", uid="stranger")
    async with stage(tmp_path, cluster, resync_seconds=0.2) as on:
        key = await on.add()
        await on.until_status(key, reason="PodNameTaken")
        on.cluster.delete_pod(stranger)
        await on.until(lambda: on.cluster.start(key))


async def test_an_operator_that_was_away(tmp_path: Path) -> None:
    cluster = FakeCluster()
    async with stage(tmp_path, cluster) as on:
        keys = [await on.running(name) for name in ("ends", "vanishes", "runs")]
    cluster.end(keys[0], 7)
    cluster.delete_pod(keys[1])
    async with stage(tmp_path, cluster) as on:
        await on.until_status(keys[0], phase="Failed", exitCode=7)
        await on.until_status(keys[1], phase="Failed", reason="PodDeleted", exitCode=None)
        assert cluster.status(keys[2])["phase"] == "Running"
    assert len(cluster.starts) == 3


async def test_the_crd_comes_after_the_operator(tmp_path: Path) -> None:
    cluster = FakeCluster()
    key = cluster.add_task()
    async with stage(tmp_path, cluster) as on:
        on.server.fault = times(1, "GET", "/reapertasks", lambda: failure(404))
        await on.until(lambda: "GET /apis/reaper.io/v1alpha1/reapertasks" in on.server.requests)
        await on.until_status(key, phase="Pending")


async def test_at_rest_the_operator_writes_nothing(tmp_path: Path) -> None:
    async with stage(tmp_path, resync_seconds=0.05) as on:
        await on.running()
        await on.until(lambda: on.cluster.events)
        writes = len(on.cluster.writes)
        seen = len(on.server.requests)
        await on.until(lambda: len(on.server.requests) > seen + 30)
        assert len(on.cluster.writes) == writes
        assert not [request for request in on.server.requests[seen:] if not request.startswith("GET")]
