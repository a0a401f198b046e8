"""A ReaperTask as the plain Pod that does the same: the operator's own translation, without what binds it to a task."""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from typing import Any

from reaper_api.conversion.draft import Draft
from reaper_api.conversion.report import Conversion, Path, leaves
from reaper_api.ruleset.template import get
from reaper_api.task import InvalidTask, ReaperTask
from reaper_api.translate import pod_for
from reaper_api.vocabulary import (
    ANNOTATION_TASK,
    KIND,
    LABEL_APP_INSTANCE,
    LABEL_APP_MANAGED_BY,
    LABEL_APP_NAME,
    TASK_LABELS,
)

_CONTAINER: Path = ("spec", "containers", 0)
# Fields that have another name in a Pod.
_ELSEWHERE: Mapping[Path, Path] = {
    ("spec", "terminal"): (*_CONTAINER, "tty"),
    ("spec", "user", "uid"): (*_CONTAINER, "securityContext", "runAsUser"),
    ("spec", "user", "gid"): (*_CONTAINER, "securityContext", "runAsGroup"),
    ("spec", "user", "supplementalGroups"): ("spec", "securityContext", "supplementalGroups"),
}
_ONCE = {
    "backoffLimit": "a Pod is tried once: a Job with this Pod as its template is tried again",
    "ttlSecondsAfterFinished": "a Pod stays until somebody deletes it: a Job has such a time",
    "suspend": "a Pod starts when it is created: a Job can be suspended",
}


def to_pod(body: Mapping[str, Any]) -> Conversion:
    """The Pod. Raises ValueError for another kind."""
    if body.get("kind") != KIND:
        raise ValueError(f"a {body.get('kind')} is no {KIND}")
    draft = Draft()
    metadata: Mapping[str, Any] = body.get("metadata") or {}
    try:
        head = {"namespace": "default", "uid": "-", "name": "-", **metadata}
        task = ReaperTask.parse({"metadata": head, "spec": body.get("spec")})
    except InvalidTask as error:
        for problem in error.problems:
            draft.refuse((), None, problem)
        return draft.conversion(body)
    pod = pod_for(task)
    pod["metadata"] = _metadata(metadata, pod["metadata"])
    del pod["spec"]["schedulingGates"]
    if task.spec.active_deadline_seconds is not None:  # of a task the operator sees to it
        pod["spec"]["activeDeadlineSeconds"] = task.spec.active_deadline_seconds
    draft.body = pod
    _account(draft, body)
    return draft.conversion(body)


def _metadata(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {key: old[key] for key in ("name", "generateName", "namespace") if key in old}
    ours = {*TASK_LABELS, LABEL_APP_NAME, LABEL_APP_INSTANCE, LABEL_APP_MANAGED_BY, ANNOTATION_TASK}
    for key in ("labels", "annotations"):
        pairs = {name: value for name, value in (new.get(key) or {}).items() if name not in ours}
        pairs |= deepcopy(dict(old.get(key) or {}))
        if pairs:
            found[key] = pairs
    return found


def _account(draft: Draft, body: Mapping[str, Any]) -> None:
    """Of the body that the draft has already: what says the same there is carried."""
    for path, value in leaves(body):
        target = next((place for place in _places(path) if value == get(draft.body, *place)), ())
        if path[0] == "status":
            draft.drop(path, value, "the API server writes it anew")
        elif path[:1] == ("spec",) and path[1:2] and path[1] in _ONCE and value not in (0, False, None):
            draft.lose(path, value, _ONCE[str(path[1])])
        elif target and value is not None:
            draft.found(path, target)
        else:
            draft.change(path, value, "the operator's own translation")


def _places(path: Path) -> Iterator[Path]:
    """Where a field of a task may be in its Pod."""
    top, *rest = path
    if top == "metadata":
        yield path
    elif top == "spec" and rest:
        yield _ELSEWHERE.get(path, (*_CONTAINER, *rest))
        yield path
        if rest[0] == "volumes":
            yield (*_CONTAINER, "volumeMounts", *rest[1:])
