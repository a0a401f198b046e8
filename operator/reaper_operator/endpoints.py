"""What a replica answers over HTTP, whether it leads or not: the probes of kubelet, and metrics."""

import ssl
from collections.abc import Awaitable, Callable, Iterable

from aiohttp import hdrs, web
from prometheus_client import CollectorRegistry
from prometheus_client.aiohttp import make_aiohttp_handler

from reaper_operator.health import Health

LARGEST = 2**20  # bytes of a request


async def serve(
    routes: Iterable[web.RouteDef],
    host: str | None,
    port: int,
    *,
    tls: ssl.SSLContext | None = None,
    kept_alive: float = 0.0,
    largest: int = LARGEST,
) -> web.AppRunner:
    """Start answering, without a `host` on every address; by HTTPS with `tls`. The caller stops it with `cleanup()`.
    Raises OSError if the address is taken.

    `kept_alive`: seconds that a connection may be idle; 0 closes it after its answer. On a loop where Kopf may end, one
    that waits is a task that Kopf waits for, and cancels: the next request on it would have no answer.
    """
    app = web.Application(client_max_size=largest)
    if not kept_alive:
        app.on_response_prepare.append(_close_after)
    app.add_routes(routes)
    runner = web.AppRunner(app, access_log=None, handle_signals=False, keepalive_timeout=kept_alive)
    await runner.setup()
    await web.TCPSite(runner, host, port, ssl_context=tls).start()
    return runner


async def _close_after(_: web.Request, response: web.StreamResponse) -> None:
    response.force_close()
    response.headers[hdrs.CONNECTION] = "close"  # aiohttp has decided before that it is kept


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
