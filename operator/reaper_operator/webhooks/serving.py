"""The webhooks of one replica: a look at the certificate every now and then, and Kopf, which serves them.

Kopf ends what else is on its event loop when it ends, and a leader's Kopf is on the operator's: so this one has a loop
and a thread of its own. It watches nothing, and takes no part in the election: every replica serves.
"""

import asyncio
import logging
import random
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import kopf

from reaper_api.ruleset.rule import Admission
from reaper_api.vocabulary import GROUP, PLURAL
from reaper_operator import connection, discovery, handlers, watch
from reaper_operator.access import Access
from reaper_operator.complaints import Complaints
from reaper_operator.discovery import Call
from reaper_operator.errors import ClusterError, Conflict
from reaper_operator.health import Health
from reaper_operator.restarts import Restarts
from reaper_operator.settings import OTHERS, OWN, Settings
from reaper_operator.webhooks import reviews
from reaper_operator.webhooks.certificates import Certificates, NoCertificate, Source
from reaper_operator.webhooks.listener import Listener
from reaper_operator.webhooks.registration import Registration
from reaper_operator.webhooks.rotation import Terms
from reaper_operator.webhooks.tls import Shown
from reaper_operator.words import in_words

logger = logging.getLogger(__name__)

PAUSE = 1.0  # seconds until the next try where nothing is served yet
LONGEST = 5.0  # seconds until Kopf is begun again, at most: nobody is answered meanwhile
AGAIN = 0.1  # seconds until the next look where one step was taken, or another replica took one


class Webhooks:
    """Made on the operator's event loop."""

    def __init__(self, settings: Settings, configuration: Access, call: Call, namespace: str, health: Health) -> None:
        """`call`: Transport.call, without a fence."""
        self._settings, self._configuration, self._call, self._health = settings, configuration, call, health
        cluster = Registration(call, namespace, settings.webhook_secret, settings.webhook_configurations)
        shown = Shown()
        self._certificates = Certificates(_source(settings), cluster, shown, lambda: datetime.now(UTC), time.monotonic)
        self._shown = shown
        self._listener = Listener(settings.webhook_endpoint, shown.context, self._listening)
        self._stop = threading.Event()
        self._kopfs_end = threading.Event()
        self._complaints, self._ends = Complaints(time.monotonic), Complaints(time.monotonic)
        self._of_objects = Complaints(time.monotonic)
        self._restarts = Restarts(time.monotonic, random.random, longest=LONGEST)
        health.webhooks = "the webhooks are not served yet"

    async def run(self) -> None:
        """Serve until stop(). Raises what ended Kopf; what the API server does wrong is waited out."""
        await self._until(self._tasks_are_served)
        await self._until(self._has_certificate)
        with ThreadPoolExecutor(1, thread_name_prefix="webhooks") as thread:
            try:
                serving = asyncio.get_running_loop().run_in_executor(thread, self._serve)
                await self._look_while(serving)
                await serving
            finally:
                self.stop()

    def stop(self) -> None:
        """run() returns when the calls in hand are answered."""
        self._stop.set()
        self._kopfs_end.set()

    async def _until(self, done: Any) -> None:
        while not (self._stop.is_set() or await done()):
            await asyncio.sleep(PAUSE)

    async def _tasks_are_served(self) -> bool:
        try:
            if await asyncio.to_thread(discovery.tasks_are_served, self._call):
                return True
            self._complain(f"{PLURAL}.{GROUP} are not served yet: install crds/reapertask.yaml")
        except ClusterError as error:
            self._complain(f"{PLURAL}.{GROUP} are not served yet: {error.message}")
        return False

    async def _has_certificate(self) -> bool:
        await self._look()
        return self._shown.ready

    async def _look_while(self, serving: asyncio.Future[None]) -> None:
        """Not as a task: the leader's Kopf would end it."""
        again = False
        while not serving.done():
            await asyncio.wait([serving], timeout=AGAIN if again else self._settings.webhook_check_seconds)
            again = not serving.done() and await self._look()

    async def _look(self) -> bool:
        """Whether there should be another one soon."""
        try:
            changed = await asyncio.to_thread(self._certificates.look)
        except Conflict:
            return True
        except (ClusterError, NoCertificate) as error:
            self._complain(f"certificate of the webhooks: {error}")
            return False
        self._complaints.over()
        return changed

    def _complain(self, text: str) -> None:
        self._complaints.about(text)
        if self._health.webhooks is not None:
            self._health.webhooks = text

    def _listening(self) -> None:
        """On Kopf's loop, which ends with it. Whoever asks is answered from now on, and so the replica is ready; that
        it stays so is told when it has lasted."""
        self._health.webhooks = None
        asyncio.get_running_loop().call_later(self._restarts.unsure, self._well)

    def _well(self) -> None:
        self._ends.over()
        logger.info("serving webhooks at %s%s", self._settings.webhook_address, self._restarts.well())

    def _serve(self) -> None:
        """Kopf, begun again where it ends for what the API server did."""
        watch.quieten()
        while True:
            self._kopfs_end.clear()
            if self._stop.is_set():
                return
            self._restarts.begun()
            try:
                asyncio.run(self._operator())
            except Exception as error:
                if not watch.is_of_the_cluster(error):
                    raise
                self._fail(f"serving webhooks has broken off, and begins anew: {in_words(error)}")
            self._restarts.failed()
            self._stop.wait(self._restarts.pause())

    def _fail(self, text: str) -> None:
        self._ends.about(text)
        self._health.webhooks = text

    async def _operator(self) -> None:
        asyncio.get_running_loop().set_exception_handler(watch.pass_over_lost_requests)
        registry = kopf.OperatorRegistry()
        connection.register_login(registry, self._configuration)
        reviews.register(registry, Admission(self._settings.webhook_action), self._of_objects)
        settings = handlers.settings(instance=watch.IDENTITY)
        settings.admission.server = self._listener
        settings.admission.managed = None  # Helm owns the configurations
        logging.getLogger("kopf.objects").addFilter(_is_no_refusal)
        try:
            await kopf.operator(
                registry=registry,
                settings=settings,
                clusterwide=True,
                standalone=True,
                identity=watch.IDENTITY,
                stop_flag=self._kopfs_end,
            )
        finally:
            self._kopfs_end.set()  # a thread of Kopf's waits for it, and the loop for that thread


def _is_no_refusal(_: logging.LogRecord) -> bool:
    """Kopf logs as errors of the operator what a user has written wrong, while it handles the exception."""
    return not isinstance(sys.exc_info()[1], kopf.AdmissionError)


def _source(settings: Settings) -> Source:
    return Source(
        makes=settings.webhook_certificates == OWN,
        registers=settings.webhook_certificates != OTHERS,
        hosts=[host.strip() for host in settings.webhook_hosts.split(",")],
        terms=Terms(timedelta(days=settings.webhook_ca_days), timedelta(days=settings.webhook_certificate_days)),
        settle=timedelta(seconds=settings.webhook_settle_seconds),
    )
