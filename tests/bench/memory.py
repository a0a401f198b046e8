"""Memory of the shims of so many running pods, ours and containerd-shim-runc-v2.

PSS is read as containerd's own density test does: the shim's smaps_rollup. Ours counts the fork server too, and both
leave out the workload.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from tests.bench.start_latency import RUNTIMES
from tests.bench.table import Row, Target

if TYPE_CHECKING:
    from tests.conformance.containerd import Containerd

FULL = 100  # pods, for which there is a target


def measure(containerd: Containerd, rootfs: Path, pods: int) -> list[Row]:
    """Megabytes a pod."""
    used: dict[str, float] = {}
    for name, runtime in RUNTIMES.items():
        names = [f"{name}-m{number}" for number in range(pods)]
        for pod in names:
            containerd.run(pod, rootfs, ["/bin/sleep", "600"], "-d", runtime=runtime, check=True)
        used[name] = sum(map(pss, shims(containerd, name))) / pods / 1e6
        for pod in names:
            containerd.ctr("task", "rm", "-f", pod)
            containerd.ctr("container", "rm", pod)
    return [Row(f"PSS a pod at {pods} pods, MB", used["reaper"], used["runc"], Target(0.80) if pods >= FULL else None)]


def shims(containerd: Containerd, name: str) -> list[int]:
    """The shims of this containerd, and for ours the fork server: their parent."""
    program = "containerd-shim-reaper-v2 " if name == "reaper" else "containerd-shim-runc-v2 "
    found = set()
    for path in Path("/proc").glob("[0-9]*"):
        try:
            line = (path / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            parent = int((path / "stat").read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
        if program in line and str(containerd.folder) in line:
            found.add(int(path.name))
            if name == "reaper":
                found.add(parent)
    return sorted(found)


def pss(pid: int) -> int:
    """Proportional set size in bytes (proc(5), smaps_rollup)."""
    text = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return 1024 * int(re.findall(r"^Pss: +(\d+) kB", text, re.MULTILINE)[0])
