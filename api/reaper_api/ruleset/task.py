"""Rules for ReaperTasks: what the API server would drop without a word, and what it would refuse, in its own words.

The models are loaded only when a task is not plain (plain.py): they cost more time than all the rest.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from reaper_api.names import is_object_name
from reaper_api.ruleset.metadata import NOT_TEXT, pairs
from reaper_api.ruleset.plain import is_plain
from reaper_api.ruleset.rule import Admission, Cel, Path, Rule, Severity, Subject, Violation
from reaper_api.ruleset.template import dotted, mapping, shown
from reaper_api.vocabulary import (
    ANNOTATION_DNS,
    ANNOTATION_OVERLAY,
    ANNOTATION_STDERR,
    ANNOTATION_STDOUT,
    API_VERSION,
    GROUP,
    KIND,
    RUNTIME_CLASS,
    RUNTIME_PREFIX,
)

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

Task = Mapping[str, Any]

_NO_PROBE = "nobody asks a process of the node whether it is well: it ends with an exit code"
_ALWAYS_SO = "it is always so"
# Fields that people bring along from Pods, and what to do without them.
OF_PODS = {
    "containers": "a ReaperTask is one process: write command, args and env in spec itself",
    "hostIPC": _ALWAYS_SO,
    "hostNetwork": _ALWAYS_SO,
    "hostPID": _ALWAYS_SO,
    "image": "a ReaperTask has no image: its program is a file of the node",
    "imagePullPolicy": "no image is pulled",
    "livenessProbe": _NO_PROBE,
    "ports": "the process listens at the node's own address",
    "readinessProbe": _NO_PROBE,
    "resources": f"a ReaperTask has no limits: a plain Pod on the RuntimeClass {RUNTIME_CLASS} can have them",
    "runtimeClassName": f"a ReaperTask always runs on {RUNTIME_CLASS}",
    "securityContext": "write user: {uid: 1000, gid: 1000}",
    "startupProbe": _NO_PROBE,
    "template": "a ReaperTask is one process: write command, args and env in spec itself",
    "tty": "write terminal: true",
    "volumeMounts": "write mountPath in the volume itself: a ReaperTask has one list of volumes",
}

TOP_LEVEL = ("apiVersion", "kind", "metadata", "spec", "status")
FIELD_OF = {
    ANNOTATION_STDOUT: "stdout",
    ANNOTATION_STDERR: "stderr",
    ANNOTATION_OVERLAY: "overlay.name",
    ANNOTATION_DNS: "dnsMode",
}


def _unknown(task: Task) -> Iterator[Violation]:
    if is_plain(task):
        return
    from reaper_api.task import TaskSpec

    for key in task:
        if key not in TOP_LEVEL:
            advice = f"; write it below spec: spec.{key}" if key in _fields(TaskSpec) else ""
            yield Violation((str(key),), f"{key} does not exist here and would be dropped{advice}")
    if "spec" in task:
        yield from _pruned(task["spec"], TaskSpec, ("spec",))


def _pruned(value: Any, model: Any, path: Path) -> Iterator[Violation]:
    """Fields that no model has: the API server prunes them, and the user never hears of it."""
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for number, item in enumerate(value):
            yield from _pruned(item, model, (*path, number))
    found = _model_in(model)
    if not isinstance(value, Mapping) or found is None:
        return
    fields = _fields(found)
    for key in value:
        if key not in fields:
            of_pods = OF_PODS.get(str(key)) if path == ("spec",) else None
            instead = of_pods or _instead(str(key), fields)
            text = f"{dotted(path)}.{key} does not exist and would be dropped; {instead}"
            yield Violation((*path, key), text)
        else:
            yield from _pruned(value[key], fields[key], (*path, key))


def _instead(key: str, fields: Iterable[str]) -> str:
    """What may have been meant."""
    alike = get_close_matches(key.lower(), {field.lower(): field for field in fields}, n=1)
    meant = [field for field in fields if field.lower() in alike]
    return f"is it {meant[0]}?" if meant else f"there are {', '.join(sorted(fields))}"


def _values(task: Task) -> Iterator[Violation]:
    if is_plain(task):
        return
    from reaper_api.problems import MUST_BE_TEXT
    from reaper_api.task import InvalidTask, ReaperTask

    # What the API server fills in. The name has a rule of its own.
    body = {**task, "metadata": {"name": "-", "namespace": "default", "uid": "-", "generation": 1}}
    try:
        ReaperTask.parse(body)
    except InvalidTask as error:
        for problem in error.problems:
            path = parsed(problem.partition(":")[0])
            hint = ""
            if problem.endswith(MUST_BE_TEXT) and isinstance(_at(task, path), bool | int | float):
                hint = f". {NOT_TEXT}"
            yield Violation(path, problem + hint)


def _at(value: Any, path: Path) -> Any:
    """What is at a path, or the nearest thing above it that is there."""
    for part in path:
        in_list = isinstance(value, Sequence) and isinstance(part, int) and part < len(value)
        if not (in_list or (isinstance(value, Mapping) and part in value)):
            break
        value = value[part]
    return value


def _repeated(task: Task) -> Iterator[Violation]:
    if is_plain(task):
        return
    from reaper_api.task import TaskSpec

    yield from _repeated_in(task.get("spec"), TaskSpec, ("spec",))


def _repeated_in(value: Any, model: Any, path: Path) -> Iterator[Violation]:
    """The API server takes each name in a list once; the models, which read what it has taken, do not look."""
    for name, field in model.model_fields.items():
        key = field.alias or name
        items = mapping(value).get(key)
        inner = _model_in(field.annotation)
        if inner is not None and isinstance(items, Mapping):
            yield from _repeated_in(items, inner, (*path, key))
        identity = _identity(field)
        if identity is not None and isinstance(items, Sequence) and not isinstance(items, str | bytes):
            yield from _twice(items, identity, (*path, key))


def _identity(field: "FieldInfo") -> list[str] | None:
    """The keys by which items of a list are told apart; none: by themselves. None: they may repeat."""
    extra = field.json_schema_extra if isinstance(field.json_schema_extra, dict) else {}
    if extra.get("x-kubernetes-list-type") == "set":
        return []
    keys = extra.get("x-kubernetes-list-map-keys")
    return [str(key) for key in keys] if isinstance(keys, list) else None


def _twice(items: Sequence[Any], identity: list[str], path: Path) -> Iterator[Violation]:
    seen = set()
    for number, item in enumerate(items):
        which = ", ".join(str(mapping(item).get(key)) for key in identity) if identity else str(item)
        if which in seen:
            place = (*path, number, identity[0]) if identity and isinstance(item, Mapping) else (*path, number)
            yield Violation(place, f"{dotted((*path, number))}: {which} is there already")
        seen.add(which)


def _version(task: Task) -> Iterator[Violation]:
    if task.get("apiVersion") != API_VERSION:
        yield Violation(("apiVersion",), f"apiVersion must be {API_VERSION}")
    if task.get("kind") != KIND:
        yield Violation(("kind",), f"there is no kind {shown(task.get('kind'))} in {GROUP}: write kind: {KIND}")


def _name(task: Task) -> Iterator[Violation]:
    metadata = task.get("metadata")
    if not isinstance(metadata, Mapping):
        yield Violation(("metadata",), "metadata must be a mapping with a name in it")
    elif "name" not in metadata and "generateName" not in metadata:
        yield Violation(("metadata",), "metadata.name is missing")
    elif "name" in metadata and not is_object_name(metadata["name"]):
        yield Violation(
            ("metadata", "name"),
            f"metadata.name: {metadata['name']!r} is no name of an object: write text of lower case letters, digits, "
            "'-' and '.', which begins and ends with a letter or a digit",
        )


def _pairs(task: Task) -> Iterator[Violation]:
    return pairs(task.get("metadata"), ("metadata",))


def _without_effect(task: Task) -> Iterator[Violation]:
    for key in mapping(mapping(task.get("metadata")).get("annotations")):
        prefix, _, name = str(key).partition("/")
        if prefix == RUNTIME_PREFIX:
            field = FIELD_OF.get(str(key))
            advice = f"write spec.{field}" if field else f"there is no field for {name} yet"
            yield Violation(("metadata", "annotations", key), f"{key} has no effect on a {KIND}: {advice}")


def parsed(path: str) -> Path:
    """The path that template.dotted() wrote; what is no path, such as the name of the kind, is found nowhere."""
    parts = path.replace("[", ".").replace("]", "").split(".")
    return tuple(int(part) if part.isdecimal() else part for part in parts)


def _fields(model: Any) -> dict[str, Any]:
    return {field.alias or name: field.annotation for name, field in model.model_fields.items()}


def _model_in(annotation: Any) -> Any:
    """The model inside list[Model], Model | None and the like; None if there is none."""
    from typing import get_args

    from pydantic import BaseModel

    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in get_args(annotation) if (found := _model_in(part))), None)


_ANNOTATIONS = "object.?metadata.?annotations.orValue({})"
_OURS = f"k, k.startsWith('{RUNTIME_PREFIX}/')"
_SAYS = f"k + ' has no effect on a {KIND}'"

RULES = (
    Rule(
        id="RPR101",
        name="version and kind",
        severity=Severity.ERROR,
        about=Subject.TASK,
        field="apiVersion, kind",
        message=f"apiVersion must be {API_VERSION}, and the one kind there is {KIND}",
        advice=f"Write apiVersion: {API_VERSION} and kind: {KIND}.",
        check=_version,
    ),
    Rule(
        id="RPR102",
        name="unknown field",
        severity=Severity.ERROR,
        about=Subject.TASK,
        field="any",
        message="A field that does not exist is dropped by the API server, without a word unless the client asks",
        advice="Correct its name, or leave it out; kubectl explain reapertask.spec --recursive shows all fields.",
        check=_unknown,
    ),
    Rule(
        id="RPR103",
        name="name of the task",
        severity=Severity.ERROR,
        about=Subject.TASK,
        field="metadata.name",
        message="A task has a name, of lower case letters, digits, '-' and '.'",
        advice="Write metadata.name, or metadata.generateName and kubectl create.",
        check=_name,
    ),
    Rule(
        id="RPR104",
        name="annotation of a task",
        severity=Severity.WARNING,
        admission=Admission.WARN,
        about=Subject.TASK,
        field="metadata.annotations",
        message=f"The runtime reads the annotations {RUNTIME_PREFIX}/… of plain Pods; those of a {KIND} have no effect",
        advice="Write the field of spec that says the same.",
        check=_without_effect,
        cel=Cel(f"!{_ANNOTATIONS}.exists({_OURS})", f"{_ANNOTATIONS}.filter({_OURS}).map(k, {_SAYS}).join('; ')"),
    ),
    Rule(
        id="RPR105",
        name="repeated item",
        severity=Severity.ERROR,
        about=Subject.TASK,
        field="spec",
        message="An item is in a list a second time",
        advice="Give it another name, or leave it out.",
        check=_repeated,
    ),
    Rule(
        id="RPR106",
        name="wrong value",
        severity=Severity.ERROR,
        about=Subject.TASK,
        field="spec",
        message="The schema of the CRD, or one of its CEL rules, refuses the value",
        advice="The message says what is allowed, as does kubectl explain reapertask.spec.",
        check=_values,
    ),
    Rule(
        id="RPR107",
        name="label or annotation",
        severity=Severity.ERROR,
        about=Subject.TASK,
        field="metadata.labels, metadata.annotations",
        message="Labels and annotations are text, below keys such as app or example.com/app; a label's value is short",
        advice="Put quotes around the value, or write letters, digits, '-', '_' and '.' only.",
        check=_pairs,
    ),
)
