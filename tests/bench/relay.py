"""What a process writes to its standard output, through our shim and through runc's: throughput and CPU.

The process writes zeros as fast as it can; the reader throws them away inside the kernel. CPU is the shim's own.
"""

from __future__ import annotations

import os
import statistics
import threading
import time
from typing import TYPE_CHECKING

from reaper_runtime.wire import messages as m
from tests.bench.accounts import usage
from tests.bench.exit_latency import shims
from tests.bench.table import Row, Target
from tests.conformance.shim import Output

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conformance.shim import Shim


def measure(rounds: int, megabytes: int) -> list[Row]:
    """Medians of rounds of so many megabytes; the first of each is a warm-up."""
    speeds: dict[str, list[float]] = {"reaper": [], "runc": []}
    costs: dict[str, list[float]] = {"reaper": [], "runc": []}
    with shims() as both:
        for number in range(rounds + 1):
            for shim in both:
                seconds, cpu = stream(shim, f"c{number}", megabytes)
                if number:
                    speeds[shim.runtime.name].append(megabytes / seconds)
                    costs[shim.runtime.name].append(cpu * 1024 / megabytes)
    return [
        Row.of("stdout through the shim, MB/s", speeds, statistics.median, Target(1.0, at_least=True)),
        Row.of("CPU of the shim for it, s a GB", costs, statistics.median, Target(1.0)),
    ]


def stream(shim: Shim, name: str, megabytes: int) -> tuple[float, float]:
    """Seconds from the start to the last byte, and CPU seconds of the shim meanwhile."""
    path = shim.bundle(name, "/bin/head", "-c", str(megabytes << 20), "/dev/zero", mounts=MOUNTS)
    if not shim.address:
        shim.launch(name)
    os.mkfifo(path / "stdout")
    spare = os.open(path / "stdout", os.O_RDWR)
    sink = Sink(path / "stdout", megabytes << 20)
    errors = Output(path / "stderr")  # the reference wants it
    request = m.CreateTaskRequest(id=name, bundle=str(path), stdout=str(path / "stdout"), stderr=str(errors.path))
    shim.client.call("Create", request, m.CreateTaskResponse)
    shim.containers.append(name)
    pid = shim.client.call("Connect", m.ConnectRequest(id=name), m.ConnectResponse).shim_pid
    before, begun = usage(pid).cpu, time.perf_counter()
    shim.client.call("Start", m.StartRequest(id=name), m.StartResponse)
    sink.join()
    took, used = time.perf_counter() - begun, usage(pid).cpu - before
    shim.client.call("Wait", m.WaitRequest(id=name), m.WaitResponse)
    shim.client.call("Delete", m.DeleteRequest(id=name), m.DeleteResponse)
    shim.containers.remove(name)
    os.close(spare)
    return took, used


MOUNTS = [
    {"destination": "/proc", "type": "proc", "source": "proc"},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
]


class Sink(threading.Thread):
    """Reads so many bytes of a FIFO and keeps none."""

    def __init__(self, path: Path, count: int) -> None:
        super().__init__(daemon=True)
        self._fd = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        os.set_blocking(self._fd, True)
        self._left = count
        self.start()

    def run(self) -> None:
        null = os.open(os.devnull, os.O_WRONLY)
        while self._left > 0:
            self._left -= os.splice(self._fd, null, 1 << 20)
        os.close(null)
        os.close(self._fd)
