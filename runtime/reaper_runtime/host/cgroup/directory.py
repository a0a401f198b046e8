"""The directories of one cgroup: its members, killing them, removing it. cgroups(7), cgroup-v2.rst of the kernel.

Only C modules are imported, since `delete` uses this too.
"""

import os

from reaper_runtime.host import procfs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_OF_A_UNIT = ("trusted.delegate", "user.delegate")  # extended attributes; the first is not seen in a user namespace
_ROUNDS = 50  # of killing: a fork bomb that wins so often is left to the wait that follows


def members(path: str) -> list[int]:
    """The pids in a cgroup and in those below it; empty when it is gone. Zombies are not in it."""
    found: list[int] = []
    for place in (path, *_below(path)):
        try:
            with open(f"{place}/cgroup.procs", "rb") as file:
                found += map(int, file.read().split())
        except OSError:
            continue  # gone, or threaded: its processes are listed above it
    return found


def place_of(pid: int, path: str, proc: str = "/proc") -> str | None:
    """The cgroup that a process is in, of this one of version 2 and those below it; None if it is in none of them.

    /proc/PID/cgroup (cgroups(7)) names it from another root than the mount point is: the two paths share an end.
    """
    lines = read(f"{proc}/{pid}/cgroup").splitlines()
    there = next((line.removeprefix("0::") for line in lines if line.startswith("0::")), "")
    end = path
    while end:
        _, found, below = f"{there}/".partition(f"{end}/")
        place = f"{path}/{below}".rstrip("/")
        if found and str(pid) in read(f"{place}/cgroup.procs").split():
            return place
        end = end[end.find("/", 1) :] if "/" in end[1:] else ""
    return None


def is_divided(path: str) -> bool:
    """Whether a cgroup of version 2 gives controllers to those below it, so that no process may be in it itself.

    cgroup-v2.rst, "No Internal Process Constraint": joining it fails with EBUSY.
    """
    return bool(read(f"{path}/cgroup.subtree_control"))


def kill(path: str) -> list[procfs.Stat]:
    """SIGKILL every process of a cgroup and of those below it; gives them, for the caller to wait for.

    With cgroup.kill (Linux 5.14) no fork can get away. Without, it is repeated until nobody new turns up.
    """
    here = _stats(path)
    try:
        _write(f"{path}/cgroup.kill", "1")
    except OSError:  # version 1, or an older kernel
        return procfs.kill_all(lambda: _stats(path), _ROUNDS)
    return here


def remove(paths: "Iterable[str]") -> list[str]:
    """Remove these cgroups and what is below them; gives those that still have members. Gone is fine."""
    return [path for path in paths if not _remove(path)]


def remove_empty(path: str) -> None:
    """Remove a cgroup that has nobody in it and nothing below it; any other stays."""
    try:
        os.rmdir(path)
    except OSError:
        return


def is_unit(path: str) -> bool:
    """Whether systemd has a delegated unit for it: it learns the unit's end from the cgroup, and removes both.

    Who removes the cgroup earlier hides the end from systemd, to which the unit then seems to run (src/core/cgroup.c of
    systemd, unit_check_cgroup_events). The attribute: systemd, docs/CGROUP_DELEGATION.md.
    """
    try:
        return not set(_OF_A_UNIT).isdisjoint(os.listxattr(path))
    except OSError:
        return False


def make(path: str) -> None:
    """Make a cgroup and those above it; raises OSError. One that is there already is fine."""
    try:
        os.mkdir(path)
    except FileExistsError:
        return
    except FileNotFoundError:
        make(os.path.dirname(path))
        make(path)


def write(path: str, value: str) -> None:
    """Write one control file; raises OSError with its name."""
    try:
        _write(path, value)
    except OSError as error:
        error.filename = path
        raise


def read(path: str) -> str:
    """A control file's text; "" where there is no such file."""
    try:
        with open(path) as file:
            return file.read().strip()
    except OSError:
        return ""


def join(files: "Sequence[str]") -> None:
    """Move the calling process, single-threaded, into the cgroups of these cgroup.procs files; raises OSError."""
    for path in files:
        write(path, "0")


def _write(path: str, value: str) -> None:
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
    try:
        os.write(fd, value.encode())
    finally:
        os.close(fd)


def _stats(path: str) -> list[procfs.Stat]:
    seen = (procfs.stat(pid) for pid in members(path))
    return [process for process in seen if process is not None and not process.zombie]


def _below(path: str) -> list[str]:
    """The cgroups below one, each after the one that it is in."""
    found: list[str] = []
    try:
        if os.stat(path).st_nlink <= 2:  # "." and the entry above: no directories inside
            return found
        for entry in os.scandir(path):
            if entry.is_dir(follow_symlinks=False):
                found += entry.path, *_below(entry.path)
    except OSError:
        return found
    return found


def _remove(path: str) -> bool:
    for place in (*reversed(_below(path)), path):
        try:
            os.rmdir(place)
        except FileNotFoundError:
            continue
        except OSError:
            return False
    return True
