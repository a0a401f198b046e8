"""What the kernel tells of a cgroup as it happens, without asking again and again: OOM kills, and being frozen."""

import os
import select

from reaper_runtime.errors import FailedPrecondition
from reaper_runtime.host.cgroup import directory
from reaper_runtime.host.cgroup.hierarchies import UNIFIED
from reaper_runtime.loop import READ, Future

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from reaper_runtime.host.cgroup.cgroup import Cgroup
    from reaper_runtime.loop import Loop

_CHANGED = select.EPOLLPRI  # of a file such as memory.events or cgroup.events, since it was last read


class OomWatch:
    """Calls back when a process of a cgroup was killed for want of memory."""

    def __init__(self, loop: "Loop", cgroup: "Cgroup", on_oom: "Callable[[], None]", *, above: bool = False) -> None:
        """above: the cgroup may be removed before its last kill is read, and the one above it has counted that too.

        Raises OSError when the node has no descriptors left.
        """
        self._loop = loop
        self._on_oom = on_oom
        self._fds: list[int] = []
        self.kills = 0  # that were seen, since the cgroup was made; in version 1 this stays 0
        self._kills_above = 0
        self._happened: Callable[[], bool] = lambda: False
        events, control = cgroup.find("memory", "memory.events"), cgroup.find("memory", "memory.oom_control")
        try:
            if events:
                self._watch_events(events)
                if above:
                    self._watch_above(os.path.dirname(events))
            elif control:
                self._watch_control(control)
        except BaseException:
            self.close()
            raise

    def check(self) -> None:
        """Call back now for what the kernel may tell a moment later: the end of a container comes after its cause."""
        if self._happened():
            self._on_oom()

    def close(self) -> None:
        """Watch no longer. Harmless when done before."""
        self._happened = lambda: False
        for fd in self._fds:
            self._loop.unwatch(fd)
            os.close(fd)
        self._fds = []

    def _watch_events(self, path: str) -> None:
        """Version 2: memory.events counts the kills, and poll(2) tells of each change, at most every 10 ms."""
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._fds = [fd]
        self.kills = _oom_kills(fd)
        self._happened = lambda: self._counted(fd)
        self._loop.watch(fd, _CHANGED, lambda _: self.check())

    def _counted(self, fd: int) -> bool:
        before = self.kills
        try:
            self.kills = _oom_kills(fd)
        except OSError:  # ENODEV: the file went with its controller or its cgroup, and may be ready for ever
            self._loop.unwatch(fd)
            return False
        return self.kills > before

    def _watch_above(self, place: str) -> None:
        """Count what is killed in all that is in the cgroup above, too: it stays when this one is removed.

        It is watched to know the kills of others from those of this one, which are only seen there. A kill of another
        in the moment between the removal of this one and close() is taken for its own: close it at the container's end.
        """
        try:
            above = os.open(f"{os.path.dirname(place)}/memory.events", os.O_RDONLY | os.O_CLOEXEC)
        except FileNotFoundError:  # the root has none
            return
        self._fds.append(above)
        self._kills_above = _oom_kills(above)
        own = self._happened
        self._happened = lambda: self._counted_above(place, above, own)
        self._loop.watch(above, _CHANGED, lambda _: self.check())

    def _counted_above(self, place: str, fd: int, own: "Callable[[], bool]") -> bool:
        before = self._kills_above
        try:
            self._kills_above = _oom_kills(fd)  # first: the kernel counts upwards, and what is here is in the own, too
        except OSError:  # ENODEV, as above
            self._loop.unwatch(fd)
            return own()
        counted = own()
        if counted or self._kills_above == before or os.path.exists(place):
            return counted
        self.kills += 1
        return True

    def _watch_control(self, path: str) -> None:
        """Version 1: an eventfd(2) that is registered in cgroup.event_control. It also tells of the removal."""
        event = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        self._fds = [event]
        control = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        self._fds.append(control)
        directory.write(f"{os.path.dirname(path)}/cgroup.event_control", f"{event} {control}")
        self._happened = lambda: _signalled(event) and os.path.exists(path)
        self._loop.watch(event, READ, lambda _: self.check())


async def freeze(loop: "Loop", cgroup: "Cgroup", *, frozen: bool) -> None:
    """Stop all processes of a cgroup, or let them go on, and wait until it is so; raises FailedPrecondition."""
    place = cgroup.paths.get(UNIFIED, "")
    control = f"{place}/cgroup.freeze"
    if not place or not os.path.exists(control):
        raise FailedPrecondition(
            f"node {os.uname().nodename} cannot pause a process: that needs cgroup version 2 and Linux 5.2"
        )
    fd = os.open(f"{place}/cgroup.events", os.O_RDONLY | os.O_CLOEXEC)
    try:
        directory.write(control, str(int(frozen)))
        while f"frozen {int(frozen)}" not in os.pread(fd, 4096, 0).decode():
            await _changed(loop, fd)
            if directory.read(control) != str(int(frozen)):
                raise FailedPrecondition("it was told the opposite meanwhile")
    finally:
        loop.unwatch(fd)
        os.close(fd)


def _changed(loop: "Loop", fd: int) -> Future:
    changed = Future()
    loop.watch(fd, _CHANGED, lambda _: changed.set())
    return changed


def _oom_kills(fd: int) -> int:
    for line in os.pread(fd, 4096, 0).decode().splitlines():
        name, _, value = line.partition(" ")
        if name == "oom_kill":
            return int(value)
    return 0


def _signalled(event: int) -> bool:
    try:
        return bool(os.read(event, 8))
    except BlockingIOError:
        return False
