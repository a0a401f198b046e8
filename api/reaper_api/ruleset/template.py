"""A Pod, or the Pod template of a workload, read from whatever YAML can hold: a wrong shape is an empty one."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from reaper_api.ruleset.rule import Path
from reaper_api.vocabulary import RUNTIME_PREFIX

Object = Mapping[str, Any]

_FORMER = "extensions"  # the group of workloads before they had one of their own
MAX_SHOWN = 120  # characters of a value in a message


class Workload(NamedTuple):
    """A kind that has Pods: where the API has it, and where it has their template."""

    group: str
    version: str
    resource: str
    template: Path


WORKLOADS: Mapping[str, Workload] = {
    "Pod": Workload("", "v1", "pods", ()),
    "PodTemplate": Workload("", "v1", "podtemplates", ("template",)),
    "ReplicationController": Workload("", "v1", "replicationcontrollers", ("spec", "template")),
    "Deployment": Workload("apps", "v1", "deployments", ("spec", "template")),
    "StatefulSet": Workload("apps", "v1", "statefulsets", ("spec", "template")),
    "DaemonSet": Workload("apps", "v1", "daemonsets", ("spec", "template")),
    "ReplicaSet": Workload("apps", "v1", "replicasets", ("spec", "template")),
    "Job": Workload("batch", "v1", "jobs", ("spec", "template")),
    "CronJob": Workload("batch", "v1", "cronjobs", ("spec", "jobTemplate", "spec", "template")),
}


@dataclass(frozen=True)
class Template:
    """What the rules for Pods look at."""

    body: Object
    """The whole object."""

    at: Path
    """Where in it the template is; () for a Pod."""

    @property
    def top(self) -> Object:
        """The mapping that has metadata and spec of the Pods."""
        return mapping(get(self.body, *self.at))

    @property
    def spec(self) -> Object:
        """The Pods' spec."""
        return mapping(self.top.get("spec"))

    @property
    def annotations(self) -> Mapping[str, str]:
        """The Pods' annotations, those that are text."""
        found = mapping(get(self.top, "metadata", "annotations"))
        return {key: value for key, value in found.items() if isinstance(key, str) and isinstance(value, str)}

    def containers(self) -> Iterator[tuple[Path, Object]]:
        """The path and the body of each container, init containers after the others, as in CEL."""
        for field in ("containers", "initContainers"):
            for number, container in enumerate(sequence(self.spec.get(field))):
                if isinstance(container, Mapping):
                    yield self.path("spec", field, number), container

    def path(self, *parts: str | int) -> Path:
        """From the top of the object, of a place below the template."""
        return (*self.at, *parts)

    def asks(self, name: str) -> str:
        """The value of an annotation reaper.runtime/NAME, read as the runtime reads it: "" if it is not there."""
        return self.annotations.get(f"{RUNTIME_PREFIX}/{name}", "").strip().lower()

    @property
    def has_network(self) -> bool:
        """Whether the Pod's IP is an address that its processes listen at."""
        return self.spec.get("hostNetwork") is True or self.asks("network") == "pod"


def template_of(body: Object) -> Template | None:
    """The template of an object, None for a kind that has none, such as a Job of another API than batch."""
    kind = body.get("kind")
    workload = WORKLOADS.get(kind) if isinstance(kind, str) else None
    if workload is None or group_of(body) not in (None, workload.group, _FORMER):
        return None
    return Template(body, workload.template)


def group_of(body: Object) -> str | None:
    """The API group of an object, "" for that of Pods; None where no apiVersion is written."""
    version = body.get("apiVersion")
    return version.rpartition("/")[0] if isinstance(version, str) else None


def get(value: Any, *parts: str | int) -> Any:
    """What is at a place below `value`, None if nothing is."""
    for part in parts:
        if isinstance(part, int):
            items = sequence(value)
            value = items[part] if part < len(items) else None
        else:
            value = mapping(value).get(part)
    return value


def mapping(value: Any) -> Object:
    """A mapping as it is, anything else as an empty one."""
    return value if isinstance(value, Mapping) else {}


def sequence(value: Any) -> Sequence[Any]:
    """A list as it is, anything else as an empty one."""
    return value if isinstance(value, Sequence) and not isinstance(value, str | bytes) else ()


def shown(value: Any) -> str:
    """A value as in YAML, on one line and short."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, Mapping):
        return "{…}" if value else "{}"
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return "[…]" if value else "[]"
    text = " ".join(str(value).split())
    return text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}…"


def dotted(path: Path) -> str:
    """A path as in messages: spec.env[0].name."""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).lstrip(".")


def ignored(field: str, value: Any) -> str:
    """The plan's words for a field that has no meaning."""
    return f"Field '{field}: {shown(value)}' will be ignored"
