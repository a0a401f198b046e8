"""io.containerd.cgroups.v2.Metrics (containerd/cgroups, cgroup2/stats): what Stats answers on every node.

containerd accepts this or its counterpart of version 1, from any node; nothing else. Pressure, RDMA, I/O, huge pages
and network are left out.
"""

from reaper_runtime.wire.protobuf import UINT, Message, field

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

TYPE_URL = "io.containerd.cgroups.v2.Metrics"


class _Figures(Message):
    """A message of numbers."""

    @classmethod
    def of(cls, figures: dict[str, int]) -> "Self":
        """From figures by name; those that the message does not have are left out."""
        known = {declared.name for declared in cls._fields}
        return cls(**{name: value for name, value in figures.items() if name in known})


class PidsStat(_Figures):
    """io.containerd.cgroups.v2.PidsStat"""

    current: int = field(1, UINT)
    limit: int = field(2, UINT)


class CPUStat(_Figures):
    """io.containerd.cgroups.v2.CPUStat"""

    usage_usec: int = field(1, UINT)
    user_usec: int = field(2, UINT)
    system_usec: int = field(3, UINT)
    nr_periods: int = field(4, UINT)
    nr_throttled: int = field(5, UINT)
    throttled_usec: int = field(6, UINT)
    nr_bursts: int = field(8, UINT)
    burst_usec: int = field(9, UINT)


class MemoryStat(_Figures):
    """io.containerd.cgroups.v2.MemoryStat"""

    anon: int = field(1, UINT)
    file: int = field(2, UINT)
    kernel_stack: int = field(3, UINT)
    slab: int = field(4, UINT)
    sock: int = field(5, UINT)
    shmem: int = field(6, UINT)
    file_mapped: int = field(7, UINT)
    file_dirty: int = field(8, UINT)
    file_writeback: int = field(9, UINT)
    anon_thp: int = field(10, UINT)
    inactive_anon: int = field(11, UINT)
    active_anon: int = field(12, UINT)
    inactive_file: int = field(13, UINT)
    active_file: int = field(14, UINT)
    unevictable: int = field(15, UINT)
    slab_reclaimable: int = field(16, UINT)
    slab_unreclaimable: int = field(17, UINT)
    pgfault: int = field(18, UINT)
    pgmajfault: int = field(19, UINT)
    workingset_refault: int = field(20, UINT)
    workingset_activate: int = field(21, UINT)
    workingset_nodereclaim: int = field(22, UINT)
    pgrefill: int = field(23, UINT)
    pgscan: int = field(24, UINT)
    pgsteal: int = field(25, UINT)
    pgactivate: int = field(26, UINT)
    pgdeactivate: int = field(27, UINT)
    pglazyfree: int = field(28, UINT)
    pglazyfreed: int = field(29, UINT)
    thp_fault_alloc: int = field(30, UINT)
    thp_collapse_alloc: int = field(31, UINT)
    usage: int = field(32, UINT)
    usage_limit: int = field(33, UINT)
    swap_usage: int = field(34, UINT)
    swap_limit: int = field(35, UINT)
    max_usage: int = field(36, UINT)
    swap_max_usage: int = field(37, UINT)


class MemoryEvents(_Figures):
    """io.containerd.cgroups.v2.MemoryEvents"""

    low: int = field(1, UINT)
    high: int = field(2, UINT)
    max: int = field(3, UINT)
    oom: int = field(4, UINT)
    oom_kill: int = field(5, UINT)
    oom_group_kill: int = field(6, UINT)


class Metrics(Message):
    """io.containerd.cgroups.v2.Metrics"""

    pids: PidsStat | None = field(1, PidsStat)
    cpu: CPUStat | None = field(2, CPUStat)
    memory: MemoryStat | None = field(4, MemoryStat)
    memory_events: MemoryEvents | None = field(8, MemoryEvents)

    @classmethod
    def of(cls, pids: dict[str, int], cpu: dict[str, int], memory: dict[str, int], events: dict[str, int]) -> "Self":
        """From figures by name."""
        return cls(
            pids=PidsStat.of(pids),
            cpu=CPUStat.of(cpu),
            memory=MemoryStat.of(memory),
            memory_events=MemoryEvents.of(events),
        )
