"""What Kopf calls. A handler notes what it saw and puts a key into the queue; it decides nothing and
writes nothing."""

from typing import Any

import kopf

from reaper_api.vocabulary import FINAL_PHASES, GROUP, LABEL_TASK, PLURAL, VERSION
from reaper_operator.key import Key, key_of_owner, key_of_task
from reaper_operator.observe import observe
from reaper_operator.sightings import Sightings
from reaper_operator.workqueue import WorkQueue

ON_PODS = "v1/pods"


def register(registry: kopf.OperatorRegistry, queue: WorkQueue[Key], sightings: Sightings) -> None:
    """Watch ReaperTasks, and the Pods that carry our label."""

    @kopf.on.event(GROUP, VERSION, PLURAL, registry=registry)
    async def task_changed(body: kopf.Body, **_: Any) -> None:
        if body.get("status", {}).get("phase") not in FINAL_PHASES:
            queue.add(key_of_task(body))

    @kopf.on.event("v1", "pods", labels={LABEL_TASK: kopf.PRESENT}, registry=registry)
    async def pod_changed(body: kopf.Body, **_: Any) -> None:
        key = key_of_owner(body)
        if key is not None:
            sightings.note(key, observe(body))
            queue.add(key)


def settings(*, instance: str, exit_timeout: float) -> kopf.OperatorSettings:
    """Kopf as a watcher and nothing else: it writes no annotation, no finalizer, no Event, and looks at no
    CRD."""
    result = kopf.OperatorSettings()
    result.scanning.disabled = True  # or it wants to list namespaces and CRDs
    result.peering.standalone = True
    result.posting.enabled = False
    result.posting.reporting_instance = instance
    result.watching.label_selectors[ON_PODS] = LABEL_TASK  # by the server: other Pods never reach the operator
    result.watching.chunk_size = 500
    result.watching.server_timeout, result.watching.client_timeout = 300, 330  # a stream that hangs ends by itself
    result.networking.request_timeout, result.networking.connect_timeout = 30, 10
    result.networking.enforce_retry_after = True
    result.process.ultimate_exiting_timeout = exit_timeout
    return result
