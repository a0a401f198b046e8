"""The periodic LIST. A watch can lose a change (Kopf loses deletions over a re-list), what waits for a person gets a
look this way, and an operator that has just started learns what is going to be due.

At rest this is two lists and nothing else: only a task for which there is something to do or to write is queued.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial

from reaper_api.task import TaskHead
from reaper_api.vocabulary import ConditionType, Phase, Reason
from reaper_operator import status as statuses
from reaper_operator.cluster import Cluster
from reaper_operator.complaints import Complaints
from reaper_operator.conditions import Moment
from reaper_operator.errors import ClusterError, NotFound
from reaper_operator.health import Health
from reaper_operator.key import Key, key_of_owner, key_of_task
from reaper_operator.life import Action, next_step
from reaper_operator.observe import PodObservation
from reaper_operator.reading import read_pod, read_task
from reaper_operator.transport import Body
from reaper_operator.workqueue import WorkQueue


class Resync:
    """Compares all tasks that are not over with their Pods."""

    def __init__(
        self,
        cluster: Cluster,
        queue: WorkQueue[Key],
        health: Health,
        clock: Callable[[], datetime],
        *,
        counted: Callable[[Mapping[str, int]], None] = lambda _: None,
        listed: Callable[[Key, Body], object] = lambda *_: None,
        unserved: Callable[[], object] = lambda: None,
        complaints: Complaints | None = None,
        of_objects: Complaints | None = None,
    ) -> None:
        """`counted` is told how many tasks there are in each phase; those that are over are not counted. `listed` is
        shown each of them: a watch may have lost how it is now. `unserved` is told when the API server does not know
        tasks at all. `complaints`: what was told of the resync; `of_objects`: of what it finds."""
        self._cluster = cluster
        self._queue = queue
        self._health = health
        self._clock = clock
        self._counted = counted
        self._listed = listed
        self._unserved = unserved
        self._complaints = complaints or Complaints(time.monotonic)
        self._of_objects = of_objects or Complaints(time.monotonic)

    async def once(self) -> bool:
        """Queue what needs a look. False if the API server would not say."""
        try:
            await self._compare()
        except NotFound:
            self._unserved()
            return self._failed("the API server does not know ReaperTasks: install crds/reapertask.yaml")
        except ClusterError as error:
            return self._failed(f"resync failed, which is tried again: {error}")
        self._complaints.over()
        self._health.resync.beat(True)
        return True

    def _failed(self, why: str) -> bool:
        self._complaints.about(why)
        self._health.resync.beat(False)
        return False

    async def until_success(self, *, pause: float) -> None:
        """Ask until the API server answers. `pause` in seconds."""
        while not await self.once():
            await asyncio.sleep(pause)

    async def for_ever(self, *, interval: float) -> None:
        """Ask every `interval` seconds."""
        while True:
            await asyncio.sleep(interval)
            await self.once()

    async def _compare(self) -> None:
        pods: dict[str, PodObservation] = {}
        async for body in self._cluster.unfinished_pods():
            key = key_of_owner(body)
            if key is None:
                continue
            pod = self._of_objects.unless_unreadable(partial(read_pod, body), str(key))
            if pod is not None:
                pods[pod.uid] = pod
        now = self._clock()
        phases: Counter[str] = Counter()
        async for task in self._cluster.unfinished_tasks():
            phases[(task.get("status") or {}).get("phase") or Phase.PENDING] += 1
            self._listed(key_of_task(task), task)
            due = next_look(task, pods, now)
            if due is not None and due <= now:
                self._queue.add_unless_waiting(key_of_task(task))
            elif due is not None:
                self._queue.add_by(key_of_task(task), (due - now).total_seconds())
        self._counted(phases)


def next_look(task: Body, pods: Mapping[str, PodObservation], now: datetime) -> datetime | None:
    """When a reconcile might do or write something, as far as the task and `pods` say: all that are not over, by their
    UID. None: not before something changes."""
    try:
        return _next_look(task, pods, now)
    except Exception:  # noqa: BLE001 - one odd task must not keep the others from a look
        return now  # the reconcile says in the log what is wrong with it


def _next_look(task: Body, pods: Mapping[str, PodObservation], now: datetime) -> datetime | None:
    head = read_task(task)
    pod = pods.get(head.status.pod_uid or "")
    if pod is None and statuses.is_under_way(head.status):
        return now  # it is missing, or over
    owned = pod is not None and pod.task_uid == head.metadata.uid
    step = next_step(head, pod, None, Moment(head.metadata.generation, now), owned=owned)
    if step.action is Action.BEGIN and _hopeless(head):
        return step.look
    if step.action is not Action.NOTHING or statuses.patch(head.status, step.status):
        return now
    return step.look


def _hopeless(task: TaskHead) -> bool:
    """Whether another try is known to end as the last one: its spec, which has not changed since, makes no Pod.

    What the API server calls invalid is another matter: a webhook of somebody else may have been the reason.
    """
    stalled = statuses.condition(task.status, ConditionType.STALLED)
    return (
        stalled is not None
        and stalled.reason == Reason.INVALID_SPEC
        and stalled.observed_generation == task.metadata.generation
    )
