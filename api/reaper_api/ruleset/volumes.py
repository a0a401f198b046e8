"""What a volume of a host process cannot do. Kubelet mounts all kinds, and all are seen."""

from collections.abc import Iterator

from reaper_api.ruleset import cel
from reaper_api.ruleset.rule import Admission, Cel, Path, Rule, Severity, Violation
from reaper_api.ruleset.template import Object, Template, ignored, mapping, sequence, shown

_SHARED = ("/dev/", "/run/")
_THERE = "/dev/shm"  # noqa: S108 - every node has it


def _mounts(template: Template) -> Iterator[tuple[Path, Object]]:
    for path, container in template.containers():
        for number, mount in enumerate(sequence(container.get("volumeMounts"))):
            yield (*path, "volumeMounts", number), mapping(mount)


def _propagation(template: Template) -> Iterator[Violation]:
    for path, mount in _mounts(template):
        if mount.get("mountPropagation") == "Bidirectional":
            text = f"Volume {shown(mount.get('name'))} cannot pass mounts on to the node"
            yield Violation((*path, "mountPropagation"), text)


def _recursive(template: Template) -> Iterator[Violation]:
    for path, mount in _mounts(template):
        if mount.get("recursiveReadOnly") == "Enabled":
            text = f"Volume {shown(mount.get('name'))} cannot be read-only with all that is mounted below it"
            yield Violation((*path, "recursiveReadOnly"), text)


def _left_behind(template: Template) -> Iterator[Violation]:
    for path, mount in _mounts(template):
        place = mount.get("mountPath")
        if isinstance(place, str) and place.startswith(_SHARED) and place not in (_THERE, f"{_THERE}/"):
            yield Violation((*path, "mountPath"), f"An empty '{shown(place)}' stays on the node")


def _block(template: Template) -> Iterator[Violation]:
    for path, container in template.containers():
        for number, device in enumerate(sequence(container.get("volumeDevices"))):
            place = mapping(device).get("devicePath")
            where = (*path, "volumeDevices", number, "devicePath")
            yield Violation(where, ignored("volumeDevices.devicePath", place))


_MOUNTS = "c.?volumeMounts.orValue([])"


def _no_mount(bad: str, says: str) -> Cel:
    """no_container() of a rule about each mount `m`."""
    return cel.no_container(f"{_MOUNTS}.exists(m, {bad})", f"{_MOUNTS}.filter(m, {bad}).map(m, {says}).join('; ')")


RULES = (
    Rule(
        id="RPR019",
        name="mounts for the node",
        severity=Severity.ERROR,
        admission=Admission.DENY,
        field="spec.containers[].volumeMounts[].mountPropagation",
        message="Mounts made inside do not reach the node: mountPropagation Bidirectional is refused",
        advice="Mount on the node itself, as with nsenter -t 1 -m, or use HostToContainer.",
        check=_propagation,
        cel=_no_mount(
            "m.?mountPropagation.orValue('') == 'Bidirectional'",
            "'Volume ' + m.name + ' cannot pass mounts on to the node'",
        ),
    ),
    Rule(
        id="RPR020",
        name="recursively read-only",
        severity=Severity.ERROR,
        admission=Admission.DENY,
        field="spec.containers[].volumeMounts[].recursiveReadOnly",
        message="The runtime cannot make what is mounted below a volume read-only: kubelet refuses the Pod",
        advice="Write IfPossible, or readOnly: true alone.",
        check=_recursive,
        cel=_no_mount(
            "m.?recursiveReadOnly.orValue('') == 'Enabled'",
            "'Volume ' + m.name + ' cannot be read-only with all that is mounted below it'",
        ),
    ),
    Rule(
        id="RPR021",
        name="block device",
        severity=Severity.WARNING,
        admission=Admission.WARN,
        field="spec.containers[].volumeDevices",
        message="No device appears at devicePath: the process has the node's devices, and no others",
        advice="Use volumeMode: Filesystem, or the node's own path of the device.",
        check=_block,
        runtime=("linux.devices",),
        cel=cel.no_container(
            "c.?volumeDevices.orValue([]).size() > 0",
            f"c.volumeDevices.map(d, {cel.ignored('volumeDevices.devicePath', 'd.devicePath')}).join('; ')",
        ),
    ),
    Rule(
        id="RPR022",
        name="mount point on the node",
        severity=Severity.INFO,
        field="spec.containers[].volumeMounts[].mountPath",
        message="The node shares /dev and /run with its processes: a mount point made there stays, empty",
        advice="Mount somewhere else, such as below /mnt.",
        check=_left_behind,
        cel=_no_mount(
            f"({' || '.join(f'm.mountPath.startsWith({each!r})' for each in _SHARED)}) && "
            f"!(m.mountPath in ['{_THERE}', '{_THERE}/'])",
            '"An empty \'" + m.mountPath + "\' stays on the node"',
        ),
    ),
)
