"""Many Pods through a real kubelet: from the first being created to the last being Running, as a watch sees it.

The reference runs the pause image by containerd-shim-runc-v2 and runc, which is the least that a container can be.
"""

from __future__ import annotations

import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from tests.bench.cluster import RUNTIMES, rest
from tests.bench.table import Row, Target

if TYPE_CHECKING:
    from tests.bench.cluster import Cluster

COUNT = 40
_CREATORS = 8  # at the same time: creating must not be what is measured
_PATIENCE = 120  # seconds


def measure(cluster: Cluster, rounds: int, count: int = COUNT) -> list[Row]:
    """Seconds, the median of rounds, in turn; the first of each is a warm-up with few Pods."""
    times: dict[str, list[float]] = {name: [] for name in RUNTIMES}
    for number in range(rounds + 1):
        for name in RUNTIMES:
            rest()
            took = until_running(cluster, name, count if number else 4)
            cluster.clear()
            if number:
                times[name].append(took)
    what = f"{count} Pods through kubelet, created to all Running, s"
    return [Row.of(what, times, statistics.median, Target(0.50) if count == COUNT else None)]


def until_running(cluster: Cluster, runtime: str, count: int, *, busybox: bool = False) -> float:
    """Seconds for so many Pods, which are named by their runtime and a number."""
    missing = {f"{runtime}-{number}" for number in range(count)}
    running = cluster.running(_PATIENCE)
    begun = time.perf_counter()
    with ThreadPoolExecutor(_CREATORS) as pool:
        created = [pool.submit(cluster.create, cluster.pod(name, runtime, busybox=busybox)) for name in sorted(missing)]
        for name in running:
            missing.discard(name)
            if not missing:
                break
        took = time.perf_counter() - begun
        for each in created:
            each.result()
    if missing:
        raise SystemExit(f"{len(missing)} of {count} Pods are not Running after {_PATIENCE} s: {sorted(missing)[:3]}")
    return took
