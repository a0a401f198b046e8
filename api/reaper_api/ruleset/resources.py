"""Limits, and devices that are handed out by name."""

from collections.abc import Iterator

from reaper_api.ruleset import cel
from reaper_api.ruleset.rule import Admission, Path, Rule, Severity, Violation
from reaper_api.ruleset.template import Object, Template, get, ignored, mapping, sequence, shown

_OF_A_CGROUP = ("cpu", "memory")
_HUGE_PAGES = "hugepages-"
_OURS = "kubernetes.io/"


def _places(template: Template) -> Iterator[tuple[Path, Object]]:
    """Whatever has resources: the Pod and its containers."""
    yield template.path("spec"), template.spec
    yield from template.containers()


def _limits(template: Template) -> Iterator[Violation]:
    if template.asks("cgroup") == "pod":
        return
    for path, place in _places(template):
        for name, amount in mapping(get(place, "resources", "limits")).items():
            if name in _OF_A_CGROUP or str(name).startswith(_HUGE_PAGES):
                yield Violation((*path, "resources", "limits", name), ignored(f"resources.limits.{name}", amount))


def _devices(template: Template) -> Iterator[Violation]:
    for path, container in template.containers():
        for name in mapping(get(container, "resources", "limits")):
            if isinstance(name, str) and "/" in name and _OURS not in name:
                yield Violation((*path, "resources", "limits", name), _seen(name))
        for number, claim in enumerate(sequence(get(container, "resources", "claims"))):
            of = shown(mapping(claim).get("name"))
            yield Violation((*path, "resources", "claims", number), _seen(of))


def _seen(name: str) -> str:
    return f"'{name}' is counted, but the process sees all devices of the node"


_LIMITED = f"k, k in ['cpu', 'memory'] || k.startsWith('{_HUGE_PAGES}')"
_DEVICE = f"k, k.contains('/') && !k.contains('{_OURS}')"


def _bad_limits(place: str) -> str:
    return f"{place}.?resources.?limits.orValue({{}}).exists({_LIMITED})"


def _says_limits(place: str) -> str:
    field = '"Field \'resources.limits." + k + ": "'
    return (
        f"{place}.resources.limits.filter({_LIMITED})"
        f".map(k, {field} + string({place}.resources.limits[k]) + \"' will be ignored\").join('; ')"
    )


_BAD_DEVICES = f"c.?resources.?limits.orValue({{}}).exists({_DEVICE}) || c.?resources.?claims.orValue([]).size() > 0"
_SAYS_DEVICES = (
    f"(c.?resources.?limits.orValue({{}}).filter({_DEVICE}) + c.?resources.?claims.orValue([]).map(k, k.name))"
    ".map(k, \"'\" + k + \"' is counted, but the process sees all devices of the node\").join('; ')"
)

RULES = (
    Rule(
        id="RPR006",
        name="limits",
        severity=Severity.WARNING,
        admission=Admission.WARN,
        field="spec.containers[].resources.limits",
        message="A host process has no limits of CPU, memory and huge pages, since it is in no cgroup of the Pod",
        advice="Leave them out, or have them applied by the annotation reaper.runtime/cgroup: pod.",
        check=_limits,
        runtime=("linux.resources",),
        cel=cel.neither(_bad_limits, _says_limits, unless=f"{cel.asks('cgroup')} == 'pod'"),
    ),
    Rule(
        id="RPR007",
        name="devices",
        severity=Severity.INFO,
        field="spec.containers[].resources",
        message="A device that is asked for by name is counted by the scheduler, but the process sees all devices of "
        "the node",
        advice="Tell the program which one it may use, as with CUDA_VISIBLE_DEVICES.",
        check=_devices,
        runtime=("linux.devices",),
        cel=cel.no_container(_BAD_DEVICES, _SAYS_DEVICES),
    ),
)
