"""What is written down under /run/reaper, so that `delete` can clean up after a shim that was killed.

One small file a process, at STATE/<containerd namespace>/<sandbox id>/<container id>[:<exec id>], with its pid and
its start time. The truth is the shim's memory; this is only read when that is lost.
"""

import os

from reaper_runtime.names import check_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator

STATE = "/run/reaper/state"


class Record:
    """A process that was started: pid and start time in clock ticks since boot."""

    __slots__ = ("name", "pid", "start_time")

    def __init__(self, name: str, pid: int, start_time: int) -> None:
        self.name = name
        self.pid = pid
        self.start_time = start_time


class PodState:
    """The records of one pod."""

    def __init__(self, namespace: str, group: str, root: str = STATE) -> None:
        """Creates the directory when something is first written. Raises InvalidArgument for an unsafe name."""
        self.path = os.path.join(root, check_id(namespace, "namespace"), check_id(group, "sandbox id"))

    def write(self, record: Record) -> None:
        """Record a process, atomically: a reader sees the whole of it or nothing."""
        os.makedirs(self.path, mode=0o700, exist_ok=True)
        target = os.path.join(self.path, record.name)
        temporary = f"{target}~"
        with open(temporary, "w") as file:
            file.write(f"{record.pid} {record.start_time}\n")
        os.rename(temporary, target)

    def forget(self, name: str) -> None:
        """Remove a record, and the directory with the last of them. Harmless if there is none."""
        for left in (name, f"{name}~"):
            try:
                os.unlink(os.path.join(self.path, left))
            except FileNotFoundError:
                continue
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
                with open(os.path.join(self.path, name)) as file:
                    pid, start_time = map(int, file.read().split())
            except (ValueError, OSError):
                continue
            if not name.endswith("~"):
                yield Record(name, pid, start_time)


def find_group(namespace: str, container: str, root: str = STATE) -> str | None:
    """The sandbox id under which a container is recorded, or None."""
    parent = os.path.join(root, check_id(namespace, "namespace"))
    try:
        groups = os.listdir(parent)
    except FileNotFoundError:
        return None
    for group in groups:
        if os.path.exists(os.path.join(parent, group, container)):
            return group
    return None
