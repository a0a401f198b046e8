"""The parts put together: every replica answers probes and metrics and stands for election; one leads."""

import asyncio
import logging
import os
import random
import signal
import socket
import threading
import time
import uuid
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Protocol

from reaper_operator import connection, endpoints
from reaper_operator.access import Access
from reaper_operator.cluster import ApiServer
from reaper_operator.election import Election
from reaper_operator.health import Health, Pulse
from reaper_operator.leading import Leading, done_before
from reaper_operator.lease import JITTER, Terms
from reaper_operator.leases import LeaseStore
from reaper_operator.metrics import Metrics
from reaper_operator.settings import Settings
from reaper_operator.telemetry import Telemetry, Together
from reaper_operator.tenure import Tenure
from reaper_operator.tracing import Tracing
from reaper_operator.transport import Transport

logger = logging.getLogger(__name__)

SPARE_THREADS = 4  # for the resync and Kopf's own needs, beside one for each worker
LINGER = 3.0  # seconds in which API servers learn that a replica which stops is no longer to be asked
LOST = 1  # exit code of a leader that leads no more


class NoWebhooks(Exception):
    """An extra is missing; the text says which."""


class Holding(Protocol):
    """The part of an election that a leader is in."""

    async def hold(self) -> str:
        """See Election."""


End = Callable[[int], object]
"""Ends the process at once, with this exit code."""


class Surroundings:
    """This process and its machine, for the election."""

    def clock(self) -> float:
        """CLOCK_BOOTTIME: unlike CLOCK_MONOTONIC it goes on while the machine sleeps. See clock_gettime(2)."""
        return time.clock_gettime(time.CLOCK_BOOTTIME)

    def wall(self) -> datetime:
        return datetime.now(UTC)

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    def chance(self) -> float:
        return random.random()  # noqa: S311 - only so that replicas do not ask at the same moment


async def run(settings: Settings, stop: asyncio.Event, *, tracing: Tracing | None = None, end: End = os._exit) -> None:
    """Work until `stop`, which SIGTERM and SIGINT set too. Raises if a part ends by itself: the process then ends, and
    kubelet restarts it. A leader that loses the Lease calls `end`."""
    loop = asyncio.get_running_loop()
    threads = settings.workers + SPARE_THREADS
    loop.set_default_executor(ThreadPoolExecutor(threads, thread_name_prefix="api"))
    configuration = connection.load(settings.kubeconfig, connections=threads)
    namespace = settings.lease_namespace or connection.own_namespace()
    terms, here = settings.lease_terms, Surroundings()
    tenure, health = Tenure(here.clock, terms), _health(settings, terms)
    metrics = Metrics(workers=settings.workers, lease=settings.lease_name)
    telemetry: Telemetry = metrics if tracing is None else Together(metrics, tracing)
    limit = settings.request_timeout_seconds
    transport = Transport(configuration, timeout=limit, telemetry=telemetry)
    leases = LeaseStore(transport.call, namespace, settings.lease_name)
    identity = f"{socket.gethostname()}_{uuid.uuid4()}"  # a restarted process is another candidate
    election = Election(leases, tenure, terms, identity, here, looked=health.lease.beat)
    cluster = ApiServer(configuration, timeout=limit, fence=tenure.seconds_for_a_write, telemetry=telemetry)
    _stop_on_signals(stop)
    async with (
        _serving(settings, health, metrics),
        _admission(settings, configuration, transport, namespace, health, stop),
    ):
        if await done_before(stop, election.acquire()):
            health.lead()
            metrics.leads()
            holding = hold_or_end(election, end)

            async def hand_over() -> None:
                holding.cancel()
                await asyncio.wait([holding])
                await election.release()

            leading = Leading(settings, configuration, cluster, transport.call, health, metrics, telemetry)
            await leading.until(stop, begun=lambda: _stop_on_signals(stop), hand_over=hand_over)
        else:
            health.stopping = True
            await election.release()
        if tracing is not None:
            await asyncio.to_thread(tracing.stop)
        logger.info("stopped")


def _health(settings: Settings, terms: Terms) -> Health:
    lease = Pulse(time.monotonic, interval=terms.retry * (1 + JITTER), slack=terms.renew)
    resync = Pulse(time.monotonic, interval=settings.resync_seconds, slack=settings.request_timeout_seconds)
    return Health(lease, resync)


@asynccontextmanager
async def _serving(settings: Settings, health: Health, metrics: Metrics) -> AsyncIterator[None]:
    probes = await endpoints.serve(endpoints.probes(health), *settings.health_endpoint)
    try:
        scraped = await endpoints.serve(endpoints.metrics(metrics.registry), *settings.metrics_endpoint)
        try:
            yield
        finally:
            await scraped.cleanup()
    finally:
        await probes.cleanup()


@asynccontextmanager
async def _admission(
    settings: Settings,
    configuration: Access,
    transport: Transport,
    namespace: str,
    health: Health,
    stop: asyncio.Event,
) -> AsyncIterator[None]:
    """Webhooks, where they are asked for; `stop` is set if they end by themselves, and what ended them is raised."""
    if settings.webhook_address is None:
        yield
        return
    try:
        from reaper_operator.webhooks.serving import Webhooks  # with an extra of its own, and 20 MiB
    except ImportError as error:
        raise NoWebhooks(f"--webhook-address needs the extra reaper-k8s[operator-webhooks]: {error}") from error
    webhooks = Webhooks(settings, configuration, transport.call, namespace, health)
    serving = asyncio.create_task(webhooks.run())
    serving.add_done_callback(lambda _: stop.set())
    await asyncio.sleep(0)  # a leader's Kopf cancels what begins later
    try:
        yield
        if not serving.done():
            await asyncio.sleep(LINGER)
    finally:
        webhooks.stop()
        await serving


def hold_or_end(election: Holding, end: End) -> asyncio.Task[str]:
    """Renew in the background. When the Lease is lost the process ends: without a word to the API server, and without
    waiting for parts of it that may hang."""

    def lost(holding: asyncio.Task[str]) -> None:
        if not holding.cancelled():
            why = holding.exception() or holding.result()
            logger.error("leading no more, so this process ends: %s", why)
            end(LOST)

    holding = asyncio.create_task(election.hold())
    holding.add_done_callback(lost)
    return holding


def _stop_on_signals(stop: asyncio.Event) -> None:
    if threading.current_thread() is not threading.main_thread():
        return  # a test's operator: Python gives signals to the main thread only
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
