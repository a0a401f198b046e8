"""From the end of a process to the answer of Wait, beside containerd-shim-runc-v2.

Each shim has a container that sleeps and a Wait under way; the container's process is killed, and the time until the
answer is here is taken. Both in turn, with the same ttrpc client.
"""

from __future__ import annotations

import os
import shutil
import signal
import statistics
import tempfile
import time
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reaper_runtime.wire import messages as m
from tests.bench.table import Row, Target, percentile
from tests.conformance.containerd import BUNDLE, busybox_rootfs
from tests.conformance.processes import pause
from tests.conformance.shim import Runtime, Shim

if TYPE_CHECKING:
    from collections.abc import Iterator

SETTLE = 0.01  # seconds: the process sleeps and Wait has arrived


def measure(rounds: int) -> list[Row]:
    """Milliseconds; the first of each is a warm-up."""
    times: dict[str, list[float]] = {"reaper": [], "runc": []}
    with shims() as both:
        for number in range(rounds + 1):
            for shim in both:
                took = end(shim, number)
                if number:
                    times[shim.runtime.name].append(1000 * took)
    what = "exit of the process to Wait answered, {}, ms"
    return [
        Row.of(what.format("median"), times, statistics.median),
        Row.of(what.format("p99"), times, partial(percentile, share=99), Target(20, unit="ms")),
    ]


@contextmanager
def shims() -> Iterator[tuple[Shim, Shim]]:
    """Ours and the reference's, with folders of their own."""
    found = shutil.which("containerd-shim-runc-v2")
    if found is None:
        raise SystemExit("containerd-shim-runc-v2 is missing: apt-get install containerd runc")
    with tempfile.TemporaryDirectory(prefix="b-", dir="/tmp") as folder:
        (Path(folder) / "rootfs").mkdir()
        rootfs = busybox_rootfs(Path(folder) / "rootfs")
        made = []
        for name, program in (("reaper", BUNDLE / "bin" / "containerd-shim-reaper-v2"), ("runc", Path(found))):
            path = Path(folder) / f"{Path(folder).name}-{name}"
            path.mkdir()
            made.append(Shim(Runtime(name, program, rootfs), path, bootstrap=name == "reaper"))
        try:
            yield made[0], made[1]
        finally:
            for shim in made:
                shim.close()


def end(shim: Shim, number: int) -> float:
    """Seconds from the kill to the answer."""
    task = shim.create(f"c{number}", "/bin/sleep", "60")
    task.start()
    waiting = shim.client.begin("Wait", m.WaitRequest(id=task.name))
    pause(SETTLE)
    begun = time.perf_counter()
    os.kill(task.pid, signal.SIGKILL)
    waiting.result(m.WaitResponse)
    took = time.perf_counter() - begun
    task.delete()
    shim.containers.remove(task.name)
    return took
