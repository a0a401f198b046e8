"""The rest: fields that say nothing of a host process, and Pods that are none."""

from collections.abc import Iterator, Mapping

from reaper_api.ruleset import cel
from reaper_api.ruleset.metadata import NOT_TEXT, pairs
from reaper_api.ruleset.rule import Admission, Cel, Path, Rule, Severity, Violation
from reaper_api.ruleset.security import contexts
from reaper_api.ruleset.template import Object, Template, get, ignored, mapping, sequence, shown


def _shape(template: Template) -> Iterator[Violation]:
    """What would hide the rest of the Pod from the other rules, and what is no text where text has to be."""
    yield from _labels(template)
    if not isinstance(template.top.get("spec"), dict):
        yield Violation(template.path("spec"), "spec must be a mapping")
        return
    containers = template.spec.get("containers")
    if not isinstance(containers, list) or not containers:
        yield Violation(template.path("spec", "containers"), "spec.containers must be a list of at least one container")
    for field in ("containers", "initContainers"):
        for number, each in enumerate(sequence(template.spec.get(field))):
            if not isinstance(each, dict):
                text = f"spec.{field}[{number}] must be a mapping, not {shown(each)}"
                yield Violation(template.path("spec", field, number), text)
            elif not isinstance(each.get("command") or [], list):
                path = template.path("spec", field, number, "command")
                yield Violation(path, f"command must be a list such as [{shown(each['command'])}]")
            else:
                yield from _texts(each, template.path("spec", field, number))


def _texts(container: Object, at: Path) -> Iterator[Violation]:
    """The words and variables of a container."""
    for field in ("command", "args"):
        for number, word in enumerate(sequence(container.get(field))):
            if not isinstance(word, str | None):
                yield _no_text(f"{field}[{number}]", word, (*at, field, number))
    for number, variable in enumerate(sequence(container.get("env"))):
        place = (*at, "env", number)
        if not isinstance(variable, Mapping):
            yield Violation(place, f"env[{number}] must be a mapping, not {shown(variable)}")
        for key in ("name", "value"):
            value = mapping(variable).get(key)
            if not isinstance(value, str | None):
                yield _no_text(f"env[{number}].{key}", value, (*place, key))


def _no_text(what: str, value: object, place: Path) -> Violation:
    hint = f". {NOT_TEXT}" if isinstance(value, bool | int | float) else ""
    return Violation(place, f"{what} must be text, not {shown(value)}{hint}")


def _labels(template: Template) -> Iterator[Violation]:
    for at in dict.fromkeys(((), template.at)):
        yield from pairs(get(template.body, *at, "metadata"), (*at, "metadata"))


def _working_directory(template: Template) -> Iterator[Violation]:
    for path, container in template.containers():
        place = container.get("workingDir")
        if isinstance(place, str) and place and not place.startswith("/"):
            yield Violation((*path, "workingDir"), f"workingDir '{shown(place)}' is not an absolute path")


def _windows(template: Template) -> Iterator[Violation]:
    if get(template.spec, "os", "name") == "windows":
        yield Violation(template.path("spec", "os", "name"), "'os.name: windows' asks for a node that cannot be")


def _ephemeral(template: Template) -> Iterator[Violation]:
    if sequence(template.spec.get("ephemeralContainers")):
        yield Violation(template.path("spec", "ephemeralContainers"), "A Pod of the runtime takes no debug containers")


def _meaningless(template: Template) -> Iterator[Violation]:
    shared = template.spec.get("shareProcessNamespace")
    if isinstance(shared, bool):
        yield Violation(template.path("spec", "shareProcessNamespace"), ignored("shareProcessNamespace", shared))
    for number, each in enumerate(sequence(template.spec.get("imagePullSecrets"))):
        text = ignored("imagePullSecrets.name", mapping(each).get("name"))
        yield Violation(template.path("spec", "imagePullSecrets", number), text)
    for path, context in contexts(template):
        if context.get("procMount") == "Unmasked":
            yield Violation((*path, "procMount"), ignored("securityContext.procMount", "Unmasked"))


RULES = (
    Rule(
        id="RPR026",
        name="working directory",
        severity=Severity.ERROR,
        admission=Admission.DENY,
        field="spec.containers[].workingDir",
        message="workingDir must be an absolute path",
        advice="Write a path on the node that begins with /; it is made where it is missing.",
        check=_working_directory,
        cel=cel.no_container(
            "!(c.?workingDir.orValue('/') == '' || c.?workingDir.orValue('/').startsWith('/'))",
            '"workingDir \'" + c.workingDir + "\' is not an absolute path"',
        ),
    ),
    Rule(
        id="RPR027",
        name="without meaning",
        severity=Severity.INFO,
        field="spec.shareProcessNamespace, imagePullSecrets, securityContext.procMount",
        message="A host process sees all processes and the whole /proc of the node, and nothing is pulled for it",
        advice="Leave the field out.",
        check=_meaningless,
        cel=Cel(
            f"!{cel.SPEC}.?shareProcessNamespace.hasValue() && {cel.SPEC}.?imagePullSecrets.orValue([]).size() == 0 && "
            f"!{cel.CONTAINERS}.exists(c, c.?securityContext.?procMount.orValue('') == 'Unmasked')"
        ),
    ),
    Rule(
        id="RPR028",
        name="Windows",
        severity=Severity.ERROR,
        admission=Admission.DENY,
        field="spec.os.name",
        message="The runtime is for nodes that run Linux",
        advice="Leave os out, or write linux.",
        check=_windows,
        cel=Cel(f"{cel.SPEC}.?os.?name.orValue('linux') != 'windows'"),
    ),
    Rule(
        id="RPR029",
        name="debug container",
        severity=Severity.ERROR,
        admission=Admission.DENY,
        policy="reaper-ephemeralcontainers",
        field="spec.ephemeralContainers",
        message="A Pod of the runtime takes no debug containers: its processes have no image, and see the programs of "
        "the node",
        advice="Use kubectl exec -it POD -- sh.",
        check=_ephemeral,
    ),
    Rule(
        id="RPR030",
        name="shape of a Pod",
        severity=Severity.ERROR,
        field="spec.containers, metadata.labels, metadata.annotations",
        message="A Pod has a spec with a list of containers, each command is a list, and words, variables, labels and "
        "annotations are text",
        advice="Correct it: the API server refuses it, and the other rules cannot read it.",
        check=_shape,
    ),
)
