"""A task as one reconcile knows it, and the writes to it: each on top of the version that was read, so that nobody's
write is lost, and each followed by what the API server made of it."""

import logging
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from reaper_api.status import TaskStatus
from reaper_api.vocabulary import FINALIZER, Phase
from reaper_operator import events
from reaper_operator import status as statuses
from reaper_operator.cluster import Cluster
from reaper_operator.complaints import Complaints
from reaper_operator.conditions import Moment
from reaper_operator.errors import ClusterError
from reaper_operator.key import Key
from reaper_operator.reading import read_task

logger = logging.getLogger(__name__)

_OF_A_NAMESPACE_THAT_GOES = "because it is being terminated"  # nothing new is made in it, as it should be

Body = dict[str, Any]
Clock = Callable[[], datetime]
"""The time now, in UTC, in whole seconds: Kubernetes keeps no more."""


class Record:
    """One task. Every write may raise a ClusterError, Conflict if somebody else wrote first; so may what it is made of:
    Unreadable."""

    def __init__(
        self, cluster: Cluster, key: Key, body: Body, clock: Clock, complaints: Complaints | None = None
    ) -> None:
        """`complaints`: what was told of Events, which are made for all tasks or for none."""
        self._cluster = cluster
        self._clock = clock
        self._complaints = complaints or Complaints(time.monotonic)
        self.key = key
        self.body = body
        self.head = read_task(body)

    @property
    def at(self) -> Moment:
        """Now, and the generation that is known."""
        return Moment(self.head.metadata.generation, self._clock())

    async def write(self, new: TaskStatus) -> bool:
        """One patch of the status, only if something differs; then the news. Whether something did."""
        old = self.head.status
        change = statuses.patch(old, new)
        if not change:
            return False
        self._take(await self._cluster.patch_status(self.key, self.head.metadata.resource_version, change))
        if (new.phase, new.reason) not in {(old.phase, old.reason), (Phase.PENDING, None)}:
            logger.info("%s", _in_words(new), extra={"object": str(self.key)})
        await self._tell(old, new)
        return True

    async def hold(self) -> None:
        """Put our finalizer on the task."""
        await self._patch_finalizers((*self.head.metadata.finalizers, FINALIZER))

    async def release(self) -> None:
        """Take our finalizer off the task, and no other."""
        await self._patch_finalizers(tuple(name for name in self.head.metadata.finalizers if name != FINALIZER))

    async def delete(self) -> None:
        """Delete the task, unless it was changed meanwhile."""
        metadata = self.head.metadata
        await self._cluster.delete_task(self.key, metadata.uid, metadata.resource_version)

    async def _patch_finalizers(self, finalizers: tuple[str, ...]) -> None:
        version = self.head.metadata.resource_version
        self._take(await self._cluster.patch_finalizers(self.key, version, list(finalizers)))

    def _take(self, body: Body) -> None:
        self.body, self.head = body, read_task(body)

    async def _tell(self, old: TaskStatus, new: TaskStatus) -> None:
        event = events.for_transition(self.head.metadata, old, new, self._clock())
        if event is None:
            return
        try:
            await self._cluster.create_event(event)
        except ClusterError as error:  # news, not state: nothing depends on it
            level = logging.DEBUG if _OF_A_NAMESPACE_THAT_GOES in error.message else logging.WARNING
            text, extra = f"no Event {event['reason']}: {error}", {"object": str(self.key)}
            self._complaints.about(text, extra=extra, level=level)


def _in_words(status: TaskStatus) -> str:
    return ": ".join(str(part) for part in (status.phase, status.reason, status.message) if part)
