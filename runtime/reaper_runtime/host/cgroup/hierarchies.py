"""Which cgroup hierarchies this node has, and which of them a container joins. Version 2, version 1, both, or none."""

import os

from reaper_runtime.host.cgroup import directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

UNIFIED = ""  # the name of the version 2 hierarchy, among controllers of version 1
ACCOUNTED = ("memory", "pids")  # in version 2. Its cpu.stat needs no controller, and one would change the scheduling
_MOUNTINFO = "/proc/self/mountinfo"
_found: "Hierarchies | None" = None


class Hierarchies:
    """Mount points: of version 2 under UNIFIED, of version 1 by controller. Only what can be written."""

    __slots__ = ("controllers", "mounts")

    def __init__(self, mounts: dict[str, str], controllers: "Iterable[str]" = ()) -> None:
        """controllers: those of version 2."""
        self.mounts = mounts
        self.controllers = frozenset(controllers)

    def tracking(self) -> dict[str, str]:
        """What a container joins to be tracked and accounted.

        Of version 2, also beside version 1, that one alone: a process is born in it at no cost (host/clone.py), while
        moving it into others takes 10 ms. What its controllers do not count comes from /proc.
        """
        wanted = (UNIFIED,) if UNIFIED in self.mounts else ("pids", "memory", "cpuacct")
        return {name: self.mounts[name] for name in wanted if name in self.mounts}

    def limiting(self) -> dict[str, str]:
        """What a container joins that is to have limits: every hierarchy with a controller that has some."""
        wanted = (UNIFIED, "cpu", "cpuacct", "cpuset", "memory", "pids", "hugetlb")
        return {name: self.mounts[name] for name in wanted if name in self.mounts}


def current() -> Hierarchies:
    """What was found, by the fork server or at the first call."""
    return _found if _found is not None else refresh()


def refresh() -> Hierarchies:
    """Look again: something was mounted or unmounted since."""
    global _found  # one node, one answer: the fork server's children inherit it
    _found = find(_MOUNTINFO)
    return _found


def find(mountinfo: str) -> Hierarchies:
    """What is mounted and can be written, by this file (proc_pid_mountinfo(5)); nothing if that cannot be read."""
    try:
        with open(mountinfo) as file:
            mounts = parse(file, _writable)
    except OSError:
        mounts = {}
    second = mounts.get(UNIFIED)
    return Hierarchies(mounts, directory.read(f"{second}/cgroup.controllers").split() if second else ())


def parse(lines: "Iterable[str]", writable: "Callable[[str], bool]") -> dict[str, str]:
    """Mount points in /proc/PID/mountinfo (proc(5)) that `writable` says yes to.

    Of two the one that has more of the hierarchy, as a node of kind has kubelet's part mounted too; else the later,
    which is on top.
    """
    mounts: dict[str, str] = {}
    depths: dict[str, int] = {}
    for line in lines:
        before, _, after = line.partition(" - ")
        kind, *rest = after.split() or [""]
        if not kind.startswith("cgroup"):
            continue
        root, place = before.split()[3:5]
        place = place.replace("\\040", " ")
        if not writable(place):
            continue
        depth = root.rstrip("/").count("/")
        for name in _names(kind, rest):
            if depth <= depths.get(name, depth):
                mounts[name], depths[name] = place, depth
    return mounts


def _names(kind: str, rest: list[str]) -> list[str]:
    """The controllers of a version 1 hierarchy, or UNIFIED. rest: source and options of the mount."""
    if kind == "cgroup2":
        return [UNIFIED]
    if kind != "cgroup" or len(rest) < 2:
        return []
    return [name for name in rest[1].split(",") if name not in ("rw", "ro")]


def _writable(place: str) -> bool:
    """Also false where another mount hides this one, as a tmpfs over /sys/fs/cgroup does: it has no such file."""
    return os.access(f"{place}/cgroup.procs", os.W_OK)
