"""What is written down under /run/reaper, so that `delete` can clean up after a shim that was killed.

One small file a process, at STATE/<containerd namespace>/<sandbox id>/<container id>[:<exec id>], with its pid and
its start time, and the container's cgroups; and one file `~` with what the pod has as a whole, and whose it is. The
truth is the shim's memory; this is only read when that is lost.

Beside it is what the node agent is told: task.py.
"""

import os

from reaper_runtime.errors import InvalidArgument
from reaper_runtime.host import file
from reaper_runtime.names import check_id
from reaper_runtime.task import TaskFile

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from typing import Self

STATE = "/run/reaper/state"
_MARK = "~"  # no container has this id


class Record:
    """A process that was started: pid and start time in clock ticks since boot; of an init process its cgroups too."""

    __slots__ = ("cgroups", "name", "pid", "start_time")

    def __init__(self, name: str, pid: int, start_time: int, cgroups: tuple[str, ...] = ()) -> None:
        """cgroups: directories, the first of them the one whose members are the container's processes."""
        self.name = name
        self.pid = pid
        self.start_time = start_time
        self.cgroups = cgroups


class Mark:
    """What a pod has as a whole: the shim that serves it, by pid and start time, the shim's socket, and its cgroups."""

    __slots__ = ("cgroups", "pid", "socket", "start_time")

    def __init__(self, pid: int, start_time: int, cgroups: tuple[str, ...] = (), socket: str = "") -> None:
        """socket: its path, "" where it has its own way to be found again."""
        self.pid = pid
        self.start_time = start_time
        self.cgroups = cgroups
        self.socket = socket

    @classmethod
    def of_this_process(cls, cgroups: "Iterable[str]", socket: str = "") -> "Self":
        """Of a pod that this process serves. Raises OSError without a /proc."""
        from reaper_runtime.host import procfs  # only here: `delete` writes no mark

        itself = procfs.myself()
        return cls(itself.pid, itself.start_time, tuple(cgroups), socket)


class PodState:
    """The records of one pod; `task` is for the node agent."""

    def __init__(self, namespace: str, group: str, root: str = STATE, *, path: str = "") -> None:
        """path: its directory, by default the one that the names give it below root.

        Creates the directory when something is first written. Raises InvalidArgument for an unsafe name.
        """
        self.namespace = namespace
        self.group = group
        self.path = path or os.path.join(root, check_id(namespace, "namespace"), check_id(group, "sandbox id"))
        self.task = TaskFile(os.path.join(os.path.dirname(root), "tasks", f"{namespace}@{group}"))

    def mark(self, mark: Mark) -> None:
        """Note this before socket and cgroups are made: what a container has in them is recorded only later.

        In sockets.Lock, where another shim may have had the pod's id: it takes its own note back at its end.
        """
        self._make_directory()
        lines = (f"{mark.pid} {mark.start_time}", mark.socket, *mark.cgroups, "")
        with open(os.path.join(self.path, _MARK), "wb") as note:  # as bytes, as file.replace()
            note.write("\n".join(lines).encode())

    def marked(self) -> Mark | None:
        """What mark() noted, and take_back() has not."""
        try:
            with open(os.path.join(self.path, _MARK)) as note:
                first, socket, *cgroups = note.read().splitlines()
            pid, start_time = map(int, first.split())
        except (ValueError, OSError):
            return None
        return Mark(pid, start_time, tuple(cgroups), socket)

    def holds(self, mark: Mark) -> bool:
        """Whether what is noted is still of this shim."""
        noted = self.marked()
        return noted is not None and (noted.pid, noted.start_time) == (mark.pid, mark.start_time)

    def take_back(self, mark: Mark) -> None:
        """All that this shim had is gone, and so is its pod: forget both, unless a new shim has noted itself.

        In sockets.Lock, as mark().
        """
        if not self.holds(mark):
            return
        os.unlink(os.path.join(self.path, _MARK))
        self._remove_if_empty()
        self.task.forget()

    def write(self, record: Record) -> None:
        """Record a process, atomically: a reader sees the whole of it or nothing."""
        self._make_directory()
        first = f"{record.pid} {record.start_time}"
        file.replace(os.path.join(self.path, record.name), "\n".join((first, *record.cgroups, "")))

    def _make_directory(self) -> None:
        namespace = os.path.dirname(self.path)
        for folder in (os.path.dirname(namespace), namespace, self.path):
            os.makedirs(folder, mode=0o700, exist_ok=True)  # one by one: the mode is of the last part of a path only

    def forget(self, name: str) -> None:
        """Remove a record, and the directory with the last of them. Harmless if there is none."""
        for left in (name, f"{name}~"):
            try:
                os.unlink(os.path.join(self.path, left))
            except (FileNotFoundError, NotADirectoryError):
                continue
        self._remove_if_empty()

    def forget_half_written(self, container: str | None) -> None:
        """Remove what a shim that was killed had not yet renamed, of one container or, for None, of all."""
        try:
            names = os.listdir(self.path)
        except FileNotFoundError:
            return
        for name in names:
            if name.endswith("~") and name != _MARK and (container is None or name[:-1].partition(":")[0] == container):
                self.forget(name[:-1])
        self._remove_if_empty()

    def _remove_if_empty(self) -> None:
        try:
            os.rmdir(self.path)
        except OSError:
            return  # others are still recorded

    def records(self) -> "Iterator[Record]":
        """All records; a half-written or unreadable one is not a record."""
        try:
            names = os.listdir(self.path)
        except FileNotFoundError:
            return
        for name in names:
            try:
                with open(os.path.join(self.path, name)) as record:
                    first, *cgroups = record.read().splitlines() or [""]
                pid, start_time = map(int, first.split())
            except (ValueError, OSError):
                continue
            if not name.endswith("~"):
                yield Record(name, pid, start_time, tuple(cgroups))


def pods(root: str = STATE) -> "Iterator[PodState]":
    """All pods of which something is written down; what has no name of ours is somebody else's."""
    for namespace in _names(root):
        for group in _names(os.path.join(root, namespace)):
            try:
                yield PodState(namespace, group, root)
            except InvalidArgument:
                continue


def _names(directory: str) -> list[str]:
    try:
        return os.listdir(directory)
    except (FileNotFoundError, NotADirectoryError):
        return []


def find_group(namespace: str, container: str, root: str = STATE) -> str | None:
    """The sandbox id under which a container is recorded, or None."""
    parent = os.path.join(root, check_id(namespace, "namespace"))
    try:
        groups = os.listdir(parent)
    except FileNotFoundError:
        return None
    for group in groups:
        if any(os.path.exists(os.path.join(parent, group, name)) for name in (container, f"{container}~")):
            return group
    return None
