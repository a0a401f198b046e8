"""Start-up time and memory of our shim beside containerd-shim-runc-v2 and runc, in one run, as ratios.

    make bench                       the figures of the README
    python -m tests.bench.start_latency --rounds 10 --pods 10 30

Both go through the same containerd and the same ctr, in turn, so that a machine that becomes slower slows both.
PSS is read as containerd's own density test does: the shim's smaps_rollup; ours counts the fork server too, and both
leave out the workload.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.conformance.containerd import REAPER, RUNC, Containerd, busybox_rootfs, newest_programs

if TYPE_CHECKING:
    from collections.abc import Sequence

ROOT = Path(__file__).resolve().parents[2]
RUNTIMES = {"reaper": REAPER, "runc": RUNC}


def main(arguments: Sequence[str]) -> int:
    """Print the table; 0 when everything ran."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=40, help="runs of each runtime (default: 40)")
    parser.add_argument("--pods", type=int, nargs="*", default=[10, 30, 100], help="(default: 10 30 100)")
    options = parser.parse_args(arguments)
    with (
        tempfile.TemporaryDirectory() as folder,
        Containerd(newest_programs(), ROOT / "build" / "runtime") as containerd,
    ):
        rootfs = busybox_rootfs(Path(folder))
        version = re.findall(r"Version: *(\S+)", containerd.ctr("version").stdout)[-1]
        print(f"containerd {version}, {options.rounds} rounds\n")
        print(f"{'':34}{'reaper':>10}{'runc':>10}{'ratio':>8}")
        latency(containerd, rootfs, options.rounds)
        for pods in options.pods:
            memory(containerd, rootfs, pods)
    return 0


def latency(containerd: Containerd, rootfs: Path, rounds: int) -> None:
    """`ctr run --rm /bin/true`, in turn."""
    times: dict[str, list[float]] = {name: [] for name in RUNTIMES}
    for number in range(rounds + 1):
        for name, runtime in RUNTIMES.items():
            begun = time.perf_counter()
            containerd.run(f"{name}{number}", rootfs, ["/bin/true"], "--rm", runtime=runtime, check=True)
            if number:  # the first of each is a warm-up
                times[name].append(time.perf_counter() - begun)
    for label, figure in (("median", statistics.median), ("p95", p95)):
        row(f"ctr run --rm /bin/true, {label}, ms", *(1000 * figure(times[name]) for name in RUNTIMES))


def memory(containerd: Containerd, rootfs: Path, pods: int) -> None:
    """PSS of the shims of this many running pods, a pod."""
    used = []
    for name, runtime in RUNTIMES.items():
        names = [f"{name}-m{number}" for number in range(pods)]
        for pod in names:
            containerd.run(pod, rootfs, ["/bin/sleep", "600"], "-d", runtime=runtime, check=True)
        used.append(sum(map(pss, shims(containerd, name))) / pods / 1e6)
        for pod in names:
            containerd.ctr("task", "rm", "-f", pod)
            containerd.ctr("container", "rm", pod)
    row(f"PSS a pod at {pods} pods, MB", *used)


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


def p95(values: list[float]) -> float:
    """The value that 95 of 100 do not exceed."""
    return statistics.quantiles(values, n=20)[-1]


def row(label: str, ours: float, theirs: float) -> None:
    """One line of the table."""
    print(f"{label:34}{ours:10.2f}{theirs:10.2f}{ours / theirs:8.2f}", flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
