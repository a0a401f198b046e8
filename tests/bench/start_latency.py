"""`ctr run --rm /bin/true`, end to end, by our shim and by containerd-shim-runc-v2 with runc.

Both go through the same containerd and the same ctr, in turn, so that a machine that becomes slower slows both.
"""

from __future__ import annotations

import statistics
import time
from functools import partial
from typing import TYPE_CHECKING

from tests.bench.table import Row, Target, percentile
from tests.conformance.containerd import REAPER, RUNC

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conformance.containerd import Containerd

RUNTIMES = {"reaper": REAPER, "runc": RUNC}


def measure(containerd: Containerd, rootfs: Path, rounds: int) -> list[Row]:
    """Milliseconds; the first of each is a warm-up."""
    times: dict[str, list[float]] = {name: [] for name in RUNTIMES}
    for number in range(rounds + 1):
        for name, runtime in RUNTIMES.items():
            begun = time.perf_counter()
            containerd.run(f"{name}{number}", rootfs, ["/bin/true"], "--rm", runtime=runtime, check=True)
            if number:
                times[name].append(1000 * (time.perf_counter() - begun))
    what = "`ctr run --rm /bin/true`, {}, ms"
    return [
        Row.of(what.format("median"), times, statistics.median, Target(0.55)),
        Row.of(what.format("p95"), times, partial(percentile, share=95)),
    ]
