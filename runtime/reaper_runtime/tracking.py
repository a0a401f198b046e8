"""A container's cgroup, from its making to its removal; or nothing, where the node has none that can be written."""

import os

from reaper_runtime.errors import FailedPrecondition, ReaperError, Unavailable, Unimplemented
from reaper_runtime.host.cgroup import cgroup as cgroups
from reaper_runtime.host.cgroup import limits, notices, path, scope, usage
from reaper_runtime.host.cgroup.hierarchies import UNIFIED
from reaper_runtime.oci.resources import Resources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from reaper_runtime.host import procfs
    from reaper_runtime.host.cgroup.cgroup import Cgroup
    from reaper_runtime.host.cgroup.limits import Setting
    from reaper_runtime.host.cgroup.scope import Scope
    from reaper_runtime.host.cgroup.usage import Usage
    from reaper_runtime.loop import Loop
    from reaper_runtime.oci.bundle import Bundle


class Tracking:
    """Where a container's processes are counted, killed, frozen, and where the pod asks for it, limited."""

    def __init__(self, loop: "Loop", warn: "Callable[[str], None]" = lambda _line: None) -> None:
        """warn hears what an operator should know, as the end of a sentence about the container."""
        self.paused = False
        self.cgroup: Cgroup | None = None
        self._loop = loop
        self._warn = warn
        self._scope: Scope | None = None  # what it is to systemd, or can be
        self._limits: tuple[Setting, ...] = ()  # all that was asked for, at create and since
        self._on_oom: Callable[[], None] = lambda: None
        self._oom: notices.OomWatch | None = None
        self._last: Usage | None = None

    def make(self, bundle: "Bundle", names: tuple[str, ...], on_oom: "Callable[[], None]") -> None:
        """Make the cgroup: the one that kubelet chose, with its limits, or one by these names that only tracks.

        Raises FailedPrecondition for limits that the node does not have, InvalidBundle or Unavailable for the path.
        """
        if bundle.resources is None:
            self.cgroup = cgroups.track(*names)
            return
        self.cgroup = cgroups.limit(path.resolve(bundle.cgroups_path), *names)
        self._limits = limits.apply(self.cgroup, bundle.resources)
        if self.cgroup.unified:
            self._scope = scope.of(bundle.cgroups_path, self.cgroup.paths[UNIFIED])
        self._on_oom = on_oom
        self._watch(self.cgroup)

    async def become_unit(self, pid: int) -> None:
        """Have systemd make the cgroup a unit, by the init process in it, where systemd made the Pod's slice.

        What keeps it from that is a warning, and the container has its limits without. Raises FailedPrecondition or
        Unavailable where they cannot be had again after systemd has written what it knows of them.
        """
        if self._scope is None or self.cgroup is None:
            return
        try:
            await self._scope.start(self._loop, pid, self._limits)
        except ReaperError as error:
            if self.members():  # else it was killed meanwhile
                self._warn(
                    f"is no unit of systemd, and loses its limits whenever that changes {self._scope.slice}, until "
                    f"they are updated: {error}"
                )
        if self.cgroup is not None and self._scope.is_unit:
            self._apply(self.cgroup, Resources())
            self.note_usage()  # nobody may ask before its end

    @property
    def directories(self) -> tuple[str, ...]:
        """For the clean-up after a shim that was killed; the first is the one whose members are the processes."""
        return tuple(self.cgroup.directories) if self.cgroup is not None else ()

    def members(self) -> list[int]:
        """The pids in the cgroup."""
        return self.cgroup.members() if self.cgroup is not None else []

    def kill(self) -> "list[procfs.Stat]":
        """SIGKILL all members; gives them, for the caller to wait for."""
        return self.cgroup.kill() if self.cgroup is not None else []

    def usage(self, pids: "Iterable[int]") -> "Usage":
        """What is used: by the cgroup, or by these processes where there is none. It is kept beyond remove()."""
        if self.cgroup is not None:
            return self._used(self.cgroup)
        return usage.of_processes(pids) if self._last is None else self._last

    def note_usage(self) -> None:
        """Once the init process has ended: systemd removes a unit and its figures within milliseconds."""
        if self._scope is not None and self.cgroup is not None:
            self._used(self.cgroup)

    async def update(self, resources: "Resources") -> None:
        """Change the limits; raises FailedPrecondition where the container has none.

        In version 2 those that are not changed are written again: systemd may have taken them away (Cgroup.restore).
        Of a unit it is told first: it may write what it knows at any time. That it cannot be told is a warning.
        """
        if self.cgroup is None or not self.cgroup.limited:
            raise FailedPrecondition(
                "there are no limits to change: the Pod does not have the annotation reaper.runtime/cgroup: pod"
            )
        if not self.cgroup.unified:
            limits.apply(self.cgroup, resources)
            return
        if self._scope is not None and self._scope.is_unit:
            await self._tell_systemd_of(limits.version2(resources), self._scope)
        if self.cgroup is not None:
            self._apply(self.cgroup, resources)

    def restore(self) -> None:
        """Have the limits again where systemd has taken them away with their controllers; raises as update() does."""
        if self.cgroup is not None and self.cgroup.limited and self.cgroup.unified:
            self._apply(self.cgroup, Resources())

    async def freeze(self, *, frozen: bool) -> None:
        """Stop all members, or let them go on; raises Unimplemented or FailedPrecondition."""
        if self.cgroup is None:
            raise Unimplemented("this node has no cgroup that can be written: a process cannot be paused")
        await notices.freeze(self._loop, self.cgroup, frozen=frozen)
        self.paused = frozen

    def check_oom(self) -> None:
        """Have on_oom hear, before anybody hears of the container's end, that it ran out of memory."""
        if self._oom is not None:
            self._oom.check()
            self._oom.close()  # all are dead: what is killed from now on is another's

    def remove(self) -> None:
        """Remove the cgroup, once its members are dead, or leave it to systemd, if that has a unit for it.

        Harmless when it is gone; what is still in use stays.
        """
        if self.cgroup is not None:
            self._last = self._used(self.cgroup)
        if self._oom is not None:
            self._oom.close()
            self._oom = None
        if self.cgroup is not None and ((self._scope is not None and self._scope.is_unit) or not self.cgroup.remove()):
            self.cgroup = None

    async def removed(self) -> None:
        """As remove(), and wait for systemd, some seconds at most."""
        self.remove()
        if self._scope is not None:
            await self._scope.ended(self._loop)

    def _apply(self, cgroup: "Cgroup", resources: "Resources") -> None:
        """Have these limits and, in version 2, those from before."""
        cgroup.restore()
        self._limits = limits.apply(cgroup, resources, self._limits)
        self._watch(cgroup)  # what was watched may be gone with its controller

    async def _tell_systemd_of(self, settings: "list[Setting]", unit: "Scope") -> None:
        try:
            await unit.change(self._loop, settings)
        except ReaperError as error:
            self._warn(f"has new limits that systemd does not know of, and may take back: {error}")

    def _watch(self, cgroup: "Cgroup") -> None:
        """For OOM kills, in the place of an earlier watch."""
        before = self._oom
        try:
            self._oom = notices.OomWatch(self._loop, cgroup, self._on_oom, above=self._scope is not None)
        except OSError as error:
            raise Unavailable(f"cgroup {cgroup.tracking} cannot be watched: {error.strerror}") from error
        if before is not None:
            before.check()
            before.close()

    def _used(self, cgroup: "Cgroup") -> "Usage":
        """Of one that systemd removes meanwhile what is still there, or was seen last, with the OOM kills noticed."""
        used = usage.of_cgroup(cgroup)
        if self._scope is None:
            return used
        if not os.path.exists(self._scope.place):
            last = used if self._last is None else self._last
            whole = used if used.events else last  # those are read last of all
            kills = max(whole.events.get("oom_kill", 0), self._oom.kills if self._oom is not None else 0)
            used = usage.Usage(
                max(used.cpu, last.cpu, key=lambda cpu: cpu.get("usage_usec", 0)),
                whole.memory,
                {**whole.pids, "current": 0},
                {**whole.events, "oom_kill": kills},
            )
        self._last = used
        return used
