"""With reaper.runtime/cgroup: pod a container is in the cgroup that kubelet chose, with its limits."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reaper_runtime.host.cgroup import hierarchies
from reaper_runtime.wire import messages as m
from reaper_runtime.wire.metrics import TYPE_URL, Metrics
from tests.conformance.kubelet import DRIVERS, PodCgroup, resize, slice_of_systemd, systemd_runs
from tests.conformance.processes import SHARED, alive, eventually
from tests.conformance.shim import SHELL_PATH

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reaper_runtime.wire.protobuf import Message
    from tests.conformance.shim import Container, Shim

MEMORY = ("memory.max", "memory.limit_in_bytes")
TOLD = ["TaskStart", "TaskOOM", "TaskExit"]
FORKS = "setsid sh -c 'while :; do sleep 300 & sleep 0.01; done' & exec sleep 300"
EATS = "import sys; b = bytearray(); sys.stdout.write('up')\nwhile True: b += bytes(1 << 20)"


@pytest.fixture(params=DRIVERS)
def pod(request: pytest.FixtureRequest) -> Iterator[PodCgroup]:
    """Paths by each of kubelet's cgroup drivers; what a container leaves there fails its test."""
    made = DRIVERS[request.param]()
    yield made
    left = made.inside()
    made.remove()
    assert not left


@pytest.fixture
def pod_slice() -> Iterator[PodCgroup]:
    """A slice of 256 MiB that systemd has made and knows."""
    if not systemd_runs() or "memory" not in hierarchies.current().controllers:
        pytest.skip("no systemd with cgroup version 2 here: make conformance-v2")
    yield from slice_of_systemd(256 << 20)


def ended(task: Container) -> None:
    task.kill(signal.SIGKILL)
    assert task.wait() == 137
    task.delete()


def has_exit(events: list[Message]) -> bool:
    return any(isinstance(event, m.TaskExit) for event in events)


def values(pod: PodCgroup, *names: str) -> list[int]:
    return [int(file.read_text()) for file in pod.files(*names)]


def test_limits_are_those_of_kubelets_cgroup(reaper: Shim, pod: PodCgroup) -> None:
    """OCI runtime-spec, config-linux.md, "Cgroups Path", "Memory", "CPU"; docs/runtime.md, "Cgroups"."""
    task = reaper.create("c", "/bin/sleep", "300", **pod.bundle(memory={"limit": 64 << 20}, cpu={"shares": 512}))
    task.start()
    assert values(pod, *MEMORY) == [64 << 20]
    assert str(task.pid) in (pod.files(*MEMORY)[0].parent / "cgroup.procs").read_text().split()
    task.update({"memory": {"limit": 32 << 20}})
    assert values(pod, *MEMORY) == [32 << 20]
    ended(task)
    assert pod.inside() == []


def test_an_exec_has_them_too(reaper: Shim, pod: PodCgroup) -> None:
    """docs/runtime.md, "Cgroups": an exec is in the cgroup of its container."""
    task = reaper.create("c", "/bin/sleep", "300", **pod.bundle(memory={"limit": 64 << 20}))
    task.start()
    task.exec("x", "/bin/sleep", "300")
    pid = task.start("x")
    members = (pod.files(*MEMORY)[0].parent / "cgroup.procs").read_text().split()
    assert set(members) == {str(task.pid), str(pid)}
    ended(task)
    assert not alive(pid)


def test_stats_have_the_limits(reaper: Shim, pod: PodCgroup) -> None:
    """containerd/cgroups, cgroup2/stats/metrics.proto: usage_limit, pids.limit; kubelet's summary is made of them."""
    task = reaper.create("c", "/bin/sleep", "300", **pod.bundle(memory={"limit": 64 << 20}, pids={"limit": 50}))
    task.start()
    stats = task.stats()
    assert stats.type_url == TYPE_URL
    figures = Metrics.decode(stats.value)
    assert figures.memory is not None
    assert figures.pids is not None
    assert (figures.memory.usage_limit, figures.pids.limit, figures.pids.current) == (64 << 20, 50, 1)
    (used,) = values(pod, "memory.current", "memory.usage_in_bytes")
    assert abs(figures.memory.usage - used) < 4 << 20
    ended(task)


def test_what_forks_all_the_time_dies_whole(reaper: Shim, pod: PodCgroup) -> None:
    """cgroup-v2.rst, cgroup.kill: "protected against concurrent forks"; in version 1 by killing again and again."""
    task = reaper.create("c", "/bin/sh", "-c", FORKS, **pod.bundle(pids={"limit": 60}))
    task.start()
    eventually(lambda: len(task.pids()) > 20)
    members = task.pids()
    ended(task)
    assert not any(alive(pid) for pid in members)
    assert pod.inside() == []


def test_an_oom_kill_is_told(reaper: Shim, pod: PodCgroup) -> None:
    """containerd, docs/runtime-v2.md, "Events": TaskOOM. Ours: before TaskExit, or CRI has no reason for the end."""
    task = reaper.create("c", "/usr/bin/python3", "-c", EATS, **pod.bundle(memory={"limit": 48 << 20}))
    task.start()
    assert task.wait(seconds=20) == 137
    assert [type(event).__name__ for event in reaper.events.wait_for(has_exit)[1:4]] == TOLD
    task.delete()


def test_limits_in_a_slice_of_systemd(reaper: Shim, pod_slice: PodCgroup) -> None:
    """docs/runtime.md, "Cgroups": the slice is systemd's, and the scope in it is made without it."""
    task = reaper.create("c", "/bin/sleep", "300", **pod_slice.bundle(memory={"limit": 64 << 20}))
    task.start()
    (limit,) = pod_slice.files("memory.max")
    assert (limit.parent.parent / "memory.max").read_text() == f"{256 << 20}\n"
    assert limit.read_text() == f"{64 << 20}\n"
    ended(task)
    assert pod_slice.inside() == []


def test_limits_are_back_after_systemd_took_them(reaper: Shim, pod_slice: PodCgroup) -> None:
    """docs/runtime.md, "Cgroups": the next change of a container's resources gives them back, after a resize."""
    limits = pod_slice.bundle(memory={"limit": 64 << 20}, cpu={"shares": 512}, pids={"limit": 50})
    limits["env"] = [SHELL_PATH, f"EATS={EATS}"]
    gate = Path(SHARED) / f"reaper-conformance-{os.getpid()}"
    os.mkfifo(gate)
    task = reaper.create("c", "/bin/sh", "-c", f'read line < {gate}; exec /usr/bin/python3 -c "$EATS"', **limits)
    task.start()
    resize(pod_slice, "MemoryMax=128M", "CPUWeight=50")
    eventually(lambda: not pod_slice.files("memory.max", "pids.max", "cpu.weight"), what="what is to be mended")
    task.update({"memory": {"limit": 48 << 20}})
    assert values(pod_slice, "memory.max", "pids.max") == [48 << 20, 50]
    assert values(pod_slice, "cpu.weight") == [20]
    gate.write_text("go\n")
    gate.unlink()
    assert task.wait(seconds=20) == 137
    assert [type(event).__name__ for event in reaper.events.wait_for(has_exit)[1:4]] == TOLD
    task.delete()
