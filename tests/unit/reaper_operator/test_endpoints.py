"""endpoints.py: what a replica answers over HTTP."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from reaper_operator import endpoints
from reaper_operator.health import Health, Pulse
from reaper_operator.metrics import Metrics
from tests.ports import free_port


@asynccontextmanager
async def serving(health: Health, host: str | None = None) -> AsyncIterator[int]:
    port = free_port()
    routes = endpoints.probes(health) + endpoints.metrics(Metrics(workers=8, lease="reaper-operator").registry)
    runner = await endpoints.serve(routes, host, port)
    try:
        yield port
    finally:
        await runner.cleanup()


async def get(port: int, path: str, address: str = "127.0.0.1", accept: str = "*/*") -> str:
    reader, writer = await asyncio.open_connection(address, port)
    writer.write(f"GET {path} HTTP/1.0\r\nAccept: {accept}\r\n\r\n".encode())
    answer = (await reader.read()).decode()
    writer.close()
    return answer


@pytest.fixture
def health() -> Health:
    health = Health(*(Pulse(lambda: 0.0, interval=1, slack=1) for _ in range(2)))
    health.lease.beat(True)
    return health


@pytest.mark.parametrize("address", ["127.0.0.1", "::1"])
async def test_without_a_host_every_address_answers(health: Health, address: str) -> None:
    """A Pod of an IPv6-only cluster has no other, and one of an IPv4-only cluster neither."""
    async with serving(health) as port:
        assert " 200 OK\r\n" in await get(port, "/readyz", address)


@pytest.mark.parametrize("path", ["/metrics", "/readyz", "/nowhere"])
async def test_no_connection_is_kept(health: Health, path: str) -> None:
    """Kopf, at its end, cancels the task that waits for the next request: a scraper would have no answer to that."""
    async with serving(health, "127.0.0.1") as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        answer = (await asyncio.wait_for(reader.read(), 20)).decode()
        writer.close()
    assert "Connection: close\r\n" in answer


async def test_a_problem_is_said_with_503(health: Health) -> None:
    health.stopping = True
    async with serving(health, "127.0.0.1") as port:
        answer = await get(port, "/readyz")
        assert " 503 " in answer
        assert answer.endswith("stopping\n")
        assert " 200 OK\r\n" in await get(port, "/healthz")


@pytest.mark.parametrize(
    ("accept", "kind"),
    [("*/*", "text/plain"), ("application/openmetrics-text; version=1.0.0", "application/openmetrics-text")],
)
async def test_metrics_come_in_the_format_that_is_asked_for(health: Health, accept: str, kind: str) -> None:
    async with serving(health, "127.0.0.1") as port:
        answer = await get(port, "/metrics", accept=accept)
        assert f"Content-Type: {kind};" in answer
        assert 'leader_election_master_status{name="reaper-operator"} 0.0\n' in answer
