"""The coroutines that take keys from the queue and reconcile them. One bad task never ends a worker."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from reaper_operator import logs
from reaper_operator.complaints import Complaints
from reaper_operator.errors import ClusterError, Conflict, NotFound, NotLeader, Unavailable, Waiting
from reaper_operator.key import Key
from reaper_operator.telemetry import Silent, Telemetry
from reaper_operator.workqueue import WorkQueue

logger = logging.getLogger(__name__)

Reconcile = Callable[[Key], Awaitable[None]]


class Workers:
    """A fixed number of workers over one queue."""

    def __init__(
        self,
        queue: WorkQueue[Key],
        reconcile: Reconcile,
        available: asyncio.Event,
        *,
        count: int,
        telemetry: Telemetry | None = None,
        complaints: Complaints | None = None,
    ) -> None:
        """`available` is set by the queue whenever there may be a key to take. `complaints`: what was told of
        objects."""
        self._queue = queue
        self._reconcile = reconcile
        self._available = available
        self._count = count
        self._telemetry = telemetry or Silent()
        self._complaints = complaints or Complaints(time.monotonic)
        self._stopping = False

    async def run(self) -> None:
        """Work until `stop`; then finish what is in hand and return."""
        await asyncio.gather(*(self._work() for _ in range(self._count)))

    def stop(self) -> None:
        """Take no more keys."""
        self._stopping = True
        self._queue.close()

    async def _work(self) -> None:
        while not self._stopping:
            key = self._queue.take()
            if key is None:
                self._available.clear()
                await self._available.wait()
                continue
            try:
                with logs.about(str(key)), self._telemetry.reconcile(key) as told:
                    told(await self._handle(key))
            finally:
                self._queue.done(key)

    async def _handle(self, key: Key) -> str:
        """Reconcile, and see to the next look if one is needed. How it went, in controller-runtime's words."""
        try:
            await self._reconcile(key)
        except Waiting as outcome:
            delay = self._again(key, outcome.retry_after)
            self._complaints.about(str(outcome), str(key), more=f"; next look in {delay:.1f} s", level=logging.INFO)
            return "requeue_after"
        except (Conflict, NotFound) as error:
            self._queue.retry(key)  # somebody changed or deleted it meanwhile, perhaps the user: nothing is wrong
            logger.debug("%s", error)
            return "requeue"
        except ClusterError as error:
            delay = self._again(key, error.retry_after)
            whose = "" if isinstance(error, NotLeader | Unavailable) else str(key)  # these all tasks have at a time
            self._complaints.about(str(error), whose, more=f"; next try in {delay:.1f} s")
            return "error"
        except Exception as error:  # noqa: BLE001 - told with its traceback
            # A fault of ours must not stop the other tasks. It is shown in full, and tried again.
            more, text = f"; next try in {self._queue.retry(key):.1f} s", f"reconcile failed by {error!r}"
            self._complaints.about(text, str(key), more=more, level=logging.ERROR, fault=error)
            return "error"
        self._queue.succeeded(key)
        for whose in (str(key), ""):
            self._complaints.over(whose)
        return "success"

    def _again(self, key: Key, asked: float | None) -> float:
        """`asked`: seconds, by an API server that has too much to do; news of the task do not change that. Returns the
        delay."""
        return self._queue.retry(key, at_least=asked or 0.0, hold=asked is not None)
