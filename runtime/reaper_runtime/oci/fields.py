"""What becomes of each field of config.json that is about a process: applied, ignored, or refused, and why.

docs/runtime.md has the same table; tests/unit/reaper_runtime/oci/test_fields.py holds them together.
"""

from reaper_runtime.errors import FailedPrecondition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

APPLIED = "applied"
IGNORED = "ignored"  # it has no meaning for a host process, or is not asked for by anybody
WARNED = "ignored, with a warning"  # somebody may count on it for their safety; a node may refuse it instead
REFUSED = "refused"

# containerd hands a Pod's sysctls to its sandbox alone; all else that a Pod asks for, to its containers too.
_OF_THE_POD = "linux.sysctl"
_IMAGE = "io.kubernetes.cri.image-name"  # config.json itself has no image (containerd, internal/cri/annotations)
_PLACEHOLDER = (
    "", "placeholder", "placeholder:latest", "docker.io/library/placeholder", "docker.io/library/placeholder:latest",
)  # fmt: skip
_POLICY = "REAPER_UNSUPPORTED=refuse"
# What containerd gives to every container: nobody asked for it (containerd, pkg/oci and its CRI plugin).
_MASKED = {
    "/proc/acpi", "/proc/asound", "/proc/interrupts", "/proc/kcore", "/proc/keys", "/proc/latency_stats",
    "/proc/sched_debug", "/proc/scsi", "/proc/timer_list", "/proc/timer_stats", "/sys/devices/virtual/powercap",
    "/sys/firmware",
}  # fmt: skip
_READONLY = {"/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger", "/proc/asound", "/proc/scsi"}
_APPARMOR = {"", "unconfined", "cri-containerd.apparmor.d"}
_SYSCTLS = {"net.ipv4.ip_unprivileged_port_start": "0", "net.ipv4.ping_group_range": "0 2147483647"}


class Field:
    """A field by its path in config.json, its verdict, and the reason, as the second half of a sentence."""

    __slots__ = ("asked", "name", "verdict", "why")

    def __init__(self, name: str, verdict: str, why: str, asked: "Callable[[Any], object]" = bool) -> None:
        """asked: whether a value means that somebody wants something."""
        self.name = name
        self.verdict = verdict
        self.why = why
        self.asked = asked


def _paths_beyond(usual: set[str]) -> "Callable[[Any], object]":
    return lambda paths: isinstance(paths, list) and any(path not in usual for path in paths)


def _has_user_namespace(namespaces: "Any") -> bool:
    return isinstance(namespaces, list) and any(isinstance(n, dict) and n.get("type") == "user" for n in namespaces)


def _sysctls_beyond(values: "Any") -> bool:
    return isinstance(values, dict) and any(_SYSCTLS.get(name) != value for name, value in values.items())


FIELDS = (
    Field(
        "process.args, env, cwd, terminal, consoleSize", APPLIED, "HOME comes from the node's /etc/passwd if not set"
    ),
    Field("process.user", APPLIED, "uid, gid, additionalGids and umask; none of root's own groups stays"),
    Field("process.capabilities", APPLIED, "unless it is containerd's default set, which nobody asked for"),
    Field("process.noNewPrivileges", APPLIED, "no_new_privs of prctl(2)"),
    Field("process.rlimits", APPLIED, "or the container is refused"),
    Field("process.oomScoreAdj", APPLIED, "or the container is refused"),
    Field("process.scheduler", APPLIED, "sched_setattr(2)"),
    Field("process.ioPriority", APPLIED, "ioprio_set(2)"),
    Field("process.execCPUAffinity", REFUSED, "use the program taskset"),
    Field(
        "process.apparmorProfile",
        WARNED,
        "it describes a container's root; containerd's default profile counts as none",
        lambda profile: profile not in _APPARMOR,
    ),
    Field("process.selinuxLabel", WARNED, "it describes a container's root"),
    Field("hostname", IGNORED, "the process has the node's"),
    Field("domainname", IGNORED, "the process has the node's"),
    Field("linux.cgroupsPath", APPLIED, "with the annotation reaper.runtime/cgroup: pod"),
    Field("linux.resources", APPLIED, "with the annotation reaper.runtime/cgroup: pod; there are no limits without"),
    Field("linux.personality", APPLIED, "personality(2)"),
    Field(
        "linux.namespaces",
        REFUSED,
        "if a user namespace is among them; mounts are its own, the network is as asked for, the rest are the node's",
        _has_user_namespace,
    ),
    Field("linux.uidMappings", REFUSED, "a host process has the node's users"),
    Field("linux.gidMappings", REFUSED, "a host process has the node's groups"),
    Field("linux.timeOffsets", REFUSED, "a host process has the node's clocks"),
    Field(
        "linux.sysctl",
        REFUSED,
        "it would change the node; the two that containerd sets for every pod are ignored",
        _sysctls_beyond,
    ),
    Field("linux.intelRdt", REFUSED, "it is not implemented"),
    Field("linux.memoryPolicy", REFUSED, "use the program numactl"),
    Field("linux.netDevices", REFUSED, "it would take the device from the node"),
    Field("linux.seccomp", WARNED, "a profile for containers forbids what host processes are for"),
    Field(
        "linux.maskedPaths",
        WARNED,
        "the process sees the node; containerd's defaults count as none",
        _paths_beyond(_MASKED),
    ),
    Field(
        "linux.readonlyPaths",
        WARNED,
        "the process sees the node; containerd's defaults count as none",
        _paths_beyond(_READONLY),
    ),
    Field("linux.mountLabel", IGNORED, "volumes and the overlay keep the node's labels"),
    Field(
        "linux.rootfsPropagation", IGNORED, "mounts of the node reach the container, none of its own reaches the node"
    ),
    Field("linux.devices", IGNORED, "the process has the node's devices"),
)


def unsupported(config: "dict[str, Any]") -> tuple[Field, ...]:
    """The fields by which a config.json asks for what a host process cannot honour."""
    found = (f for f in FIELDS if f.verdict in (WARNED, REFUSED))
    return tuple(f for f in found if (value := _value(config, f.name)) is not None and f.asked(value))


def check(found: "tuple[Field, ...]", where: str, *, refuse: bool = False) -> str:
    """A warning about what is ignored, "" if there is nothing to say. Raises FailedPrecondition for what is refused.

    With `refuse`, a node's policy, that is all of it.
    """
    refused = [f for f in found if refuse or f.verdict == REFUSED]
    if refused:
        reason = "; ".join(f"{f.name}: {f.why}" for f in refused)
        policy = f" (this node has {_POLICY})" if any(f.verdict == WARNED for f in refused) else ""
        raise FailedPrecondition(f"{where} asks for what a host process cannot have{policy}: {reason}")
    return f"{where}: not applied to a host process: {', '.join(f.name for f in found)}" if found else ""


def of_the_pod(found: "tuple[Field, ...]") -> "tuple[Field, ...]":
    """Those that only the specification of a pod's sandbox has."""
    return tuple(f for f in found if f.name == _OF_THE_POD)


def ignored_image(annotations: "dict[str, str]", where: str) -> str:
    """A warning about an image that somebody may count on, "" for the placeholder and where its name is not known."""
    image = annotations.get(_IMAGE, "")
    if image in _PLACEHOLDER or image.startswith("sha256:"):
        return ""
    what_to_do = "Ensure the binary exists on the host at the specified path."
    return f"{where}: Container image '{image}' is ignored by Reaper. {what_to_do}"


def _value(config: "dict[str, Any]", name: str) -> "Any":
    value: Any = config
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value
