"""What /proc tells about processes (proc(5)): sessions, parents, start times; and killing by them."""

import _signal  # type: ignore[import-not-found]  # `signal` would double the start-up time of `delete`: it imports enum
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PARENT, _SESSION, _START_TIME = 1, 3, 19  # after the command name: fields 4, 6 and 22 of /proc/PID/stat


class Stat:
    """A process as seen once: ids, and the start time in clock ticks since boot that makes a pid unique."""

    __slots__ = ("parent", "pid", "session", "start_time", "zombie")

    def __init__(self, pid: int, text: bytes) -> None:
        fields = text.rpartition(b")")[2].split()
        self.pid = pid
        self.zombie = fields[0] in (b"Z", b"X")
        self.parent = int(fields[_PARENT])
        self.session = int(fields[_SESSION])
        self.start_time = int(fields[_START_TIME])


def stat(pid: int) -> Stat | None:
    """The process of this pid, or None if there is none."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return Stat(pid, file.read())
    except (FileNotFoundError, ProcessLookupError):
        return None


def processes() -> "Iterator[Stat]":
    """All processes that exist while this is read."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            found = stat(int(name))
            if found is not None:
                yield found


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
    children: dict[int, list[Stat]] = {}
    for process in processes():
        children.setdefault(process.parent, []).append(process)
    found: list[Stat] = []
    level = [ancestor]
    while level:
        below = [child for pid in level for child in children.get(pid, [])]
        found += [child for child in below if not child.zombie]
        level = [child.pid for child in below]
    return found


def send_signal(target: Stat, number: int) -> None:
    """Signal exactly this process: by a pidfd, after its start time has been compared. Gone is fine."""
    try:
        fd = os.pidfd_open(target.pid)
    except ProcessLookupError:
        return
    try:
        now = stat(target.pid)
        if now is not None and now.start_time == target.start_time:
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
    """The pids of a single-threaded process's children, zombies included; None where the kernel does not tell.

    /proc/PID/task/TID/children needs CONFIG_PROC_CHILDREN. Much cheaper than reading all of /proc.
    """
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb") as file:
            return [int(child) for child in file.read().split()]
    except FileNotFoundError:
        return None
