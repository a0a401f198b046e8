"""A Pod, or an object that holds one, as a ReaperTask."""

from collections.abc import Mapping, Sequence
from typing import Any

from reaper_api.conversion.container import Surroundings, convert_container
from reaper_api.conversion.draft import Draft, has
from reaper_api.conversion.pod import POD
from reaper_api.conversion.report import Body, Conversion, Path
from reaper_api.conversion.shape import wrong_shape
from reaper_api.conversion.user import convert_user
from reaper_api.conversion.volumes import convert_volumes
from reaper_api.conversion.workload import KINDS, ONE_PROCESS, Kind, convert_around, holds_pod
from reaper_api.task import InvalidTask, ReaperTask
from reaper_api.vocabulary import (
    ANNOTATION_DNS,
    ANNOTATION_OVERLAY,
    ANNOTATION_STDERR,
    ANNOTATION_STDOUT,
    ANNOTATION_TASK,
    API_VERSION,
    DISCARD,
    KIND,
    RUNTIME_PREFIX,
    RestartPolicy,
)

_SERVER = "the API server writes it anew"
_SET_BY_SERVER = frozenset(
    {"uid", "resourceVersion", "generation", "creationTimestamp", "managedFields", "selfLink", "deletionTimestamp",
     "deletionGracePeriodSeconds"}
)  # fmt: skip
_SET_BY_CONTROLLERS = ("pod-template-hash", "controller-revision-hash", "pod-template-generation", "controller-uid",
                       "job-name", "batch.kubernetes.io/", "statefulset.kubernetes.io/", "apps.kubernetes.io/",
                       "deployment.kubernetes.io/", "kubectl.kubernetes.io/last-applied-configuration",
                       "kubectl.kubernetes.io/restartedAt", "cronjob.kubernetes.io/")  # fmt: skip
_NO_CONTAINER = "there is no container, and so no process"
_KEEP_A_POD = "keep this a Pod and set runtimeClassName: reaper-v2, or do it in one shell script"


def to_task(body: Mapping[str, Any], node: str = "") -> Conversion:
    """The task that does what `body` does; on `node`, if that is given. Raises ValueError for a kind that holds no
    Pod."""
    name = str(body.get("kind"))
    if not holds_pod(body):
        raise ValueError(f"a {name} is no {', '.join(KINDS)}: it has no processes")
    kind = KINDS[name]
    draft = Draft()
    wrong = list(wrong_shape(body, kind.pod))
    if wrong:
        for path, value, sentence in wrong:
            draft.refuse(path, value, sentence)
        return draft.conversion(body)
    draft.body |= {"apiVersion": API_VERSION, "kind": KIND, "metadata": {}, "spec": {}}
    _head(draft, name, kind, body)
    pod: Mapping[str, Any] = body
    for part in kind.pod:
        pod = pod.get(str(part)) or {}
    _metadata(draft, ("metadata",), body.get("metadata") or {})
    if kind.pod:
        _metadata(draft, (*kind.pod, "metadata"), pod.get("metadata") or {}, inner=True)
    convert_around(draft, name, dict(body))
    spec = pod.get("spec") or {}
    _pod(draft, (*kind.pod, "spec"), spec, kind, name, node or spec.get("nodeName"))
    _place(draft, name, node)
    return _checked(draft, body)


def _head(draft: Draft, name: str, kind: Kind, body: Mapping[str, Any]) -> None:
    for key in body:
        if key == "apiVersion":
            draft.change((key,), body[key], "", ("apiVersion",), API_VERSION)
        elif key == "kind":
            draft.change((key,), name, kind.means, ("kind",), KIND)
        elif key == "status":
            draft.drop((key,), body[key], _SERVER)
        elif key not in ("metadata", *(kind.pod[:1] or ("spec",)), "spec"):
            draft.lose((key,), body[key], "a ReaperTask has no such field")


def _metadata(draft: Draft, path: Path, metadata: Mapping[str, Any], *, inner: bool = False) -> None:
    for key, value in metadata.items():
        place = (*path, key)
        if key in ("labels", "annotations"):
            _pairs(draft, place, key, value or {})
        elif key in ("name", "generateName", "namespace") and not inner:
            draft.keep(place, value, ("metadata", key))
        elif key in _SET_BY_SERVER or inner:
            draft.drop(place, value, _SERVER)
        elif key == "ownerReferences":
            draft.lose(place, value, "the task stands for itself: nobody deletes it with its owner")
        else:
            draft.lose(place, value, "kept by whoever set it, for the old object")


def _pairs(draft: Draft, path: Path, key: str, pairs: Mapping[str, Any]) -> None:
    """Labels and annotations: some have a field of their own in a task."""
    if not pairs:
        draft.drop(path, pairs, "empty")
    for name, value in pairs.items():
        place = (*path, name)
        present = draft.body["metadata"].get(key, {}).get(name)
        if str(name).startswith(_SET_BY_CONTROLLERS):
            draft.drop(place, value, "its controller wrote it")
        elif key == "annotations" and str(name).startswith(f"{RUNTIME_PREFIX}/"):
            _runtime_annotation(draft, place, name, value)
        elif present is not None and present != value:
            draft.lose(place, value, f"the object around it says {present}")
        else:
            draft.keep(place, value, ("metadata", key, name))


def _runtime_annotation(draft: Draft, path: Path, name: str, value: Any) -> None:
    if name == ANNOTATION_TASK:
        draft.drop(path, value, "the operator writes it")
        return
    streams = {ANNOTATION_STDOUT: "stdout", ANNOTATION_STDERR: "stderr"}
    if name in streams:
        draft.change(path, value, "a field", ("spec", streams[name]), value != DISCARD)
    elif name == ANNOTATION_OVERLAY and has("overlay"):
        draft.change(path, value, "a field", ("spec", "overlay", "name"), value)
    elif name == ANNOTATION_DNS and has("dnsMode"):
        draft.change(path, value, "a field", ("spec", "dnsMode"), "host" if value == "host" else "kubernetes")
    else:
        draft.lose(path, value, "a ReaperTask does not pass this on to the runtime; a Pod does")


def _pod(draft: Draft, path: Path, spec: Mapping[str, Any], kind: Kind, name: str, node: str | None) -> None:
    containers: Sequence[Mapping[str, Any]] = spec.get("containers") or ()
    for key, value in spec.items():
        place = (*path, key)
        if key == "containers":
            _containers(draft, place, containers, spec, path, node)
        elif key == "initContainers" and value:
            draft.refuse(place, value, f"{ONE_PROCESS}: {_KEEP_A_POD}")
        elif key == "restartPolicy":
            _restart(draft, place, value, name)
        elif key in ("serviceAccountName", "serviceAccount", "automountServiceAccountToken"):
            _account(draft, place, key, value, spec)
        elif key not in ("securityContext", "volumes"):
            handle = POD.get(key)
            if handle is None:
                draft.lose(place, value, "a ReaperTask has no such field")
            else:
                handle(draft, place, value)
    if "containers" not in spec:
        draft.refuse((*path, "containers"), None, _NO_CONTAINER)
    if "restartPolicy" not in spec and kind.restart:
        note = f"what a {name} without restartPolicy does; a ReaperTask without one is over when its process ends"
        draft.add(("spec", "restartPolicy"), kind.restart, note)


def _containers(
    draft: Draft,
    path: Path,
    containers: Sequence[Mapping[str, Any]],
    spec: Mapping[str, Any],
    pod: Path,
    node: str | None,
) -> None:
    if len(containers) != 1:
        several = f"{ONE_PROCESS}, and these are {len(containers)} containers: {_KEEP_A_POD}"
        draft.refuse(path, containers, several if containers else _NO_CONTAINER)
        return
    container, place = containers[0], (*path, 0)
    metadata = draft.body["metadata"]
    known = {
        "metadata.name": metadata.get("name"),
        "metadata.namespace": metadata.get("namespace"),
        "spec.nodeName": node,
        "spec.serviceAccountName": spec.get("serviceAccountName"),
    }
    around = Surroundings({key: value for key, value in known.items() if value is not None})
    convert_container(draft, place, container, around)
    outer, inner = spec.get("securityContext") or {}, container.get("securityContext") or {}
    convert_user(draft, (*pod, "securityContext"), outer, (*place, "securityContext"), inner)
    volumes, mounts = spec.get("volumes") or (), container.get("volumeMounts") or ()
    convert_volumes(draft, (*pod, "volumes"), volumes, (*place, "volumeMounts"), mounts)


def _restart(draft: Draft, path: Path, value: Any, kind: str) -> None:
    if kind in ("Job", "CronJob") and value == RestartPolicy.ON_FAILURE and has("backoffLimit"):
        note = "each try is a new attempt in a new Pod, so that backoffLimit counts them"
        draft.change(path, value, note, ("spec", "restartPolicy"), str(RestartPolicy.NEVER))
    else:
        draft.keep(path, value, ("spec", "restartPolicy"))


def _account(draft: Draft, path: Path, key: str, value: Any, spec: Mapping[str, Any]) -> None:
    if key == "serviceAccount" and spec.get("serviceAccountName") == value:
        draft.drop(path, value, "the old name of serviceAccountName")
    elif key == "automountServiceAccountToken":
        draft.drop(path, value, "a task with serviceAccountName has a token, one without has none")
    elif spec.get("automountServiceAccountToken") is False:
        draft.drop(path, value, "without its token the account says nothing")
    else:
        draft.carry(path, value, ("spec", "serviceAccountName"))


def _place(draft: Draft, kind: str, node: str) -> None:
    if node:
        draft.add(("spec", "nodeName"), node, "asked for")
    elif kind == "DaemonSet":
        note = "a DaemonSet runs on every node and a task on one: name it (--node), once for each"
        draft.refuse(("spec",), None, note)


def _checked(draft: Draft, body: Mapping[str, Any]) -> Conversion:
    """A task that the API server would refuse is none."""
    found = draft.conversion(body)
    if found.result is None:
        return found
    spec: Body = found.result["spec"]
    try:
        ReaperTask.parse({"spec": spec, "metadata": {"name": "-", "namespace": "-", "uid": "-"}})
    except InvalidTask as error:
        for problem in error.problems:
            draft.refuse((), None, problem)
        return draft.conversion(body)
    return found
