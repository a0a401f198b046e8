"""The Pod of an attempt, made once: under its one name, found again where it is there already, and refused where it
belongs to somebody else."""

import logging
from collections.abc import Mapping
from typing import Any

from reaper_api.remedies import of_refusal
from reaper_api.task import InvalidTask, ReaperTask
from reaper_api.translate import pod_for
from reaper_api.vocabulary import RUNTIME_CLASS, Reason
from reaper_operator.cluster import Cluster
from reaper_operator.errors import AlreadyExists, Forbidden, Invalid, Stalled, Unavailable, Waiting
from reaper_operator.key import Key, controller_of, key_of_owner
from reaper_operator.reading import read_pod
from reaper_operator.words import joined

logger = logging.getLogger(__name__)

Body = dict[str, Any]


async def pod_of_attempt(cluster: Cluster, key: Key, task: Body, attempt: int) -> Body:
    """The Pod of one attempt, gated, made now if it is not there. Raises Stalled or Waiting with what to tell the
    user, or a ClusterError."""
    try:
        manifest = pod_for(ReaperTask.parse(task), attempt)
    except InvalidTask as error:
        message = f"{error}. The spec cannot be changed: delete the task and create it anew"
        raise Stalled(Reason.INVALID_SPEC, message) from error
    try:
        pod = await _create(cluster, manifest)
    except AlreadyExists:
        existing = await cluster.get_pod(key.namespace, manifest["metadata"]["name"])
        if existing is None:
            raise  # it went away in between: look again soon
        _require_ours(task, key, existing, attempt)
        return existing
    logger.info("created Pod %s", pod["metadata"]["name"], extra={"object": str(key)})
    return pod


async def _create(cluster: Cluster, manifest: Body) -> Body:
    try:
        return await cluster.create_pod(manifest)
    except Invalid as error:
        raise Stalled(Reason.POD_INVALID, f"the API server calls the task's Pod invalid: {error.message}") from error
    except Forbidden as error:
        message = f"the API server refuses the task's Pod, and is asked again: {error.message}"
        remedy = of_refusal(error.message, manifest["metadata"]["namespace"])
        raise Waiting(Reason.POD_REFUSED, joined(message, remedy)) from error
    except Unavailable as error:
        message = f"the task's Pod could not be created, and the API server is asked again: {error.message}"
        raise Waiting(Reason.POD_NOT_CREATED, message, retry_after=error.retry_after) from error


def _require_ours(task: Body, key: Key, pod: Mapping[str, Any], attempt: int) -> None:
    """Raises unless the Pod is one that the operator made for this attempt and has not recorded yet."""
    owner, name = controller_of(pod), pod["metadata"]["name"]
    if owner is None or owner.get("uid") != task["metadata"]["uid"]:
        if key_of_owner(pod) == key:
            raise Waiting(
                Reason.POD_NAME_TAKEN,
                f"Pod {name} belongs to an earlier task of this name; the task starts when that Pod is gone",
            )
        raise Stalled(
            Reason.POD_NAME_TAKEN,
            f"Pod {name} does not belong to this task and has the name that its next Pod would have: delete that Pod, "
            "or name the task otherwise",
        )
    # Whoever may make Pods may write an owner reference. A gate cannot be put on later, and a Pod of the runtime is
    # made only by who may run host processes: so this one has run nothing, and nobody's right is stretched by it.
    seen = read_pod(pod)
    if not seen.gated or seen.attempt != attempt or pod["spec"].get("runtimeClassName") != RUNTIME_CLASS:
        raise Stalled(
            Reason.POD_NAME_TAKEN,
            f"Pod {name} names this task as its owner, but the operator did not make it like that for attempt "
            f"{attempt}: delete that Pod",
        )
