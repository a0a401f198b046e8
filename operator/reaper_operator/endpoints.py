"""What a replica answers over HTTP, whether it leads or not: the probes of kubelet, and metrics."""

import ssl
from collections.abc import Awaitable, Callable, Iterable

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.aiohttp import make_aiohttp_handler

from reaper_operator.health import Health

KEPT_ALIVE = 75.0  # seconds that a connection may be idle
LARGEST = 2**20  # bytes of a request


async def serve(
    routes: Iterable[web.RouteDef],
    host: str | None,
    port: int,
    *,
    tls: ssl.SSLContext | None = None,
    kept_alive: float = KEPT_ALIVE,
    largest: int = LARGEST,
) -> web.AppRunner:
    """Start answering, without a `host` on every address; by HTTPS with `tls`. The caller stops it with `cleanup()`.
    Raises OSError if the address is taken."""
    app = web.Application(client_max_size=largest)
    app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, keepalive_timeout=kept_alive)
    await runner.setup()
    await web.TCPSite(runner, host, port, ssl_context=tls).start()
    return runner


def probes(health: Health) -> list[web.RouteDef]:
    """/healthz (restart me) and /readyz (I do my part)."""

    def answer(problem: Callable[[], str | None]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        async def handler(_: web.Request) -> web.StreamResponse:
            trouble = problem()
            return web.Response(text=(trouble or "ok") + "\n", status=503 if trouble else 200)

        return handler

    return [web.get("/healthz", answer(health.liveness_problem)), web.get("/readyz", answer(health.readiness_problem))]


def metrics(registry: CollectorRegistry) -> list[web.RouteDef]:
    """/metrics, in the text format that the scraper asks for."""
    return [web.get("/metrics", make_aiohttp_handler(registry))]
