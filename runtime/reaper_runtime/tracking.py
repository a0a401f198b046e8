"""A container's cgroup, from its making to its removal; or nothing, where the node has none that can be written."""

from reaper_runtime.errors import FailedPrecondition, Unavailable, Unimplemented
from reaper_runtime.host.cgroup import cgroup as cgroups
from reaper_runtime.host.cgroup import limits, notices, path, usage
from reaper_runtime.oci.resources import Resources

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from reaper_runtime.host import procfs
    from reaper_runtime.host.cgroup.cgroup import Cgroup
    from reaper_runtime.host.cgroup.limits import Setting
    from reaper_runtime.host.cgroup.usage import Usage
    from reaper_runtime.loop import Loop
    from reaper_runtime.oci.bundle import Bundle


class Tracking:
    """Where a container's processes are counted, killed, frozen, and where the pod asks for it, limited."""

    def __init__(self, loop: "Loop") -> None:
        self.paused = False
        self.cgroup: Cgroup | None = None
        self._loop = loop
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
        self._on_oom = on_oom
        self._watch(self.cgroup)

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
            return usage.of_cgroup(self.cgroup)
        return usage.of_processes(pids) if self._last is None else self._last

    def update(self, resources: "Resources") -> None:
        """Change the limits; raises FailedPrecondition where the container has none.

        In version 2 those that are not changed are written again: systemd may have taken them away (Cgroup.restore).
        """
        if self.cgroup is None or not self.cgroup.limited:
            raise FailedPrecondition(
                "there are no limits to change: the Pod does not have the annotation reaper.runtime/cgroup: pod"
            )
        if not self.cgroup.unified:
            limits.apply(self.cgroup, resources)
            return
        self.cgroup.restore()
        self._limits = limits.apply(self.cgroup, resources, self._limits)
        self._watch(self.cgroup)  # what was watched may be gone with its controller

    def restore(self) -> None:
        """Have the limits again where systemd has taken them away with their controllers; raises as update() does."""
        if self.cgroup is not None and self.cgroup.limited and self.cgroup.unified:
            self.update(Resources())

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

    def _watch(self, cgroup: "Cgroup") -> None:
        """For OOM kills, in the place of an earlier watch."""
        before = self._oom
        try:
            self._oom = notices.OomWatch(self._loop, cgroup, self._on_oom)
        except OSError as error:
            raise Unavailable(f"cgroup {cgroup.tracking} cannot be watched: {error.strerror}") from error
        if before is not None:
            before.check()
            before.close()

    def remove(self) -> None:
        """Remove the cgroup, once its members are dead. Harmless when it is gone; what is still in use stays."""
        if self._oom is not None:
            self._oom.close()
            self._oom = None
        if self.cgroup is None:
            return
        self._last = usage.of_cgroup(self.cgroup)
        if not self.cgroup.remove():
            self.cgroup = None
