"""One container's cgroup: a directory of the same path in each hierarchy that it joins."""

import os

from reaper_runtime.errors import FailedPrecondition, Unavailable
from reaper_runtime.host.cgroup import directory
from reaper_runtime.host.cgroup.hierarchies import ACCOUNTED, UNIFIED, current, refresh

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from reaper_runtime.host import procfs
    from reaper_runtime.host.cgroup.hierarchies import Hierarchies

ROOT = "reaper"  # of the cgroups that only track and account, below each mount point
LIMITED = ("cpuset", "cpu", "memory", "pids", "hugetlb")  # controllers of version 2 that a container's resources need


class Cgroup:
    """Directories by hierarchy: UNIFIED for version 2, else the controller of version 1."""

    __slots__ = ("limited", "paths")

    def __init__(self, paths: dict[str, str], *, limited: bool) -> None:
        """limited: it is the one that kubelet chose for the container, and limits are applied to it."""
        self.paths = paths
        self.limited = limited

    @property
    def tracking(self) -> str:
        """The directory whose members are the container's processes."""
        return self.paths.get(UNIFIED) or self.paths.get("pids") or next(iter(self.paths.values()))

    @property
    def directories(self) -> list[str]:
        """Each directory once, the one that tracks first."""
        return list(dict.fromkeys((self.tracking, *self.paths.values())))

    @property
    def unified(self) -> bool:
        """Whether its limits are those of version 2: beside version 1, that one has them."""
        return UNIFIED in self.paths and "memory" not in self.paths

    def restore(self) -> None:
        """Have the controllers of version 2 again that limits need; their files are as those of a new cgroup then.

        systemd takes them from a slice in which it knows of nobody that needs them, whenever it realizes that again.
        """
        hierarchies = current()
        mount, place = hierarchies.mounts.get(UNIFIED, ""), self.paths[UNIFIED]
        if mount and place.startswith(f"{mount}/"):
            _have(hierarchies, place.removeprefix(f"{mount}/"), LIMITED)

    @staticmethod
    def join_files(directories: "Iterable[str]") -> tuple[str, ...]:
        """What a process writes to, to join these of its directories."""
        return tuple(f"{path}/cgroup.procs" for path in directories)

    def beside(self, pid: int, proc: str = "/proc") -> "Cgroup":
        """What another process joins: where its init process, of this pid, has divided it, as systemd and a nested
        runtime do, the part that init itself is in, as with runc.
        """
        whole = self.paths.get(UNIFIED)
        if whole is None or not directory.is_divided(whole):
            return self
        part = directory.place_of(pid, whole, proc) or whole
        return Cgroup({**self.paths, UNIFIED: part}, limited=self.limited)

    def members(self) -> list[int]:
        """The pids of its processes."""
        return directory.members(self.tracking)

    def kill(self) -> "list[procfs.Stat]":
        """SIGKILL all members; gives them, for the caller to wait for."""
        return directory.kill(self.tracking)

    def remove(self) -> list[str]:
        """Remove it, once all members are dead; gives the directories that are still in use."""
        return directory.remove(self.directories)

    def find(self, controller: str, file: str) -> str:
        """The path of a control file, in the hierarchy of its controller; "" where there is none."""
        place = self.paths.get(controller) or self.paths.get(UNIFIED, "")
        path = f"{place}/{file}"
        return path if place and os.path.exists(path) else ""


def track(*names: str) -> Cgroup | None:
    """The cgroup ROOT/names…, made; None where no cgroup can be written: the node tracks by sessions then."""
    for hierarchies in (current, refresh):  # what was found at the start may be mounted elsewhere by now
        made = _track(hierarchies(), os.path.join(ROOT, *names))
        if made is not None:
            return made
    return None


def limit(path: str, *names: str) -> Cgroup:
    """The cgroup at this path, made, in all hierarchies that have limits; raises FailedPrecondition or Unavailable.

    Beside version 1, nobody looks after such paths in version 2: there it is ROOT/names…, and only tracks.
    """
    hierarchies = current() if current().mounts else refresh()
    mounts = hierarchies.limiting()
    if not mounts:
        raise FailedPrecondition(
            f"node {os.uname().nodename} has no cgroup that can be written: remove the annotation cgroup: pod"
        )
    try:
        tracked = os.path.join(ROOT, *names) if "memory" in mounts else path
        paths = {name: _make(hierarchies, name, path if name else tracked, LIMITED) for name in mounts}
    except OSError as error:
        raise Unavailable(f"cgroup {path} cannot be made: {error.filename}: {error.strerror}") from error
    used = [place for place in paths.values() if directory.members(place)]
    if used:
        raise FailedPrecondition(f"cgroup {used[0]} has processes already: it cannot be a container's own")
    return Cgroup(paths, limited=True)


def places(namespace: str, pod: str) -> list[str]:
    """The directories above the containers' own that prepare() makes."""
    return [os.path.join(mount, ROOT, namespace, pod) for mount in dict.fromkeys(current().tracking().values())]


def prepare(namespace: str, pod: str) -> None:
    """Make the directories above the containers' own ahead of time, while nobody waits. Best effort."""
    hierarchies = current()
    path = os.path.join(ROOT, namespace, pod)
    for name, mount in hierarchies.tracking().items():
        try:
            _make(hierarchies, name, path, ())
        except OSError:
            continue  # the container's own will be tried, and has a fallback
        if name == UNIFIED:
            _enable(mount, f"{path}/container", hierarchies.controllers.intersection(ACCOUNTED))


def forget(namespace: str, pod: str) -> None:
    """Remove what prepare() made, with what is empty below it; what is in use stays."""
    for place in places(namespace, pod):
        directory.remove([place])
        directory.remove_empty(os.path.dirname(place))


def _track(hierarchies: "Hierarchies", path: str) -> Cgroup | None:
    paths: dict[str, str] = {}
    for name in hierarchies.tracking():
        try:
            paths[name] = _make(hierarchies, name, path, ACCOUNTED)
        except OSError:
            continue  # the others still track
    tracks = UNIFIED in paths or "pids" in paths
    if not tracks:
        directory.remove(paths.values())
    return Cgroup(paths, limited=False) if tracks else None


def _make(hierarchies: "Hierarchies", name: str, path: str, controllers: "Iterable[str]") -> str:
    mount = hierarchies.mounts[name]
    place = os.path.join(mount, path)
    directory.make(place)
    if name == UNIFIED:
        _have(hierarchies, path, controllers)
    elif name == "cpuset":
        _inherit_cpuset(mount, path)
    return place


def _have(hierarchies: "Hierarchies", path: str, controllers: "Iterable[str]") -> None:
    """Have those of these controllers of version 2 that the node has, in a cgroup that may have them already."""
    mount = hierarchies.mounts[UNIFIED]
    wanted = hierarchies.controllers.intersection(controllers)
    if wanted and not wanted.issubset(directory.read(f"{mount}/{path}/cgroup.controllers").split()):
        _enable(mount, path, wanted)


def _enable(mount: str, path: str, controllers: "Iterable[str]") -> None:
    """Have these controllers in the cgroup, by the subtree_control of all above it. Best effort.

    Where one cannot be had, the figure comes from elsewhere, and a limit is refused by the lack of its file.
    """
    place = mount
    for part in path.split("/"):
        for name in sorted(controllers):
            try:
                directory.write(f"{place}/cgroup.subtree_control", f"+{name}")
            except OSError:  # processes in a cgroup that is not the root's, a threaded one, a realtime process
                continue
        place = f"{place}/{part}"


def _inherit_cpuset(mount: str, path: str) -> None:
    """In version 1 a new cpuset is empty, and nothing can join it."""
    above = mount
    for part in path.split("/"):
        place = f"{above}/{part}"
        for file in ("cpuset.cpus", "cpuset.mems"):
            if not directory.read(f"{place}/{file}"):
                directory.write(f"{place}/{file}", directory.read(f"{above}/{file}"))
        above = place
