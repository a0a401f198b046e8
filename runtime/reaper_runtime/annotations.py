"""The annotations `reaper.runtime/…` of a container, checked. containerd hands them on from the Pod."""

from reaper_runtime.errors import FailedPrecondition
from reaper_runtime.stdlib import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

PREFIX = "reaper.runtime/"
_MAX_LABEL = 63  # a DNS label, RFC 1123

_CHOICES = {
    "dns-mode": ("host", "kubernetes", "k8s"),
    "network": ("host", "pod"),
    "cgroup": ("none", "pod"),
    "stdout": ("discard",),
    "stderr": ("discard",),
}
_OVERLAY_NAME = "overlay-name"
_TASK = "task"  # set by the operator on the Pods of a ReaperTask
NAMES = (*_CHOICES, _OVERLAY_NAME, _TASK)  # all that are read, without PREFIX
_OF_NAMES = frozenset("abcdefghijklmnopqrstuvwxyz0123456789-.")
_MAX_NAME = 253  # of an object in Kubernetes
_BY_ADMINISTRATOR = ("dns-mode", _OVERLAY_NAME)  # not read where REAPER_ANNOTATIONS_ENABLED is false


class Annotations(NamedTuple):
    """What a container asks of the runtime. An empty text means: as the node is configured."""

    dns_mode: str = ""  # or "host" or "kubernetes"
    overlay_name: str = ""
    network: str = "host"  # or "pod"
    cgroup: str = "none"  # or "pod"
    discard: frozenset[str] = frozenset()  # of "stdout" and "stderr"
    task: str = ""  # the ReaperTask whose Pod this is, as the Pod says
    warnings: tuple[str, ...] = ()  # for the shim's log


def parse(annotations: "Mapping[str, str]", *, enabled: bool = True) -> Annotations:
    """Check a container's annotations; raises FailedPrecondition that names the annotation, the value, what is allowed.

    enabled is Config.annotations_enabled: without it, those that choose DNS and overlay are left out with a warning.
    """
    values: dict[str, str] = {}
    warnings = []
    for key, value in sorted(annotations.items()):
        if not key.startswith(PREFIX):
            continue
        name = key.removeprefix(PREFIX)
        if name == _TASK:
            if _is_name(value):
                values[name] = value
            else:
                warnings.append(f"annotation {key} is ignored: {value!r} is no name of a ReaperTask")
        elif name not in _CHOICES and name != _OVERLAY_NAME:
            warnings.append(f"annotation {key} is ignored: this runtime does not know it")
        elif name in _BY_ADMINISTRATOR and not enabled:
            warnings.append(f"annotation {key} is ignored: REAPER_ANNOTATIONS_ENABLED is false on this node")
        else:
            values[name] = _checked(name, value)
    return Annotations(
        dns_mode={"k8s": "kubernetes"}.get(values.get("dns-mode", ""), values.get("dns-mode", "")),
        overlay_name=values.get(_OVERLAY_NAME, ""),
        network=values.get("network", "") or "host",
        cgroup=values.get("cgroup", "") or "none",
        discard=frozenset(stream for stream in ("stdout", "stderr") if values.get(stream)),
        task=values.get(_TASK, ""),
        warnings=tuple(warnings),
    )


def asks_for_cgroup(annotations: "Mapping[str, str]") -> bool:
    """Whether the limits of the Pod are to be applied; raises FailedPrecondition for a wrong value."""
    return _checked("cgroup", annotations.get(f"{PREFIX}cgroup", "")) == "pod"


def _checked(name: str, value: str) -> str:
    """The value in small letters; an empty one means that it is not set."""
    folded = value.strip().lower()
    if name == _OVERLAY_NAME:
        allowed = f"1 to {_MAX_LABEL} of a-z, 0-9 and -, neither first nor last a -"
        valid = not folded or _is_label(folded)
    else:
        allowed = " or ".join(_CHOICES[name])
        valid = not folded or folded in _CHOICES[name]
    if not valid:
        raise FailedPrecondition(f"annotation {PREFIX}{name} has the value {value!r}: it takes {allowed}")
    return folded


def _is_name(text: str) -> bool:
    """Safe in a file and in a path of the API server: RFC 1123, as Kubernetes has it for names."""
    return 0 < len(text) <= _MAX_NAME and set(text) <= _OF_NAMES and text[0] not in "-." and text[-1] not in "-."


def _is_label(text: str) -> bool:
    return (
        len(text) <= _MAX_LABEL
        and text.isascii()
        and all(character.isalnum() or character == "-" for character in text)
        and text[0] != "-"
        and text[-1] != "-"
    )
