"""One task, one look: read the task and its Pod, and take steps until there is nothing to do but to wait.

Level-based: every decision is made from what the API holds, so a crash anywhere is followed by a reconcile
that goes on where the last one ended. All that is remembered is how Pods looked before they vanished (last_seen.py),
and, to ask less, what the API server has shown last (known.py): where that is not what is there any more, a write is
refused, and the reconcile begins anew from what the API server says now. What to do is decided in life.py; here it is
done.

Why no attempt runs twice, no two attempts run at once, and no finished task runs again:

1. The Pod of attempt N has one name, so there is at most one at a time.
2. It is created with a scheduling gate, and no node takes a gated Pod. One that is there already is taken up only with
   that gate, which nobody can put on later: it has run nothing.
3. The gate is taken off only where the status says, as the API server has shown it, that attempt N is under way and its
   podUID is the UID of this Pod. The patch names the UID: it cannot hit another Pod of the same name. That the status
   may be another by now is what 5 is about.
4. Attempt N is recorded once: its number and its podUID are one write, on top of the very version of the task that was
   read. The CRD lets nobody change podUID without a new number, nor a number but by one (reaper_api/transitions.py).
5. An attempt is written down as over only when its recorded Pod is over or gone from the API. Neither comes back: a Pod
   that is over starts nothing, and a UID is never given again. Whoever still wants to take the gate off hits a Pod
   that is over, or none.
6. The number grows only from a status that says that the attempt before is over (nextAttemptTime), and never in a
   finished one; the CRD holds everybody to that, too.

So a Pod that is missing while its attempt is not recorded was never started: creating it again is safe. And one that
is missing while it is recorded may have run: then the attempt is over, whatever is known about its end. A gated
Pod with another UID than the recorded one never starts: it is removed.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import replace

from reaper_api.translate import pod_name
from reaper_api.vocabulary import GATE_RECORDED, Phase
from reaper_operator import pending
from reaper_operator import status as statuses
from reaper_operator.cluster import Cluster
from reaper_operator.complaints import Complaints
from reaper_operator.creation import pod_of_attempt
from reaper_operator.deadline import AT_ONCE
from reaper_operator.errors import Conflict, NotFound, Stalled, Waiting
from reaper_operator.key import Key
from reaper_operator.known import KnownTasks
from reaper_operator.last_seen import LastSeenPods
from reaper_operator.life import Action, Step, next_step
from reaper_operator.observe import PodObservation
from reaper_operator.reading import read_pod
from reaper_operator.record import Body, Clock, Record

logger = logging.getLogger(__name__)

LookLater = Callable[[Key, float], object]
"""Have a key looked at again after so many seconds."""

_TO_GO_ON = frozenset({Action.BEGIN, Action.HOLD, Action.RELEASE})  # after these there may be more to do at once
_MOST_STEPS = 10  # more than any task needs while the world stands still


class Reconciler:
    """Call it with a key. It never runs twice at the same time for one key: the queue sees to that."""

    def __init__(
        self,
        cluster: Cluster,
        last_seen: LastSeenPods,
        clock: Clock,
        look_later: LookLater,
        known: KnownTasks,
    ) -> None:
        self._cluster = cluster
        self._known = known
        self._last_seen = last_seen
        self._clock = clock
        self._look_later = look_later
        self._of_events = Complaints(time.monotonic)

    async def __call__(self, key: Key) -> None:
        """Bring the task closer to its end. Raises Waiting or a ClusterError where it has to be tried
        again."""
        known = self._known.get(key)
        if known is not None:
            try:
                await self._look(key, known)
            except (Conflict, NotFound) as error:
                logger.debug("what is known is not what is there: %s", error)
            else:
                return
        body = await self._cluster.get_task(key)
        if body is None:
            self._last_seen.forget(key)
            self._known.over(key)
            return
        await self._look(key, body)

    async def _look(self, key: Key, body: Body) -> None:
        """The same from a given state of the task. It is known afterwards if all went well, and only then."""
        self._known.forget(key)
        record = Record(self._cluster, key, body, self._clock, self._of_events)
        await self._go_on(record)
        if record.head.status.finished:
            self._known.over(key)
        else:
            self._known.heard(key, record.body)

    async def _go_on(self, record: Record) -> None:
        key = record.key
        for pod in self._last_seen.gated(key):
            await self._remove_if_stray(record, pod)
        try:
            await self._advance(record)
        except Stalled as end:
            await record.write(statuses.stalled(record.head.status, end.reason, end.message, record.at))
        except Waiting as end:
            await record.write(statuses.waiting(record.head.status, end.reason, end.message, record.at))
            raise

    async def _advance(self, record: Record) -> None:
        pod = await self._pod_under_way(record)
        for _ in range(_MOST_STEPS):
            step = self._decide(record, pod)
            wrote = await record.write(step.status)
            if step.look is not None:
                self._look_later(record.key, max((step.look - self._clock()).total_seconds(), 0.0))
            if step.action is Action.NOTHING and not wrote:
                break
            pod = await self._do(step.action, record, pod)
            if step.action is not Action.NOTHING and step.action not in _TO_GO_ON:
                break
        if record.head.status.finished:
            self._last_seen.forget(record.key)

    def _decide(self, record: Record, pod: PodObservation | None) -> Step:
        last = self._last_seen.get(record.key, record.head.status.pod_uid)
        owned = pod is not None and pod.task_uid == record.head.metadata.uid
        return next_step(record.head, pod, last, record.at, owned=owned)

    async def _do(self, action: Action, record: Record, pod: PodObservation | None) -> PodObservation | None:
        """Carry an action out. Returns the Pod that is under way then."""
        namespace = record.key.namespace
        match action:
            case Action.BEGIN:
                return await self._begin(record)
            case Action.HOLD:
                await record.hold()
            case Action.RELEASE:
                await record.release()
            case Action.DELETE:
                await record.delete()
            case Action.START if pod is not None:
                await self._cluster.remove_gate(namespace, pod.name, pod.uid, GATE_RECORDED)
                self._last_seen.started(record.key, pod.uid)
            case Action.EXPIRE if pod is not None:
                await self._cluster.limit_pod(namespace, pod.name, pod.uid, AT_ONCE)
            case Action.REMOVE if pod is not None:
                await self._cluster.remove_pod(namespace, pod.name, pod.uid)
        return pod

    async def _begin(self, record: Record) -> PodObservation:
        """The Pod of the next attempt, on record: from then on it may be let go."""
        number = statuses.attempts_of(record.head.status) + 1
        pod = read_pod(await pod_of_attempt(self._cluster, record.key, record.body, number))
        await record.write(statuses.begun(record.head.status, pod, record.at))
        return pod

    async def _pod_under_way(self, record: Record) -> PodObservation | None:
        """The recorded Pod of the attempt that is under way, if it is there."""
        status = record.head.status
        news = self._last_seen.news(record.key, status.pod_uid)
        if not statuses.is_under_way(status):
            return None
        if news is not None:
            return await self._explained(record, news)
        name = status.pod_name or pod_name(record.key.name, statuses.attempts_of(status))
        body = await self._cluster.get_pod(record.key.namespace, name)
        if body is None:
            return None
        pod = read_pod(body)
        if pod.uid != status.pod_uid:
            await self._remove_if_stray(record, pod)
            return None
        return await self._explained(record, pod)

    async def _explained(self, record: Record, pod: PodObservation) -> PodObservation:
        """With what Events say about a Pod that does not start, where the Pod itself does not say it."""
        if pod.phase is not Phase.PENDING or not pending.needs_events(pod.reason, pod.scheduled, self._clock()):
            return pod
        why = pending.from_events(await self._cluster.events_about(record.key.namespace, pod.uid), pod.node)
        return pod if why is None else replace(pod, reason=why[0], message=why[1])

    async def _remove_if_stray(self, record: Record, pod: PodObservation) -> None:
        """A Pod that an operator made for an attempt after another's was recorded, or for a task that is over. It can
        never start: nobody takes the gate off. That takes two operators at work at once, or a request that outlives
        the operator that sent it, and a recorded Pod that somebody has deleted by force."""
        status = record.head.status
        late = status.finished or pod.attempt <= statuses.attempts_of(status)
        if not pod.gated or not late or pod.uid == status.pod_uid or pod.task_uid != record.head.metadata.uid:
            return
        self._last_seen.drop(record.key, pod.uid)
        await self._cluster.remove_pod(record.key.namespace, pod.name, pod.uid)
        logger.info("removed Pod %s (%s), which came too late", pod.name, pod.uid, extra={"object": str(record.key)})
