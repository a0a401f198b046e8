"""A container's cgroup as a unit of systemd, which then leaves it the controllers that its limits need.

systemd takes them from a slice in which it knows of nobody that needs them. The unit is as runc makes it: a transient
scope that is delegated (opencontainers/cgroups, systemd/v2.go; systemd, docs/CGROUP_DELEGATION.md).
"""

import os

from reaper_runtime.errors import ReaperError
from reaper_runtime.host.cgroup import directory, path
from reaper_runtime.host.systemd.connection import Connection, Interrupted, Refused
from reaper_runtime.loop import Future, Loop

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable
    from typing import Any

    from reaper_runtime.host.cgroup.limits import Setting

    Property = tuple[str, tuple[str, Any]]

BOOTED = "/run/systemd/system"  # sd_booted(3)
START_SECONDS = 10.0  # after that the container goes without; runc waits 30, and refuses it then
STOP_SECONDS = 1.0
EMPTY_SECONDS = 1.0  # for systemd to see for itself that nobody is in it: it takes some milliseconds
_LOOK_SECONDS = 0.005
_NO_LIMIT = (1 << 64) - 1
_ROUNDED = 10_000  # microseconds a second: one percent, which is what systemd writes down
_BITS = 8192  # CPUs that Linux can have on any architecture
_EXISTS, _UNKNOWN = "org.freedesktop.systemd1.UnitExists", "org.freedesktop.DBus.Error.PropertyReadOnly"
# Properties by the file that they become; 0 is a value of some. systemd knows no others of what we write.
_NUMBERS = {
    "cpu.weight": "CPUWeight",
    "memory.high": "MemoryHigh",
    "memory.low": "MemoryLow",
    "memory.max": "MemoryMax",
    "memory.min": "MemoryMin",
    "memory.swap.max": "MemorySwapMax",
    "pids.max": "TasksMax",
}
_MAY_BE_0 = ("MemoryLow", "MemoryMin", "MemorySwapMax")
_LISTS = {"cpuset.cpus": "AllowedCPUs", "cpuset.mems": "AllowedMemoryNodes"}
# Without a limit of its own a unit has systemd's DefaultTasksMax.
_ALWAYS: "tuple[Property, ...]" = (
    ("Delegate", ("b", True)),
    ("DefaultDependencies", ("b", False)),
    ("CollectMode", ("s", "inactive-or-failed")),
    ("CPUAccounting", ("b", True)),
    ("IOAccounting", ("b", True)),
    ("MemoryAccounting", ("b", True)),
    ("TasksAccounting", ("b", True)),
    ("TasksMax", ("t", _NO_LIMIT)),
)


class Scope:
    """The unit of one container: its name, its slice, and its directory of cgroup version 2."""

    __slots__ = ("_made", "name", "place", "slice")

    def __init__(self, slice_name: str, name: str, place: str) -> None:
        self.slice = slice_name
        self.name = name
        self.place = place
        self._made = False

    @property
    def is_unit(self) -> bool:
        """Whether systemd has the directory as a unit's: also when it was too late to say so."""
        # A systemd in the container takes the mark off what is the root to it.
        return directory.is_unit(self.place) or (self._made and os.path.exists(self.place))

    async def start(self, loop: Loop, pid: int, settings: "Iterable[Setting]") -> None:
        """Have systemd make the unit of this process, which is in the directory already, and with it all that is in it.

        systemd writes its own idea of the limits: they have to be written again. Raises a ReaperError that says why
        there is no unit; the process is where it was then.
        """
        settings = tuple(settings)
        always = (("Description", ("s", f"container {self.name}")), ("Slice", ("s", self.slice)), *_ALWAYS)
        wanted = [*always, *properties(settings), ("PIDs", ("au", [pid]))]
        try:
            await self._ask(loop, wanted, _policy(settings))
        except Interrupted:
            if not self.is_unit:
                await self._ask(loop, wanted, _policy(settings))
        # The mark may be missing: to a user namespace, and where somebody took it off.
        self._made = self.is_unit or directory.place_of(pid, self.place) is not None
        if not self._made:
            self._take_back(pid)

    async def change(self, loop: Loop, settings: "Iterable[Setting]") -> None:
        """Tell systemd of these limits, which it writes; raises a ReaperError. Those that it does not know are left."""
        wanted = list(properties(settings))
        if wanted:
            systemd = await Connection.open(loop, START_SECONDS)
            try:
                await systemd.call("SetUnitProperties", "sba(sv)", self.name, True, wanted)
            finally:
                systemd.close()

    async def ended(self, loop: Loop, patience: float = EMPTY_SECONDS) -> None:
        """Wait until systemd has seen that nobody is in it, and has removed it; what it does not see is stopped.

        It does not where the process had ended before there was a unit: nothing has changed since then. What systemd
        does not do in time is done without it.
        """
        looks = int(patience / _LOOK_SECONDS)
        while looks and self.is_unit:
            looks -= 1
            later = Future()
            loop.call_later(_LOOK_SECONDS, later.set)
            await later
        if not looks:
            await self._stop(loop)
        directory.remove([self.place])

    def _take_back(self, pid: int) -> None:
        """systemd has the unit's cgroup elsewhere, where its root is not our mount point."""
        try:
            directory.write(f"{self.place}/cgroup.procs", str(pid))
        except OSError:
            return  # no: the process has ended, and unit and directory with it
        raise Refused("", f"its {self.name} is not {self.place}")

    async def _ask(self, loop: Loop, wanted: "list[Property]", policy: "list[Property]") -> None:
        systemd = await Connection.open(loop, START_SECONDS)
        try:
            await self._start(systemd, wanted, policy)
        finally:
            systemd.close()

    async def _start(
        self, systemd: Connection, wanted: "list[Property]", policy: "list[Property]", *, again: bool = True
    ) -> None:
        """policy: what only newer versions of systemd know of a scope."""
        try:
            await systemd.job("StartTransientUnit", "ssa(sv)a(sa(sv))", self.name, "replace", wanted + policy, [])
        except Refused as error:
            if error.name == _UNKNOWN and policy:
                await self._start(systemd, wanted, [])
            elif error.name == _EXISTS and again:  # what is left of another with this name, which has failed
                await self._reset(systemd)
                await self._start(systemd, wanted, policy, again=False)
            else:
                raise

    async def _reset(self, systemd: Connection) -> None:
        try:
            await systemd.call("ResetFailedUnit", "s", self.name)
        except Refused:
            return  # the next try says what is wrong

    async def _stop(self, loop: Loop) -> None:
        try:
            systemd = await Connection.open(loop, STOP_SECONDS)
            try:
                await systemd.job("StopUnit", "ss", self.name, "replace")
            finally:
                systemd.close()
        except ReaperError:
            return  # it has gone meanwhile, or goes with its slice


def end(places: "Iterable[str]", patience: float = EMPTY_SECONDS) -> None:
    """As Scope.ended(), of directories that are units', all at a time, where nobody has a loop: after a shim that was
    killed."""
    loop = Loop(lambda _defect: None)
    for ended in [loop.spawn(Scope("", os.path.basename(place), place).ended(loop, patience)) for place in places]:
        if not ended.done:
            ended.when_done(loop.stop)
            loop.run()
    loop.close()


def of(cgroups_path: str, place: str) -> Scope | None:
    """The unit that a directory of version 2 can be, where kubelet's driver is systemd, which has booted the node."""
    names = path.units(cgroups_path)
    return Scope(*names, place) if names is not None and os.path.isdir(BOOTED) else None


def properties(settings: "Iterable[Setting]") -> "Iterable[Property]":
    """What systemd calls these limits, those of them that it knows; what it would not understand is left out."""
    for setting in settings:
        try:
            yield from _properties(setting.file, setting.value)
        except ValueError:
            continue  # the kernel has the last word, when it is written


def _policy(settings: "Iterable[Setting]") -> "list[Property]":
    """memory.oom.group, as systemd 253 and later know it of a scope; nobody can change it later."""
    groups = [setting.value for setting in settings if setting.file == "memory.oom.group"]
    return [("OOMPolicy", ("s", "kill"))] if groups[-1:] == ["1"] else []


def _properties(file: str, value: str) -> "Iterable[Property]":
    if file in _NUMBERS:
        name, number = _NUMBERS[file], _number(value)
        if number or name in _MAY_BE_0:
            yield name, ("t", number)
    elif file in _LISTS:
        yield _LISTS[file], ("ay", _bits(value))
    elif file == "cpu.max":
        quota, period = value.split()
        yield "CPUQuotaPeriodUSec", ("t", _number(period))
        yield "CPUQuotaPerSecUSec", ("t", _a_second(_number(quota), int(period)))


def _number(value: str) -> int:
    number = _NO_LIMIT if value == "max" else int(value)
    if not 0 <= number <= _NO_LIMIT:
        raise ValueError(f"{value} is not a limit")
    return number


def _a_second(quota: int, period: int) -> int:
    """Microseconds of CPU time a second; as runc rounds them, for it is the unit's file that lasts over a reload."""
    if quota == _NO_LIMIT or not period:
        return _NO_LIMIT
    return -(-(quota * 1_000_000 // period) // _ROUNDED) * _ROUNDED


def _bits(value: str) -> list[int]:
    """A list such as 0-3,7, as bytes of which the first has the lowest numbers."""
    found = 0
    for part in value.split(","):
        first, _, last = part.partition("-")
        lowest, highest = int(first), int(last or first)
        if not 0 <= lowest <= highest < _BITS:
            raise ValueError(f"{part} is not a part of a list of CPUs")
        for number in range(lowest, highest + 1):
            found |= 1 << number
    return list(found.to_bytes(found.bit_length() + 7 >> 3, "little"))
