"""The words of CEL that rules share, and the variables of a policy that they stand on."""

from collections.abc import Callable

from reaper_api.ruleset.rule import Cel, Path
from reaper_api.ruleset.template import WORKLOADS
from reaper_api.vocabulary import RUNTIME_CLASS, RUNTIME_PREFIX

SPEC = "variables.spec"
ANNOTATIONS = "variables.annotations"
CONTAINERS = "variables.containers"
DEFAULTED = "variables.defaulted"


def variables(kind: str | None = None) -> list[dict[str, str]]:
    """The `variables` of a ValidatingAdmissionPolicy about objects of one kind, Pod or a workload, or of any of these.
    KeyError for another kind.

    spec and annotations are those of the Pod or of the template; containers are those of it and its init containers;
    defaulted is whether the cluster fills in what a Pod of the runtime leaves open, which only the chart can know.
    """
    template = template_of("object", kind)
    return [
        {"name": "spec", "expression": f"{template}.spec"},
        {"name": "annotations", "expression": f"{template}.?metadata.?annotations.orValue({{}})"},
        {"name": "containers", "expression": f"{SPEC}.containers + {SPEC}.?initContainers.orValue([])"},
        {"name": "defaulted", "expression": "false"},
    ]


def match_condition(kind: str | None = None) -> str:
    """True of the objects of a kind, or of all kinds, that the rules are for: those of the runtime's class."""
    return f"{template_of('object', kind)}.?spec.?runtimeClassName.orValue('') == '{RUNTIME_CLASS}'"


def template_of(body: str, kind: str | None = None) -> str:
    """The template in an object of one kind, or of any that has one. `body`: object or oldObject."""
    if kind is not None:
        return _below(body, WORKLOADS[kind].template)
    usual = ("spec", "template")
    others = {kind: workload.template for kind, workload in WORKLOADS.items() if workload.template != usual}
    choices = (f"{body}.kind == '{kind}' ? {_below(f'dyn({body})', at)} : " for kind, at in others.items())
    return f"({''.join(choices)}{_below(f'dyn({body})', usual)})"


def _below(body: str, path: Path) -> str:
    return ".".join((body, *map(str, path)))


def asks(name: str) -> str:
    """The value of an annotation reaper.runtime/NAME, as Template.asks() has it."""
    return f"{ANNOTATIONS}[?'{RUNTIME_PREFIX}/{name}'].orValue('').trim().lowerAscii()"


_GETS_HOST_NETWORK = f"{DEFAULTED} && {asks('network')} == 'host'"
HAS_NETWORK = f"({SPEC}.?hostNetwork.orValue(false) || {asks('network')} == 'pod' || ({_GETS_HOST_NETWORK}))"


def ignored(field: str, value: str) -> str:
    """template.ignored() in CEL; `value` is an expression."""
    return f'"Field \'{field}: " + string({value}) + "\' will be ignored"'


def no_container(bad: str, says: str, *, unless: str = "") -> Cel:
    """The CEL of a rule that no container `c` may break. `unless`: what allows all of them."""
    held = f"!{CONTAINERS}.exists(c, {bad})"
    return Cel(
        f"{unless} || {held}" if unless else held,
        f"{CONTAINERS}.filter(c, {bad}).map(c, {says}).join('; ')",
    )


def neither(bad: Callable[[str], str], says: Callable[[str], str], *, unless: str = "") -> Cel:
    """The same of a rule that neither the Pod's spec nor a container may break, such as one about securityContext."""
    held = f"!({bad(SPEC)}) && !{CONTAINERS}.exists(c, {bad('c')})"
    return Cel(
        f"{unless} || ({held})" if unless else held,
        f"(({bad(SPEC)} ? [{says(SPEC)}] : []) + {CONTAINERS}.filter(c, {bad('c')}).map(c, {says('c')})).join('; ')",
    )
