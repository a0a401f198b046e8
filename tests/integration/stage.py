"""The whole operator, Kopf included, on a fake cluster behind a fake API server."""

import asyncio
from collections.abc import AsyncIterator, Callable
from concurrent.futures import Future
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from reaper_operator.key import Key
from reaper_operator.run import run
from reaper_operator.settings import Settings
from tests.fakes.apiserver import FakeApiServer, HttpFault
from tests.fakes.cluster import FakeCluster
from tests.ports import free_port

LEASE = Key("reaper-system", "reaper-operator")
PATIENCE = 30.0  # seconds; each of these things takes well under one, but for another Kopf: 8


class Stage:
    """An operator at work on a fake cluster."""

    def __init__(self, cluster: FakeCluster, server: FakeApiServer, settings: Settings) -> None:
        self.cluster = cluster
        self.server = server
        self.settings = settings
        self.operator: asyncio.Task[None] | None = None
        self.lost: list[int] = []  # exit codes: a real operator is gone after the first

    @property
    def lease(self) -> dict[str, Any]:
        """The spec of the Lease."""
        found: dict[str, Any] = self.server.leases[LEASE]["spec"]
        return found

    async def until(self, predicate: Callable[[], object]) -> None:
        """Wait for something to become true."""
        deadline = asyncio.get_running_loop().time() + PATIENCE
        while not predicate():
            if self.operator is not None and self.operator.done():
                self.operator.result()  # raises what ended it
                pytest.fail("the operator has ended by itself")
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
async def stage(
    folder: Path, cluster: FakeCluster | None = None, *, lease: dict[str, Any] | None = None, **settings: Any
) -> AsyncIterator[Stage]:
    """A fresh operator; it has ended without a fault when this is left. `lease`: the spec of one that is there."""
    cluster = cluster or FakeCluster()
    server = FakeApiServer(cluster)
    if lease is not None:
        server.leases[LEASE] = {"metadata": {**LEASE._asdict(), "resourceVersion": "1"}, "spec": lease}
    await server.publish()
    stop = asyncio.Event()
    async with server.serve() as port:
        choice = Settings(
            kubeconfig=server.kubeconfig(folder, port),
            **{
                "health_address": f"127.0.0.1:{free_port()}",
                "metrics_address": f"127.0.0.1:{free_port()}",
                "lease_namespace": LEASE.namespace,
                "resync_seconds": 3600.0,
                "retry_base_seconds": 0.01,
                "retry_limit_seconds": 0.1,
                **settings,
            },
        )
        on = Stage(cluster, server, choice)
        started: Future[asyncio.AbstractEventLoop] = Future()

        async def main() -> None:
            started.set_result(asyncio.get_running_loop())
            await run(choice, stop, end=on.lost.append)

        # In a loop of its own: at its end Kopf waits for every task of its loop, also for those of our server.
        on.operator = work = asyncio.create_task(asyncio.to_thread(asyncio.run, main()))
        loop = await asyncio.wrap_future(started)
        try:
            yield on
        finally:
            if not work.done():
                loop.call_soon_threadsafe(stop.set)
            await asyncio.wait_for(work, 10)


def times(count: int, method: str, path: str, answer: Callable[[], web.Response]) -> HttpFault:
    """Fail the first `count` requests of one kind."""
    left = [count]

    def fault(asked: str, where: str) -> web.Response | None:
        if asked == method and where.endswith(path) and left[0] > 0:
            left[0] -= 1
            return answer()
        return None

    return fault
