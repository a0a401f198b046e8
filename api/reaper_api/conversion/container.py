"""The one container of a Pod that becomes a process."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from reaper_api.conversion.draft import Draft
from reaper_api.conversion.handlers import Handler, carry, change, drop, lose, unknown, unless
from reaper_api.conversion.report import Path
from reaper_api.vocabulary import CONTAINER, PLACEHOLDER_IMAGE

_PROBE = "nobody asks a process of the node whether it is well: end with an exit code, and set restartPolicy"
_LIMITS = "no limits are set for a ReaperTask: a plain Pod on runtimeClassName reaper-v2 can have them"
_REQUESTS = "nothing is reserved on the node for a ReaperTask"
_DEVICE = (
    "no device is allocated: the process sees all of the node's. Choose nodes by label, and devices by the program's "
    "own means, such as CUDA_VISIBLE_DEVICES"
)
_MESSAGE = "the last lines of its output stand in the task's status where it failed"
_APART = frozenset({"securityContext", "volumeMounts"})  # accounted for with those of the Pod


class Surroundings(NamedTuple):
    """What a container's variables may refer to, as far as it is written down."""

    fields: Mapping[str, str]
    """By fieldPath."""


def convert_container(draft: Draft, path: Path, container: Mapping[str, Any], around: Surroundings) -> None:
    """Account for all but securityContext and volumeMounts."""
    if not container.get("command"):
        draft.refuse(
            (*path, "command"),
            container.get("command"),
            "the program comes from the image, which a ReaperTask does not have: write command, with the program's "
            "path on the node",
        )
    for name, value in container.items():
        place = (*path, name)
        if name == "image":
            _image(draft, place, value, container)
        elif name == "env":
            _environment(draft, place, value or (), around)
        elif name not in _APART and (name != "command" or value):
            _FIELDS.get(name, unknown)(draft, place, value)


def _tty(draft: Draft, path: Path, value: Any) -> None:
    draft.carry(path, value, ("spec", "terminal"))


_FIELDS: Mapping[str, Handler] = {
    "name": drop(f"the container of a task is called {CONTAINER}"),
    "imagePullPolicy": drop("no image is pulled"),
    "command": carry("command"),
    "args": carry("args"),
    "workingDir": carry("workingDir"),
    "stdin": carry("stdin"),
    "stdinOnce": drop("the input of a task always ends with the first client"),
    "tty": _tty,
    "envFrom": carry("envFrom"),
    "resources": lambda draft, path, value: _resources(draft, path, value or {}),
    "resizePolicy": drop("there are no resources to resize"),
    "ports": change("the process listens on the node's own address; a port can be taken there already"),
    "livenessProbe": lose(_PROBE),
    "readinessProbe": lose(_PROBE),
    "startupProbe": lose(_PROBE),
    "lifecycle": lose("write it into the command, with a trap for SIGTERM"),
    "terminationMessagePath": unless(("/dev/termination-log",), _MESSAGE),
    "terminationMessagePolicy": unless(("File", "FallbackToLogsOnError"), _MESSAGE),
}


def _image(draft: Draft, path: Path, value: Any, container: Mapping[str, Any]) -> None:
    if value in ("", PLACEHOLDER_IMAGE, None):
        draft.drop(path, value, "a ReaperTask has no image")
        return
    program = (container.get("command") or ["the program"])[0]
    draft.change(path, value, f"nothing of the image is used: {program} and all that it needs must be on the node")


def _environment(draft: Draft, path: Path, variables: Sequence[Mapping[str, Any]], around: Surroundings) -> None:
    kept = 0
    for number, variable in enumerate(variables):
        place: Path = ("spec", "env", kept)
        source = variable.get("valueFrom") or {}
        reference = source.get("fieldRef") or source.get("resourceFieldRef")
        if reference is None:
            draft.carry((*path, number), variable, place)
            kept += 1
        elif (known := around.fields.get(reference.get("fieldPath", ""))) is not None:
            draft.put(place, {"name": variable["name"], "value": known})
            draft.keep((*path, number, "name"), variable["name"], (*place, "name"))
            draft.change((*path, number, "valueFrom"), source, f"written out: {known}", (*place, "value"), known)
            kept += 1
        else:
            draft.lose((*path, number), variable, _reference(reference))


def _reference(reference: Mapping[str, Any]) -> str:
    field = reference.get("fieldPath", "")
    if field in ("spec.nodeName", "status.hostIP", "status.podIP"):
        return f"a ReaperTask does not pass {field}: the process is on the node and can ask, as hostname does"
    return f"a ReaperTask does not pass {field or reference.get('resource', 'this')}"


def _resources(draft: Draft, path: Path, value: Mapping[str, Any]) -> None:
    if not value:
        draft.drop(path, value, "empty")
    for kind, amounts in value.items():
        if kind not in ("limits", "requests"):
            draft.lose((*path, kind), amounts, _LIMITS)
            continue
        if not amounts:
            draft.drop((*path, kind), amounts, "empty")
        for name, amount in (amounts or {}).items():
            note = _DEVICE if "/" in str(name) else _LIMITS if kind == "limits" else _REQUESTS
            draft.lose((*path, kind, name), amount, note)
