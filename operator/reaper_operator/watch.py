"""The watch over tasks and Pods: Kopf, begun again wherever it ends.

Kopf ends where the API server is not as it wants it: an answer breaks off while it asks what is served, a watch is
refused for a minute, the CRD goes. It leaves a traceback for each of its parts. Here that is one sentence, and another
Kopf. Nothing is lost by it: queue, workers and resync go on meanwhile, and a new Kopf lists everything first.
"""

import asyncio
import json
import logging
from collections.abc import Callable
from typing import Any

import aiohttp
import kopf

from reaper_api.vocabulary import GROUP, MANAGER, PLURAL
from reaper_operator import discovery, handlers
from reaper_operator.discovery import Call
from reaper_operator.errors import ClusterError
from reaper_operator.health import Health
from reaper_operator.words import in_words

logger = logging.getLogger(__name__)

PAUSE = 2.0  # seconds until the next try
# Kopf would otherwise look our user up in an /etc/passwd that is not there. It is a NewType there, not exported.
IDENTITY: Any = MANAGER
OF_THE_NETWORK = (aiohttp.ClientError, ConnectionError, TimeoutError, json.JSONDecodeError, UnicodeDecodeError)


class Watch:
    """Made on the event loop that it runs on."""

    def __init__(self, registry: kopf.OperatorRegistry, call: Call, health: Health, *, pause: float = PAUSE) -> None:
        """`registry`: the handlers. `call`: Transport.call."""
        self._registry, self._call, self._health, self._pause = registry, call, health, pause
        self._over = asyncio.Event()
        self._kopfs_end = asyncio.Event()
        self._complaint = ""

    async def run(self, watching: Callable[[], None]) -> None:
        """Watch until end(), or until Kopf is told to end by a signal. `watching` is called whenever Kopf has begun:
        it has taken over what there was of signal handlers. Raises what is no fault of the cluster."""
        quieten()
        asyncio.get_running_loop().set_exception_handler(pass_over_lost_requests)
        while not self._over.is_set():
            if not await self._served():
                await self._wait()
                continue
            self._complaint = self._health.watch_fault = ""
            self._kopfs_end.clear()
            try:
                await self._kopf(watching)
            except Exception as error:
                if not is_of_the_cluster(error):
                    raise
                self._complain(f"the watch has broken off, and begins anew: {in_words(error)}")
            else:
                if not self._kopfs_end.is_set():
                    return
            self._health.watching = False
            await self._wait()

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

    async def _kopf(self, watching: Callable[[], None]) -> None:
        def begun(_: object) -> None:
            watching()
            self._health.watching = True

        ready = asyncio.get_running_loop().create_future()
        ready.add_done_callback(begun)
        await kopf.operator(
            registry=self._registry,
            settings=handlers.settings(instance=IDENTITY),
            clusterwide=True,
            standalone=True,
            identity=IDENTITY,
            stop_flag=self._kopfs_end,
            ready_flag=ready,
        )

    async def _wait(self) -> None:
        """For the pause, or for the end."""
        end = asyncio.create_task(self._over.wait())
        await asyncio.wait([end], timeout=self._pause)
        end.cancel()

    def _complain(self, text: str) -> None:
        """Once for each fault in a row."""
        if text != self._complaint:
            logger.warning("%s", text)
        self._complaint = self._health.watch_fault = text


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
