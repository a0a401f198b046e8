"""What was used: by a process, as /proc says, and of the API server, as its audit log says."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.integration.control_plane import Request

READS = frozenset({"get", "list", "watch"})
LEASES = "leases"


class Usage(NamedTuple):
    """Of one process, so far."""

    cpu: float  # seconds of processors, its own and the kernel's for it
    peak: float  # MB of memory that it had at most: VmHWM


def usage(pid: int) -> Usage:
    """What a process has used. See proc_pid_stat(5) and proc_pid_status(5)."""
    folder = Path("/proc") / str(pid)
    return Usage(
        cpu_seconds((folder / "stat").read_text(), os.sysconf("SC_CLK_TCK")),
        peak_megabytes((folder / "status").read_text()),
    )


def cpu_seconds(stat: str, ticks: int) -> float:
    """utime and stime of /proc/PID/stat; the program's name before them may have spaces and brackets in it."""
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / ticks


def peak_megabytes(status: str) -> float:
    """VmHWM of /proc/PID/status, in MB of a million bytes."""
    found = re.search(r"^VmHWM:\s+(\d+) kB$", status, re.MULTILINE)
    if found is None:
        raise ValueError("no VmHWM: that is a thread of the kernel")
    return int(found[1]) * 1024 / 1e6


class Requests(NamedTuple):
    """How many somebody has made."""

    reads: int
    writes: int
    leases: int  # to keep a Lease, read or written: nothing that is about tasks

    @property
    def total(self) -> int:
        """Those that are about tasks."""
        return self.reads + self.writes


def requests(log: Iterable[Request], since: float = 0.0) -> Requests:
    """Those that the API server has received since then, in seconds since the epoch. Attempts count, whatever came of
    them."""
    counted = [request for request in log if request.received >= since]
    leases = sum(request.resource == LEASES for request in counted)
    reads = sum(request.verb in READS and request.resource != LEASES for request in counted)
    return Requests(reads, len(counted) - reads - leases, leases)


def seconds_to_create(log: Iterable[Request], kind: str, made: str) -> float:
    """From the first object of a kind being asked for until the last one of another kind is there."""
    creates = [request for request in log if request.verb == "create" and request.done]
    begun = min(request.received for request in creates if request.resource == kind)
    return max(request.answered for request in creates if request.resource == made) - begun
