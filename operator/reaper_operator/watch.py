"""The watch over tasks and Pods: Kopf, begun again wherever it ends.

Kopf ends where the API server is not as it wants it: an answer breaks off while it asks what is served, a watch is
refused for a minute, the CRD goes. It leaves a traceback for each of its parts. Here that is one sentence, and another
Kopf, after a pause that grows while it goes on. Nothing is lost by it: queue, workers and resync go on meanwhile, and a
new Kopf lists everything first.
"""

import asyncio
import json
import logging
import random
import time
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp
import kopf

from reaper_api.vocabulary import GROUP, MANAGER, PLURAL
from reaper_operator import discovery, handlers
from reaper_operator.complaints import Complaints
from reaper_operator.discovery import Call
from reaper_operator.errors import ClusterError
from reaper_operator.health import Health
from reaper_operator.restarts import Restarts
from reaper_operator.words import in_words
from reaper_operator.workqueue import CallLater

logger = logging.getLogger(__name__)

# Kopf would otherwise look our user up in an /etc/passwd that is not there. It is a NewType there, not exported.
IDENTITY: Any = MANAGER
OF_THE_NETWORK = (aiohttp.ClientError, ConnectionError, TimeoutError, json.JSONDecodeError, UnicodeDecodeError)


class Watch:
    """Made on the event loop that it runs on."""

    def __init__(
        self,
        registry: kopf.OperatorRegistry,
        call: Call,
        health: Health,
        what: str,
        *,
        restarts: Restarts | None = None,
        complaints: Complaints | None = None,
        operator: Callable[..., Awaitable[None]] = kopf.operator,
        call_later: CallLater | None = None,
    ) -> None:
        """`registry`: the handlers. `call`: Transport.call. `what` is watched, in words. `operator`: Kopf."""
        self._registry, self._call, self._health, self._what = registry, call, health, what
        self._restarts = restarts or Restarts(time.monotonic, random.random)
        self._complaints = complaints or Complaints(time.monotonic)
        self._operator = operator
        self._call_later = call_later or asyncio.get_running_loop().call_later
        self._over = asyncio.Event()
        self._kopfs_end = asyncio.Event()

    async def run(self, begun: Callable[[], None]) -> None:
        """Watch until end(), or until Kopf is told to end by a signal. `begun` is called whenever Kopf has begun: it
        has taken over what there was of signal handlers. Raises what is no fault of the cluster."""
        quieten()
        asyncio.get_running_loop().set_exception_handler(pass_over_lost_requests)
        while not self._over.is_set():
            if await self._served() and not await self._goes_on(begun):
                return
            self._restarts.failed()
            await self._wait(self._restarts.pause())

    def begin_anew(self) -> None:
        """The API server does not know tasks any more: Kopf may not have noticed, and would not look again."""
        self._kopfs_end.set()

    def end(self) -> None:
        """run() returns soon."""
        self._over.set()
        self._kopfs_end.set()

    async def _served(self) -> bool:
        try:
            if await asyncio.to_thread(discovery.tasks_are_served, self._call):
                return True
            self._complain(f"the API server does not serve {PLURAL}.{GROUP}: install crds/reapertask.yaml")
        except ClusterError as error:
            self._complain(f"the API server does not say whether it serves {PLURAL}.{GROUP}: {error}")
        return False

    async def _goes_on(self, begun: Callable[[], None]) -> bool:
        """One Kopf, until it has ended. Whether there is to be another."""
        self._kopfs_end.clear()
        if self._over.is_set():  # while the API server was asked
            return False
        try:
            await self._kopf(begun)
        except Exception as error:
            if not is_of_the_cluster(error):
                raise
            self._complain(f"the watch has broken off, and begins anew: {in_words(error)}")
            return True
        finally:
            self._health.watching = False
        return self._kopfs_end.is_set()

    async def _kopf(self, begun: Callable[[], None]) -> None:
        # Kopf says that it is ready before it has asked the API server for anything.
        ready = asyncio.get_running_loop().create_future()
        ready.add_done_callback(lambda _: begun())
        self._restarts.begun()
        unsure = self._restarts.unsure
        sure = self._call_later(unsure, self._well) if unsure else None
        if sure is None:
            ready.add_done_callback(lambda _: self._well())
        try:
            await self._run_kopf(ready)
        finally:
            if sure is not None:
                sure.cancel()

    async def _run_kopf(self, ready: asyncio.Future[None]) -> None:
        await self._operator(
            registry=self._registry,
            settings=handlers.settings(instance=IDENTITY),
            clusterwide=True,
            standalone=True,
            identity=IDENTITY,
            stop_flag=self._kopfs_end,
            ready_flag=ready,
        )

    async def _wait(self, seconds: float) -> None:
        """So long, or for the end."""
        end = asyncio.create_task(self._over.wait())
        await asyncio.wait([end], timeout=seconds)
        end.cancel()

    def _well(self) -> None:
        self._complaints.over()
        self._health.watching, self._health.watch_fault = True, ""
        logger.info("watching %s%s", self._what, self._restarts.well())

    def _complain(self, text: str) -> None:
        self._complaints.about(text)
        self._health.watch_fault = text


def is_of_the_cluster(error: BaseException) -> bool:
    """Whether what ended Kopf came over the network; its errors are not exported. Anything else is a fault of ours."""
    return isinstance(error, OF_THE_NETWORK) or type(error).__module__.startswith("kopf.")


def quieten() -> None:
    """Take from the log, but at debug level, what Kopf prints about the end of each of its parts, which is said in a
    sentence; and that it gets no signals in a thread, which is as it should be."""
    for name in ("orchestration", "running"):
        logging.getLogger(f"kopf._core.reactor.{name}").addFilter(_is_news)


def _is_news(record: logging.LogRecord) -> bool:
    noise = record.exc_info is not None or record.getMessage().startswith("OS signals are ignored")
    return not noise or logging.getLogger().isEnabledFor(logging.DEBUG)


def pass_over_lost_requests(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """The exception handler of a loop with Kopf. At its end Kopf closes its connections under requests of its own, as
    of a discovery that has just begun, and asks nobody how they ended: asyncio would print a traceback for each."""
    error = context.get("exception")
    if error is None or not is_of_the_cluster(error):
        loop.default_exception_handler(context)
