"""What Kopf calls. A handler notes what it saw and puts a key into the queue; it decides nothing and
writes nothing."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import kopf

from reaper_api.vocabulary import FINAL_PHASES, FINALIZER, GROUP, LABEL_TASK, PLURAL, VERSION
from reaper_operator import retention
from reaper_operator.complaints import Complaints
from reaper_operator.key import Key, key_of_owner, key_of_task
from reaper_operator.known import KnownTasks
from reaper_operator.last_seen import LastSeenPods
from reaper_operator.reading import read_pod, read_task
from reaper_operator.stateless import NoDiffBase, NoProgress
from reaper_operator.workqueue import WorkQueue

ON_PODS = "v1/pods"


def register(
    registry: kopf.OperatorRegistry,
    queue: WorkQueue[Key],
    last_seen: LastSeenPods,
    clock: Callable[[], datetime],
    known: KnownTasks,
    complaints: Complaints,
) -> None:
    """Watch ReaperTasks, and the Pods that carry our label. `last_seen`, `known`: where to note these and those.
    `complaints`: what was told of objects."""

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
    async def task_changed(event: kopf.RawEvent, **_: Any) -> None:
        body: Mapping[str, Any] = event["object"]
        key = key_of_task(body)
        if event["type"] == "DELETED" or (body.get("status") or {}).get("phase") in FINAL_PHASES:
            known.over(key)
        else:
            known.heard(key, body)
        if is_news(event["type"], body):
            queue.add(key)
            return
        rest = complaints.unless_unreadable(lambda: until_expiry(body, clock()), str(key))
        if rest is not None:
            queue.add_later(key, rest)

    @kopf.on.event("v1", "pods", labels={LABEL_TASK: kopf.PRESENT}, registry=registry)
    async def pod_changed(event: kopf.RawEvent, **_: Any) -> None:
        body: Mapping[str, Any] = event["object"]
        key = key_of_owner(body)
        if key is None:
            return
        gone, pod = event["type"] == "DELETED", complaints.unless_unreadable(lambda: read_pod(body), str(key))
        if pod is None:
            if gone:  # it need not be read any more
                queue.add(key)
            return
        # There is a Pod for each task that has finished, and a new leader would ask for all of these. What has ended
        # unseen is of a task that is known not to be over, or else found by the resync, which comes before the watch.
        if event["type"] is None and pod.over and not known.under_way(key):
            return
        last_seen.heard(key, pod, gone=gone)
        queue.add(key)


def is_news(change: str | None, task: Mapping[str, Any]) -> bool:
    """Whether an event of a task tells more than that the operator wrote to it. That is no news: taking it for
    some would end the task's back-off each time the operator reports a failure. `change` is the event's type; None: the
    task was there when the watch began."""
    status, metadata = task.get("status") or {}, task["metadata"]
    over, held = status.get("phase") in FINAL_PHASES, FINALIZER in metadata.get("finalizers", ())
    if change == "DELETED" or "deletionTimestamp" in metadata:
        return held or not over
    if status.get("observedGeneration") != metadata["generation"]:
        return True
    return over and held and change is None  # whoever wrote the end did not live to let the task go


def until_expiry(task: Mapping[str, Any], now: datetime) -> float | None:
    """Seconds until a finished task is to be deleted; None if it is not. The resync lists unfinished ones only. Raises
    Unreadable."""
    if (task.get("spec") or {}).get("ttlSecondsAfterFinished") is None:
        return None
    head = read_task(task)
    expiry = retention.expiry(head.spec, head.status)
    return max((expiry - now).total_seconds(), 0.0) if expiry is not None else None


def settings(*, instance: str) -> kopf.OperatorSettings:
    """Kopf as a watcher and nothing else: it writes no annotation, no finalizer, no Event, and looks at no
    CRD."""
    result = kopf.OperatorSettings()
    result.scanning.disabled = True  # or it wants to list namespaces and CRDs
    result.peering.standalone = True
    result.persistence.diffbase_storage, result.persistence.progress_storage = NoDiffBase(), NoProgress()
    result.posting.enabled = False
    result.posting.reporting_instance = instance
    result.watching.label_selectors[ON_PODS] = LABEL_TASK  # by the server: other Pods never reach the operator
    result.watching.chunk_size = 500
    result.watching.server_timeout, result.watching.client_timeout = 300, 330  # a stream that hangs ends by itself
    result.networking.request_timeout, result.networking.connect_timeout = 30, 10
    result.networking.enforce_retry_after = True
    result.process.ultimate_exiting_timeout = None  # or it kills the process, where only the watch begins anew
    return result
