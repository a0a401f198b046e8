"""All that only the leader does: Kopf watches, the workers work, the resync looks again."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import kopf

from reaper_operator import connection, handlers
from reaper_operator.access import Access
from reaper_operator.cluster import Cluster
from reaper_operator.complaints import Complaints
from reaper_operator.discovery import Call
from reaper_operator.health import Health
from reaper_operator.known import KnownTasks
from reaper_operator.last_seen import LastSeenPods
from reaper_operator.metrics import Metrics
from reaper_operator.reconcile import Reconciler
from reaper_operator.resync import Resync
from reaper_operator.settings import Settings
from reaper_operator.telemetry import Telemetry
from reaper_operator.watch import Watch
from reaper_operator.workers import Workers
from reaper_operator.workqueue import WorkQueue

if TYPE_CHECKING:
    from reaper_operator.key import Key

FIRST_ANSWER_PAUSE = 2.0  # seconds between two questions to an API server that does not answer yet


def now() -> datetime:
    """The time in UTC, in whole seconds as Kubernetes keeps it."""
    return datetime.now(UTC).replace(microsecond=0)


class Leading:
    """Made when the process has become the leader, on its event loop."""

    def __init__(
        self,
        settings: Settings,
        configuration: Access,
        cluster: Cluster,
        call: Call,
        health: Health,
        metrics: Metrics,
        telemetry: Telemetry,
    ) -> None:
        """`call`: Transport.call, without a fence, for what is only asked."""
        self._settings = settings
        self._health = health
        available = asyncio.Event()
        queue: WorkQueue[Key] = WorkQueue(
            asyncio.get_running_loop().call_later,
            available.set,
            base=settings.retry_base_seconds,
            limit=settings.retry_limit_seconds,
            onlooker=metrics.queue,
        )
        last_seen, known = LastSeenPods(), KnownTasks()
        of_objects = Complaints(time.monotonic)  # one, so that each fault is told once, whoever meets it
        reconcile = Reconciler(cluster, last_seen, now, queue.add_later, known)
        self._workers = Workers(
            queue, reconcile, available, count=settings.workers, telemetry=telemetry, complaints=of_objects
        )
        registry = kopf.OperatorRegistry()
        connection.register_login(registry, configuration)
        handlers.register(registry, queue, last_seen, now, known, of_objects)
        what = f"ReaperTasks of {configuration.host} with {settings.workers} workers"
        self._watch = Watch(registry, call, health, what)
        self._resync = Resync(
            cluster,
            queue,
            health,
            now,
            counted=metrics.tasks.counted,
            listed=known.listed,
            unserved=self._watch.begin_anew,
            of_objects=of_objects,
        )

    async def until(
        self, stop: asyncio.Event, *, begun: Callable[[], None], hand_over: Callable[[], Awaitable[None]]
    ) -> None:
        """Work until `stop`, or until a part ends by itself, which sets `stop`; raises what ended it. `begun` is
        called whenever Kopf has begun, `hand_over` when the last write is done."""
        if not await done_before(stop, self._resync.until_success(pause=FIRST_ANSWER_PAUSE)):
            await hand_over()
            return
        again = asyncio.create_task(self._resync.for_ever(interval=self._settings.resync_seconds))
        work = asyncio.create_task(self._workers.run())
        told = asyncio.create_task(stop.wait())
        # Kopf cancels at its end every task of the loop that was not there at its start: let ours begin before.
        await asyncio.sleep(0)
        watch = asyncio.create_task(self._watch.run(begun))
        parts = {again, work, watch}
        # Kopf takes seconds to end, and writes nothing: the Lease does not wait for it.
        ended, _ = await asyncio.wait({*parts, told}, return_when=asyncio.FIRST_COMPLETED)
        limit = time.monotonic() + self._settings.exit_seconds
        self._health.stopping = True
        stop.set()
        self._watch.end()
        self._workers.stop()
        again.cancel()
        await asyncio.wait([work], timeout=self._settings.exit_seconds)
        if work.done():  # else a write is still under way, and the Lease runs out after it
            await hand_over()
        await asyncio.wait(parts, timeout=max(0.0, limit - time.monotonic()))
        for part in ended:
            part.result()  # raises what ended it


async def done_before(stop: asyncio.Event, work: Coroutine[Any, Any, None]) -> bool:
    """Whether `work` was done before `stop` was set; it is cancelled if not."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not working.done():
        working.cancel()
        await asyncio.wait([working])
        return False
    working.result()
    return True
