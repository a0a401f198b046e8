"""What a container uses: CPU time, memory, tasks; from its cgroup, or from /proc where it has none.

The names are those of cgroup version 2, which are those of containerd's io.containerd.cgroups.v2.Metrics too.
"""

import os

from reaper_runtime.host.cgroup import directory

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    from reaper_runtime.host.cgroup.cgroup import Cgroup

UNLIMITED = (1 << 64) - 1
_NEVER_REACHED = 1 << 62  # version 1 writes "no limit" as the largest number of whole pages in 63 bits
_TICK = 1_000_000 // os.sysconf("SC_CLK_TCK")  # microseconds
_PAGE = os.sysconf("SC_PAGE_SIZE")
_MEMORY_OF_VERSION_1 = {
    "anon": "total_rss",
    "file": "total_cache",
    "file_mapped": "total_mapped_file",
    "file_dirty": "total_dirty",
    "file_writeback": "total_writeback",
    "shmem": "total_shmem",
    "inactive_anon": "total_inactive_anon",
    "active_anon": "total_active_anon",
    "inactive_file": "total_inactive_file",
    "active_file": "total_active_file",
    "unevictable": "total_unevictable",
    "pgfault": "total_pgfault",
    "pgmajfault": "total_pgmajfault",
}


class Usage:
    """Figures by name: cpu in microseconds, memory in bytes, pids in tasks, events since the beginning."""

    __slots__ = ("cpu", "events", "memory", "pids")

    def __init__(
        self, cpu: dict[str, int], memory: dict[str, int], pids: dict[str, int], events: dict[str, int]
    ) -> None:
        self.cpu = cpu
        self.memory = memory
        self.pids = pids
        self.events = events


def of_cgroup(cgroup: "Cgroup") -> Usage:
    """All figures of a cgroup; what its controllers do not tell comes from its members."""
    members: list[Usage] = []

    def beyond() -> Usage:
        if not members:
            members.append(of_processes(cgroup.members()))
        return members[0]

    return Usage(
        _cpu(cgroup) or beyond().cpu,
        _memory(cgroup) or beyond().memory,
        _pids(cgroup) or beyond().pids,
        _numbers(directory.read(cgroup.find("memory", "memory.events"))),
    )


def of_processes(pids: "Iterable[int]", *, children: bool = True) -> Usage:
    """The sum over these processes; with children, of those that they have waited for too."""
    user = system = tasks = faults = major = anonymous = shared = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat", "rb") as file:
                fields = [int(n) for n in file.read().rpartition(b")")[2].split()[1:]]
            with open(f"/proc/{pid}/statm", "rb") as file:
                resident, mapped = map(int, file.read().split()[1:3])
        except (OSError, ValueError):
            continue  # it has ended since
        faults, major = faults + fields[6], major + fields[8]  # minflt and majflt: fields 10 and 12 of proc(5)
        user += fields[10] + (fields[12] if children else 0)  # utime and cutime: 14 and 16
        system += fields[11] + (fields[13] if children else 0)  # stime and cstime: 15 and 17
        tasks += fields[16]  # num_threads: 20
        anonymous, shared = anonymous + (resident - mapped) * _PAGE, shared + mapped * _PAGE
    return Usage(
        {"usage_usec": (user + system) * _TICK, "user_usec": user * _TICK, "system_usec": system * _TICK},
        {
            "usage": anonymous + shared,
            "anon": anonymous,
            "file": shared,
            "pgfault": faults,
            "pgmajfault": major,
            "usage_limit": UNLIMITED,
        },
        {"current": tasks},
        {},
    )


def _cpu(cgroup: "Cgroup") -> dict[str, int]:
    of_version_2 = _numbers(directory.read(cgroup.find("", "cpu.stat")))
    if of_version_2:
        return of_version_2
    total = directory.read(cgroup.find("cpuacct", "cpuacct.usage"))
    if not total:
        return {}
    ticks = _numbers(directory.read(cgroup.find("cpuacct", "cpuacct.stat")))
    throttled = _numbers(directory.read(cgroup.find("cpu", "cpu.stat")))
    return {
        "usage_usec": int(total) // 1000,
        "user_usec": ticks.get("user", 0) * _TICK,
        "system_usec": ticks.get("system", 0) * _TICK,
        "nr_periods": throttled.get("nr_periods", 0),
        "nr_throttled": throttled.get("nr_throttled", 0),
        "throttled_usec": throttled.get("throttled_time", 0) // 1000,
    }


def _memory(cgroup: "Cgroup") -> dict[str, int]:
    figures = _numbers(directory.read(cgroup.find("memory", "memory.stat")))
    if not figures:
        return {}
    if "total_rss" in figures:
        files = {"usage": "memory.usage_in_bytes", "max_usage": "memory.max_usage_in_bytes"}
        limit = figures.get("hierarchical_memory_limit", UNLIMITED)
        figures = {ours: figures.get(theirs, 0) for ours, theirs in _MEMORY_OF_VERSION_1.items()}
        figures["usage_limit"] = UNLIMITED if limit >= _NEVER_REACHED else limit
    else:
        files = {
            "usage": "memory.current",
            "usage_limit": "memory.max",
            "max_usage": "memory.peak",
            "swap_usage": "memory.swap.current",
            "swap_limit": "memory.swap.max",
        }
    for name, file in files.items():
        figures[name] = _number(directory.read(cgroup.find("memory", file)))
    return figures


def _pids(cgroup: "Cgroup") -> dict[str, int]:
    current = directory.read(cgroup.find("pids", "pids.current"))
    if not current:
        return {}
    limit = _number(directory.read(cgroup.find("pids", "pids.max")))
    return {"current": int(current), "limit": 0 if limit == UNLIMITED else limit}


def _numbers(text: str) -> dict[str, int]:
    """Lines of "name number"."""
    pairs = (line.split() for line in text.splitlines())
    return {pair[0]: int(pair[1]) for pair in pairs if len(pair) == 2 and pair[1].isdigit()}


def _number(text: str) -> int:
    return UNLIMITED if text == "max" else int(text or 0)
