"""A container's resources to cgroup files, for version 1 and version 2, and their writing.

The conversions are those of runc: libcontainer/cgroups, and crun's and systemd's weights from shares.
"""

import errno
import os

from reaper_runtime.errors import FailedPrecondition, InvalidArgument
from reaper_runtime.host.cgroup import directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from reaper_runtime.host.cgroup.cgroup import Cgroup
    from reaper_runtime.oci.resources import Resources

_PERIOD = 100_000  # microseconds: the kernel's default


class Setting:
    """One value to write: the field of config.json it is for, the controller, the file, the text."""

    __slots__ = ("controller", "field", "file", "value")

    def __init__(self, field: str, controller: str, file: str, value: str) -> None:
        self.field = field
        self.controller = controller
        self.file = file
        self.value = value


def apply(cgroup: "Cgroup", resources: "Resources", kept: tuple[Setting, ...] = ()) -> tuple[Setting, ...]:
    """Write all limits, with what was kept of earlier ones; gives what is to be kept.

    Raises FailedPrecondition that names the first which the node cannot have.
    """
    wanted = version2(resources) if cgroup.unified else version1(resources)
    settings = {setting.file: setting for setting in (*kept, *wanted)}  # of two the later
    again = []
    for setting in settings.values():
        path = cgroup.find(setting.controller, setting.file)
        if not path:
            raise FailedPrecondition(
                f"linux.resources.{setting.field} cannot be applied on node {os.uname().nodename}: "
                f"its cgroup has no {setting.file}"
            )
        if not _write(path, setting, last_try=False):
            again.append((path, setting))
    for path, setting in again:
        _write(path, setting, last_try=True)
    return tuple(settings.values())


def _write(path: str, setting: "Setting", *, last_try: bool) -> bool:
    """False if another value may have to be written first: memory with swap is never below memory in version 1."""
    try:
        directory.write(path, setting.value)
    except OSError as error:
        if error.errno == errno.EINVAL and not last_try:
            return False
        raise FailedPrecondition(
            f"linux.resources.{setting.field} cannot be set to {setting.value} on node {os.uname().nodename}: "
            f"{path}: {error.strerror}"
        ) from error
    return True


def version2(r: "Resources") -> list[Setting]:
    """Files of cgroup version 2 (Documentation/admin-guide/cgroup-v2.rst), in the order in which they are written."""
    settings = []
    if r.cpu_shares:
        settings.append(Setting("cpu.shares", "cpu", "cpu.weight", str(weight(r.cpu_shares))))
    if r.cpu_quota or r.cpu_period:
        quota = str(r.cpu_quota) if r.cpu_quota and r.cpu_quota > 0 else "max"
        settings.append(Setting("cpu.quota", "cpu", "cpu.max", f"{quota} {r.cpu_period or _PERIOD}"))
    settings += _cpuset(r)
    if r.memory_limit:
        settings.append(Setting("memory.limit", "memory", "memory.max", _maximum(r.memory_limit)))
    if r.memory_swap:
        settings.append(Setting("memory.swap", "memory", "memory.swap.max", _swap(r)))
    if r.memory_reservation:
        settings.append(Setting("memory.reservation", "memory", "memory.low", _maximum(r.memory_reservation)))
    if r.pids_limit is not None:
        settings.append(Setting("pids.limit", "pids", "pids.max", _maximum(r.pids_limit)))
    settings += [Setting("hugepageLimits", "hugetlb", f"hugetlb.{size}.max", str(n)) for size, n in r.hugepages]
    settings += [Setting(f"unified.{file}", file.partition(".")[0], file, value) for file, value in r.unified]
    return settings


def version1(r: "Resources") -> list[Setting]:
    """Files of cgroup version 1 (Documentation/admin-guide/cgroup-v1), in the order in which they are written."""
    if r.unified:
        raise FailedPrecondition(
            f"linux.resources.unified needs cgroup version 2, which node {os.uname().nodename} does not have"
        )
    values: list[tuple[str, str, str, int | None]] = [
        ("cpu.shares", "cpu", "cpu.shares", r.cpu_shares or None),
        ("cpu.period", "cpu", "cpu.cfs_period_us", r.cpu_period or None),
        ("cpu.quota", "cpu", "cpu.cfs_quota_us", r.cpu_quota or None),
        ("memory.limit", "memory", "memory.limit_in_bytes", r.memory_limit or None),
        ("memory.swap", "memory", "memory.memsw.limit_in_bytes", r.memory_swap or None),
        ("memory.reservation", "memory", "memory.soft_limit_in_bytes", r.memory_reservation or None),
    ]
    settings = [Setting(field, name, file, str(value)) for field, name, file, value in values if value is not None]
    settings += _cpuset(r)
    if r.pids_limit is not None:
        settings.append(Setting("pids.limit", "pids", "pids.max", _maximum(r.pids_limit)))
    return settings + [
        Setting("hugepageLimits", "hugetlb", f"hugetlb.{size}.limit_in_bytes", str(n)) for size, n in r.hugepages
    ]


def weight(shares: int) -> int:
    """cpu.weight (1 to 10000) for cpu.shares (2 to 262144), as systemd, runc and kubelet convert."""
    return 1 + (min(max(shares, 2), 262_144) - 2) * 9999 // 262_142


def _cpuset(r: "Resources") -> list[Setting]:
    named = (("cpu.cpus", "cpuset.cpus", r.cpus), ("cpu.mems", "cpuset.mems", r.mems))
    return [Setting(field, "cpuset", file, value) for field, file, value in named if value]


def _maximum(value: int) -> str:
    return str(value) if value > 0 else "max"


def _swap(r: "Resources") -> str:
    """Of config.json, swap is memory and swap together; of version 2, swap alone."""
    if r.memory_swap is None or r.memory_swap < 0:
        return "max"
    limit = r.memory_limit or 0
    if limit <= 0 or r.memory_swap < limit:
        raise InvalidArgument(
            f"linux.resources.memory.swap {r.memory_swap} is memory and swap together: it cannot be less than "
            f"memory.limit {limit}, nor without it"
        )
    return str(r.memory_swap - limit)
