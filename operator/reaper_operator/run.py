"""The parts put together: Kopf watches, the workers work, the resync looks again, the probes are answered."""

import asyncio
import logging
import signal
import threading
import time
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import kopf

from reaper_api.vocabulary import MANAGER
from reaper_operator import connection, handlers, health
from reaper_operator.cluster import ApiServer
from reaper_operator.reconcile import Reconciler
from reaper_operator.resync import resync_for_ever, resync_until_success
from reaper_operator.settings import Settings
from reaper_operator.sightings import Sightings
from reaper_operator.workers import Workers
from reaper_operator.workqueue import WorkQueue

if TYPE_CHECKING:
    from reaper_operator.key import Key

logger = logging.getLogger(__name__)

FIRST_ANSWER_PAUSE = 2.0  # seconds between two questions to an API server that does not answer yet
# Kopf would otherwise look our user up in an /etc/passwd that is not there. It is a NewType there, not exported.
IDENTITY: Any = MANAGER


def now() -> datetime:
    """The time in UTC, in whole seconds as Kubernetes keeps it."""
    return datetime.now(UTC).replace(microsecond=0)


async def run(settings: Settings, stop: asyncio.Event) -> None:
    """Work until `stop`, which SIGTERM and SIGINT set too. Raises if a part ends by itself: a restart is the honest
    answer to that."""
    loop = asyncio.get_running_loop()
    spare = 4  # threads for the resync and Kopf's own needs, beside one for each worker
    loop.set_default_executor(ThreadPoolExecutor(settings.workers + spare, thread_name_prefix="api"))
    configuration = connection.load(settings.kubeconfig, connections=settings.workers + spare)
    cluster = ApiServer(configuration, timeout=settings.request_timeout_seconds)

    watching, available = asyncio.Event(), asyncio.Event()
    queue: WorkQueue[Key] = WorkQueue(
        loop.call_later, available.set, base=settings.retry_base_seconds, limit=settings.retry_limit_seconds
    )
    sightings = Sightings()
    vitals = health.Vitals(time.monotonic, interval=settings.resync_seconds, slack=settings.request_timeout_seconds)
    workers = Workers(queue, Reconciler(cluster, sightings, now), available, count=settings.workers)
    registry = kopf.OperatorRegistry()
    connection.register_login(registry, configuration)
    handlers.register(registry, queue, sightings)

    _stop_on_signals(stop)
    probes = await health.serve(vitals, settings.health_host, settings.health_port)
    try:
        first = resync_until_success(cluster, queue, vitals, pause=FIRST_ANSWER_PAUSE)
        if await _done_before(stop, first):
            logger.info("watching ReaperTasks of %s with %d workers", configuration.host, settings.workers)
            again = resync_for_ever(cluster, queue, vitals, interval=settings.resync_seconds)
            background = [asyncio.create_task(workers.run()), asyncio.create_task(again)]
            readiness = asyncio.create_task(_once_watching(watching, stop, vitals))
            await asyncio.sleep(0)  # so that they are born before Kopf, which at its end cancels every younger task
            watch = asyncio.create_task(
                kopf.operator(
                    registry=registry,
                    settings=handlers.settings(instance=IDENTITY, exit_timeout=settings.exit_seconds),
                    clusterwide=True,
                    standalone=True,
                    identity=IDENTITY,
                    stop_flag=stop,
                    ready_flag=watching,
                )
            )
            ended, _ = await asyncio.wait([watch, *background], return_when=asyncio.FIRST_COMPLETED)
            vitals.stopping = True
            stop.set()
            workers.stop()
            readiness.cancel()
            background[1].cancel()
            await asyncio.wait([watch, *background], timeout=settings.exit_seconds)
            for part in ended:
                part.result()  # raises what ended it
        logger.info("stopped")
    finally:
        await probes.cleanup()


async def _done_before(stop: asyncio.Event, work: Coroutine[None, None, None]) -> bool:
    """Whether `work` was done before `stop` was set; it is cancelled if not."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not working.done():
        working.cancel()
        return False
    working.result()
    return True


async def _once_watching(watching: asyncio.Event, stop: asyncio.Event, vitals: health.Vitals) -> None:
    await watching.wait()
    # Kopf has taken the signals by now, but its own way out waits 5 s for its task that looks at the stop flag.
    _stop_on_signals(stop)
    vitals.watching = True


def _stop_on_signals(stop: asyncio.Event) -> None:
    if threading.current_thread() is not threading.main_thread():
        return  # a test's operator: Python gives signals to the main thread only
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
