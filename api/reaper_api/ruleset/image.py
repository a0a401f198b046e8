"""The image, which nothing is taken from, and the command, which must be there instead."""

import re
from collections.abc import Iterator

from reaper_api.ruleset import cel
from reaper_api.ruleset.rule import Admission, Cel, Rule, Severity, Violation
from reaper_api.ruleset.template import Object, Template, ignored, sequence, shown
from reaper_api.vocabulary import PLACEHOLDER_IMAGE

# The placeholder by all the names that the node has it by.
PLACEHOLDERS = (
    PLACEHOLDER_IMAGE,
    f"{PLACEHOLDER_IMAGE}:latest",
    f"docker.io/library/{PLACEHOLDER_IMAGE}",
    f"docker.io/library/{PLACEHOLDER_IMAGE}:latest",
)

UNUSED = "Reaper runtime does not use container images"
REMEDY = f"Set 'image: {PLACEHOLDER_IMAGE}' or leave it empty."
ON_THE_HOST = "must exist on the host"
# An image reference (github.com/distribution/reference, regexp.go). Kubelet's defaults take one with neither tag nor
# digest for `latest`, and what is no reference for something else.
_PART = "[a-z0-9]+(?:(?:[.]|_{1,2}|-+)[a-z0-9]+)*"
_REFERENCE = re.compile(
    rf"(?:[A-Za-z0-9.-]+(?::[0-9]+)?/)?(?:{_PART}/)*{_PART}(?::(?P<tag>\w[\w.-]{{0,127}}))?"
    r"(?P<digest>@[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,})?",
    re.ASCII,
)


def _image(template: Template) -> Iterator[Violation]:
    for path, container in template.containers():
        image = container.get("image")
        if image not in (None, "", *PLACEHOLDERS):
            advice = f"{UNUSED}. {REMEDY} {_binary(container)}".rstrip()
            yield Violation((*path, "image"), ignored("image", image), advice)


def _binary(container: Object) -> str:
    program = _program(container)
    return "" if program is None else f"The binary at '{shown(program)}' {ON_THE_HOST}."


def _program(container: Object) -> str | None:
    command = sequence(container.get("command"))
    return command[0] if command and isinstance(command[0], str) else None


def _no_command(template: Template) -> Iterator[Violation]:
    for path, container in template.containers():
        if not _program(container):
            yield Violation((*path, "command"), f"Container {shown(container.get('name'))} has no command")


def _relative(template: Template) -> Iterator[Violation]:
    for path, container in template.containers():
        program = _program(container) or ""
        if "/" in program and not program.startswith("/"):
            yield Violation(
                (*path, "command"), f"The path '{shown(program)}' is relative: it is looked for from workingDir"
            )


def _sentence(template: Template) -> Iterator[Violation]:
    for path, container in template.containers():
        program = _program(container) or ""
        if " " in program.strip():
            yield Violation((*path, "command"), f"'{shown(program)}' is one word, the name of a program")


def pulls_always(image: object) -> bool:
    """Whether kubelet asks the registry before each start where imagePullPolicy is not written."""
    found = _REFERENCE.fullmatch(image) if isinstance(image, str) else None
    return found is not None and (found["tag"] == "latest" or not (found["tag"] or found["digest"]))


def _pull(template: Template) -> Iterator[Violation]:
    for path, container in template.containers():
        policy, image = container.get("imagePullPolicy"), container.get("image")
        if policy == "Always":
            yield Violation((*path, "imagePullPolicy"), _would_pull(image))
        elif policy in (None, "") and pulls_always(image):
            yield Violation((*path, "image"), _would_pull(image))


def _would_pull(image: object) -> str:
    return f"Image '{'' if image is None else shown(image)}' would be pulled from a registry before each start"


_COMMAND = "c.?command.orValue([])"
_IS_PLACEHOLDER = f"c.?image.orValue('') in ['', {', '.join(map(repr, PLACEHOLDERS))}]"
_BAD_IMAGE = f"!({_IS_PLACEHOLDER})"

RULES = (
    Rule(
        id="RPR001",
        name="image",
        severity=Severity.WARNING,
        admission=Admission.DENY,
        field="spec.containers[].image",
        message=UNUSED,
        advice=f"{REMEDY} The program that command names {ON_THE_HOST}.",
        check=_image,
        cel=Cel(
            f"!{cel.CONTAINERS}.exists(c, {_BAD_IMAGE})",
            f'"{UNUSED}. " + (["{REMEDY.removesuffix(".")}"] + {cel.CONTAINERS}'
            f".filter(c, {_BAD_IMAGE} && {_COMMAND}.size() > 0)"
            f".map(c, \"The binary at '\" + c.command[0] + \"' {ON_THE_HOST}\")).join('. ')",
            advises=True,
        ),
    ),
    Rule(
        id="RPR002",
        name="no command",
        severity=Severity.ERROR,
        admission=Admission.DENY,
        field="spec.containers[].command",
        message="A container without command would run what its image names, and no image is used",
        advice="Write command, with the path of a program on the node.",
        check=_no_command,
        cel=cel.no_container(
            f"{_COMMAND}.size() == 0 || c.command[0] == ''", "'Container ' + c.name + ' has no command'"
        ),
    ),
    Rule(
        id="RPR003",
        name="relative command",
        severity=Severity.WARNING,
        admission=Admission.WARN,
        field="spec.containers[].command",
        message="A program that is written as a relative path is looked for from workingDir, which is / if absent",
        advice="Write an absolute path, or a bare name, which is looked up in PATH.",
        check=_relative,
        cel=cel.no_container(
            f"{_COMMAND}.size() > 0 && c.command[0].contains('/') && !c.command[0].startsWith('/')",
            '"The path \'" + c.command[0] + "\' is relative: it is looked for from workingDir"',
        ),
    ),
    Rule(
        id="RPR004",
        name="command line in one word",
        severity=Severity.WARNING,
        admission=Admission.WARN,
        field="spec.containers[].command",
        message="The first item of command is the name of a program and no shell reads it",
        advice="Write each argument as an item of its own, or run a shell: command: [/bin/sh, -c, 'the line'].",
        check=_sentence,
        cel=cel.no_container(
            f"{_COMMAND}.size() > 0 && c.command[0].trim().contains(' ')",
            '"\'" + c.command[0] + "\' is one word, the name of a program"',
        ),
    ),
    Rule(
        id="RPR005",
        name="image is pulled",
        severity=Severity.WARNING,
        admission=Admission.WARN,
        field="spec.containers[].imagePullPolicy",
        message="Kubelet asks a registry for the image before each start, and the Pod waits for ever where there is "
        "none; :latest and no tag at all mean imagePullPolicy: Always",
        advice="Set imagePullPolicy: IfNotPresent. The placeholder image is on every node that has the runtime.",
        check=_pull,
        cel=cel.no_container(
            # A template says Always where its author said nothing; where there are defaults its Pods get another one.
            f"c.?imagePullPolicy.orValue('') == 'Always' && !({cel.DEFAULTED} && {_IS_PLACEHOLDER})",
            "\"Image '\" + c.?image.orValue('') + \"' would be pulled from a registry before each start\"",
        ),
    ),
)
