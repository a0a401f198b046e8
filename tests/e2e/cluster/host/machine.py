"""What this machine is and may do: the facts that decide how a node has to be configured."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from pathlib import Path

_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


@dataclass(frozen=True)
class Machine:
    """Values, read once."""

    architecture: str  # as Go and Docker name it
    capabilities: frozenset[int]  # numbers of those that a process here can ever have
    known_capabilities: int  # how many the kernel knows
    cgroup: int  # 1 or 2
    root: bool
    linux: bool

    @property
    def lacks_capabilities(self) -> bool:
        return len(self.capabilities) < self.known_capabilities

    @property
    def as_root(self) -> tuple[str, ...]:
        """What goes before a command that only root may run. sudo must not ask: nobody may be there to answer."""
        return () if self.root else ("sudo", "--non-interactive")

    @property
    def may_lower_oom_scores(self) -> bool:
        return CAP_SYS_RESOURCE in self.capabilities


CAP_SYS_RESOURCE = 24


def read_machine() -> Machine:
    proc = Path("/proc")
    linux = platform.system() == "Linux"
    status = (proc / "self/status").read_text() if linux else ""
    last = (proc / "sys/kernel/cap_last_cap").read_text() if linux else "-1"
    return Machine(
        architecture=_ARCHITECTURES.get(platform.machine(), platform.machine()),
        capabilities=bounding_set(status),
        known_capabilities=int(last) + 1,
        cgroup=2 if not linux or Path("/sys/fs/cgroup/cgroup.controllers").exists() else 1,
        root=os.geteuid() == 0,
        linux=linux,
    )


def bounding_set(status: str) -> frozenset[int]:
    """The capability numbers in the CapBnd line of /proc/self/status."""
    for line in status.splitlines():
        if line.startswith("CapBnd:"):
            bits = int(line.split()[1], 16)
            return frozenset(number for number in range(bits.bit_length()) if bits >> number & 1)
    return frozenset()
