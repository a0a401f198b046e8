"""What /proc tells about processes (proc(5)): sessions, parents, start times; and killing by them."""

import _signal  # type: ignore[import-not-found]  # `signal` would double the start-up time of `delete`: it imports enum
import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

# Positions after the command name: fields 4, 5, 6, 20 and 22 of /proc/PID/stat
_PARENT, _GROUP, _SESSION, _THREADS, _START_TIME = 1, 2, 3, 17, 19
_REAPED = (errno.ESRCH, errno.EINVAL, errno.ENOENT)  # EINVAL and ENOENT, depending on the kernel, while it is reaped


class Stat:
    """A process as seen once: ids, and the start time in clock ticks since boot that makes a pid unique.

    One whose first thread has ended looks like a zombie, and is none while other threads run: it still counts them.
    """

    __slots__ = ("group", "parent", "pid", "session", "start_time", "zombie")

    def __init__(self, pid: int, text: bytes) -> None:
        fields = text.rpartition(b")")[2].split()
        self.pid = pid
        self.zombie = fields[0] in (b"Z", b"X") and int(fields[_THREADS]) <= 1
        self.parent = int(fields[_PARENT])
        self.group = int(fields[_GROUP])
        self.session = int(fields[_SESSION])
        self.start_time = int(fields[_START_TIME])


def stat(pid: int) -> Stat | None:
    """The process of this pid, or None if there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return Stat(pid, file.read())
    except (FileNotFoundError, ProcessLookupError):
        return None


def myself() -> Stat:
    """This process. Raises OSError without a /proc."""
    with open("/proc/self/stat", "rb") as file:
        return Stat(os.getpid(), file.read())


def is_alive(pid: int, start_time: int) -> bool:
    """Whether the process of this pid is the one that started then, and no zombie."""
    now = stat(pid)
    return now is not None and now.start_time == start_time and not now.zombie


def open_pidfd(seen: Stat) -> int | None:
    """A descriptor of exactly this process (pidfd_open(2)), readable once it has ended; None when it is gone."""
    try:
        fd = os.pidfd_open(seen.pid)
    except OSError as error:
        if error.errno in _REAPED:
            return None
        raise
    now = stat(seen.pid)  # after the open: whose pid it is now, that is whom the descriptor means
    if now is not None and now.start_time == seen.start_time:
        return fd
    os.close(fd)
    return None


def processes() -> "Iterator[Stat]":
    """All processes that exist while this is read."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            found = stat(int(name))
            if found is not None:
                yield found


def roots() -> set[int]:
    """The file systems in which processes of this machine have their root directories, as numbers (stat(2), st_dev)."""
    found = set()
    for process in processes():
        try:
            found.add(os.stat(f"/proc/{process.pid}/root").st_dev)
        except OSError:
            continue  # it has ended
    return found


def session_members(leader: int, start_time: int) -> list[Stat]:
    """The living processes of the session that this leader began, also when the leader itself is gone.

    start_time is the leader's: a process that got its pid later is a stranger, and so is its session.
    """
    successor = stat(leader)
    if successor is not None and successor.start_time != start_time:
        return []
    return [p for p in processes() if p.session == leader and p.start_time >= start_time and not p.zombie]


def descendants(ancestor: int) -> list[Stat]:
    """The living processes below a process, children before grandchildren."""
    seen = {process.pid: process for process in processes()}
    children: dict[int, list[Stat]] = {}
    for process in seen.values():
        if process.parent not in seen:  # it has ended since, and its children have another one
            process = stat(process.pid) or process
        children.setdefault(process.parent, []).append(process)
    found: list[Stat] = []
    level = [ancestor]
    while level:
        below = [child for pid in level for child in children.get(pid, [])]
        found += [child for child in below if not child.zombie]
        level = [child.pid for child in below]
    return found


def send_signal(target: Stat, number: int) -> None:
    """Signal exactly this process. Gone is fine."""
    fd = open_pidfd(target)
    if fd is None:
        return
    try:
        _signal.pidfd_send_signal(fd, number)
    except ProcessLookupError:
        pass
    finally:
        os.close(fd)


def kill_all(find: "Callable[[], list[Stat]]", rounds: int = 50) -> list[Stat]:
    """SIGKILL what find() finds, and what those forked meanwhile, until nothing new turns up.

    Gives the processes that were found. A killed process may take a moment to go: it counts once.
    """
    killed: dict[tuple[int, int], Stat] = {}
    for _ in range(rounds):
        new = [process for process in find() if (process.pid, process.start_time) not in killed]
        if not new:
            break
        for process in new:
            send_signal(process, _signal.SIGKILL)
            killed[process.pid, process.start_time] = process
    return list(killed.values())


def children(pid: int) -> list[int] | None:
    """The pids of a process's children, zombies included; None where the kernel does not tell, or a thread just ended.

    /proc/PID/task/TID/children is of one thread, and needs CONFIG_PROC_CHILDREN. Much cheaper than all of /proc.
    """
    found: list[int] = []
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):
            with open(f"/proc/{pid}/task/{thread}/children", "rb") as file:
                found += map(int, file.read().split())
    except (FileNotFoundError, ProcessLookupError):
        return None
    return found
