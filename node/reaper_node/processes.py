"""Which process of the node is a ReaperTask's, as the runtime tells it, and whether it lives."""

from __future__ import annotations

import errno
import os
import re
from dataclasses import dataclass, fields
from pathlib import Path

from reaper_node.errors import NodeError

_NAME = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")  # of an object in Kubernetes; these end up in URLs
_NO_PROCESS = (errno.ESRCH, errno.EINVAL, errno.ENOENT)  # the others: the number is a thread's, a group's, a session's
_NAMES = ("namespace", "pod", "task")


@dataclass(frozen=True)
class TaskProcess:
    """One file of /run/reaper/tasks: reaper_runtime/state.py writes them."""

    pid: int
    start_time: int
    """In clock ticks since boot: a pid alone may be another process's by now."""

    namespace: str
    pod: str
    pod_uid: str
    task: str
    overlay: str
    """The name of the overlay that the process sees; empty: the node's own files."""


def read(path: Path) -> TaskProcess | None:
    """What a file says; None if it is not there. Raises NodeError for one that makes no sense."""
    try:
        text = path.read_text()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise NodeError("BadTaskFile", f"{path} cannot be read: {error}") from error
    said = {key: value for key, _, value in (line.partition(" ") for line in text.splitlines())}
    try:
        known = {field.name: said[field.name] for field in fields(TaskProcess)}
        numbers = {key: int(known.pop(key)) for key in ("pid", "start_time")}
    except (KeyError, ValueError) as error:
        raise NodeError("BadTaskFile", f"{path} is not as the runtime writes it: {error}") from error
    if wrong := [known[key] for key in _NAMES if not _NAME.fullmatch(known[key])]:
        raise NodeError("BadTaskFile", f"{path} has {wrong[0]!r}, which is no name of an object")
    return TaskProcess(**numbers, **known)  # type: ignore[arg-type]  # int and str as the fields say


def hold(process: TaskProcess) -> int | None:
    """A pidfd of exactly this process, readable once it has ended; None if it has ended already. Raises OSError."""
    try:
        fd = os.pidfd_open(process.pid)
    except OSError as error:
        if error.errno in _NO_PROCESS:
            return None
        raise
    if _start_time(process.pid) == process.start_time:
        return fd
    os.close(fd)
    return None


def _start_time(pid: int) -> int:
    """Field 22 of /proc/PID/stat, see proc(5); -1 when there is no such process."""
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, IndexError):
        return -1
