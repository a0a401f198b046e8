"""One task, one look: read the task and its Pod, decide, act, write the status if it changed.

Level-based: nothing is remembered from the last time but what the API holds, so a crash anywhere is followed
by a reconcile that goes on where the last one ended.

Why no task runs twice:

1. A task's Pod has the task's name, so there is at most one at a time.
2. It is created with a scheduling gate, and no node takes a gated Pod.
3. The gate is taken off only where status.podUID is the UID of this Pod, as the API server holds it. The patch names
   the UID: it cannot hit another Pod of the same name.
4. A Pod is created only while status.podUID is absent. The CRD lets nobody change it once it is there, and the status
   is written only on top of the very version of the task that was read.

So a Pod that is missing while status.podUID is absent was never started: creating it again is safe. And
one that is missing while status.podUID is there may have run: then the task is over, whatever is known
about its end.
"""

import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from reaper_api.status import TaskStatus
from reaper_api.task import InvalidTask, Metadata, ReaperTask, TaskHead
from reaper_api.translate import pod_for, pod_name
from reaper_api.vocabulary import GATE_RECORDED, Phase, Reason
from reaper_operator import events
from reaper_operator import status as statuses
from reaper_operator.cluster import Cluster
from reaper_operator.errors import AlreadyExists, ClusterError, Forbidden, Invalid, Stalled, Waiting
from reaper_operator.key import Key, controller_of, key_of_owner
from reaper_operator.observe import observe
from reaper_operator.sightings import Sightings

logger = logging.getLogger(__name__)

Body = dict[str, Any]
Clock = Callable[[], datetime]
"""The time now, in UTC, in whole seconds: Kubernetes keeps no more."""


class Reconciler:
    """Call it with a key. It never runs twice at the same time for one key: the queue sees to that."""

    def __init__(self, cluster: Cluster, sightings: Sightings, clock: Clock) -> None:
        self._cluster = cluster
        self._sightings = sightings
        self._clock = clock
        # UIDs of tasks whose Pod the API server called invalid. The spec cannot change, so asking again makes
        # no sense until another version of the operator translates it; it starts with an empty set.
        self._invalid: set[str] = set()

    async def __call__(self, key: Key) -> None:
        """Bring the task closer to its end. Raises Waiting or a ClusterError where it has to be tried
        again."""
        body = await self._cluster.get_task(key)
        if body is None:
            self._sightings.forget(key)
            return
        head = TaskHead.model_validate(body)
        if head.status.finished:
            self._sightings.forget(key)
            self._invalid.discard(head.metadata.uid)
            return
        generation, now = head.metadata.generation, self._clock()
        try:
            await self._progress(key, head, body)
        except Stalled as end:
            await self._write(
                key, head, statuses.stalled(head.status, end.reason, end.message, generation=generation, now=now)
            )
        except Waiting as end:
            await self._write(
                key, head, statuses.waiting(head.status, end.reason, end.message, generation=generation, now=now)
            )
            raise

    async def _progress(self, key: Key, head: TaskHead, body: Body) -> None:
        generation, now = head.metadata.generation, self._clock()
        name = pod_name(key.name)
        recorded = head.status.pod_uid
        pod = await self._cluster.get_pod(key.namespace, name)
        if recorded is None:
            if pod is None:
                if head.metadata.deletion_timestamp is not None:
                    return  # nothing was started, and nothing will be
                pod = await self._create(key, head.metadata, body)
            _require_ownership(head.metadata, key, pod)
        elif pod is None or pod["metadata"]["uid"] != recorded:
            last = self._sightings.of(key, recorded)
            await self._write(key, head, statuses.pod_gone(head.status, last, generation=generation, now=now))
            return
        seen = observe(pod)
        await self._write(key, head, statuses.from_pod(head.status, seen, generation=generation, now=now))
        if seen.gated:  # and its UID is in the status by now: the write above has returned
            await self._cluster.remove_gate(key.namespace, name, seen.uid, GATE_RECORDED)

    async def _create(self, key: Key, metadata: Metadata, body: Body) -> Body:
        if metadata.uid in self._invalid:
            raise Stalled(Reason.POD_INVALID, _held_message(body))
        try:
            manifest = pod_for(ReaperTask.parse(body))
        except InvalidTask as error:
            message = f"{error}. The spec cannot be changed: delete the task and create it anew"
            raise Stalled(Reason.INVALID_SPEC, message) from error
        try:
            pod = await self._cluster.create_pod(manifest)
        except AlreadyExists:
            existing = await self._cluster.get_pod(key.namespace, manifest["metadata"]["name"])
            if existing is None:
                raise  # it went away in between: look again soon
            return existing
        except Invalid as error:
            self._invalid.add(metadata.uid)
            raise Stalled(
                Reason.POD_INVALID, f"the API server calls the task's Pod invalid: {error.message}"
            ) from error
        except Forbidden as error:
            message = f"the API server refuses the task's Pod, and is asked again: {error.message}"
            raise Waiting(Reason.POD_REFUSED, message) from error
        logger.info("created Pod %s", pod["metadata"]["name"], extra={"object": str(key)})
        return pod

    async def _write(self, key: Key, head: TaskHead, new: TaskStatus) -> None:
        """One patch, only if something differs; then the news."""
        change = statuses.patch(head.status, new)
        if not change:
            return
        await self._cluster.patch_status(key, head.metadata.resource_version, change)
        if new.finished:
            self._sightings.forget(key)
        if (new.phase, new.reason) not in {(head.status.phase, head.status.reason), (Phase.PENDING, None)}:
            logger.info("%s", _in_words(new), extra={"object": str(key)})
        event = events.for_transition(head.metadata, head.status, new, self._clock())
        if event is None:
            return
        try:
            await self._cluster.create_event(event)
        except ClusterError as error:  # news, not state: nothing depends on it
            logger.warning("no Event %s: %s", event["reason"], error, extra={"object": str(key)})


def _require_ownership(task: Metadata, key: Key, pod: Mapping[str, Any]) -> None:
    owner = controller_of(pod)
    if owner is not None and owner.get("uid") == task.uid:
        return
    name = pod["metadata"]["name"]
    if key_of_owner(pod) == key:
        raise Waiting(
            Reason.POD_NAME_TAKEN,
            f"Pod {name} belongs to an earlier task of this name; the task starts when that Pod is gone",
        )
    raise Stalled(
        Reason.POD_NAME_TAKEN,
        f"Pod {name} does not belong to this task and has its name: delete that Pod, or name the task otherwise",
    )


def _held_message(body: Body) -> str:
    message: str = body.get("status", {}).get("message", "the API server calls the task's Pod invalid")
    return message


def _in_words(status: TaskStatus) -> str:
    return ": ".join(str(part) for part in (status.phase, status.reason, status.message) if part)
