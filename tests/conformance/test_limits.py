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
from tests.conformance.kubelet import (
    DRIVERS,
    PodCgroup,
    of_systemd,
    reload_units,
    resize,
    slice_of_systemd,
    systemd_runs,
)
from tests.conformance.processes import SHARED, alive, eventually
from tests.conformance.shim import SHELL_PATH
from tests.conformance.test_cgroups import DIVIDE
from tests.conformance.test_host_process import shim_pid

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reaper_runtime.wire.protobuf import Message
    from tests.conformance.shim import Container, Shim

PAUSED = 4  # of api/types/task/task.proto
GONE = {"LoadState": "not-found", "ActiveState": "inactive"}
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
    """docs/runtime.md, "Cgroups": the slice is systemd's, and so is the scope in it."""
    task = reaper.create("c", "/bin/sleep", "300", **pod_slice.bundle(memory={"limit": 64 << 20}))
    task.start()
    (limit,) = pod_slice.files("memory.max")
    assert (limit.parent.parent / "memory.max").read_text() == f"{256 << 20}\n"
    assert limit.read_text() == f"{64 << 20}\n"
    assert pod_slice.files("pids.max")[0].read_text() == "max\n", "not systemd's DefaultTasksMax"
    shown = pod_slice.unit("ActiveState", "Delegate", "Slice", "MemoryMax", "KillMode", "SendSIGKILL", "CollectMode")
    assert shown == {
        "ActiveState": "active",
        "Delegate": "yes",
        "Slice": Path(pod_slice.pod).name,
        "MemoryMax": str(64 << 20),
        "KillMode": "control-group",
        "SendSIGKILL": "yes",
        "CollectMode": "inactive-or-failed",
    }
    assert str(task.pid) in (limit.parent / "cgroup.procs").read_text().split()
    ended(task)
    assert pod_slice.inside() == []
    assert pod_slice.unit("LoadState", "ActiveState") == GONE


def test_limits_stay_when_systemd_changes_the_slice(reaper: Shim, pod_slice: PodCgroup) -> None:
    """docs/runtime.md, "Cgroups": as by a resize in place; nor do they go when systemd reads its units again."""
    limits = {"memory": {"limit": 64 << 20}, "cpu": {"shares": 512, "quota": 50_000}, "pids": {"limit": 50}}
    task = reaper.create("c", "/bin/sleep", "300", **pod_slice.bundle(**limits))
    task.start()
    for change in ("MemoryMax=128M", "CPUWeight=50"):
        resize(pod_slice, change)
        reload_units()
        assert values(pod_slice, "memory.max", "pids.max") == [64 << 20, 50]
        assert values(pod_slice, "cpu.weight") == [20]
        assert pod_slice.files("cpu.max")[0].read_text() == "50000 100000\n"
    task.update({"memory": {"limit": 48 << 20}, "pids": {"limit": 60}, "cpu": {"quota": 20_000}})
    resize(pod_slice, "MemoryMax=100M")
    reload_units()
    assert values(pod_slice, "memory.max", "pids.max") == [48 << 20, 60]
    assert pod_slice.files("cpu.max")[0].read_text() == "20000 100000\n"
    ended(task)


def test_an_oom_kill_in_a_unit_is_told(reaper: Shim, pod_slice: PodCgroup) -> None:
    """As below, while systemd removes the cgroup. containerd 2.3 asks for the figures after the end."""
    limits = pod_slice.bundle(memory={"limit": 48 << 20}, unified={"memory.oom.group": "1"})
    task = reaper.create("c", "/usr/bin/python3", "-c", EATS, **limits)
    assert [file.read_text() for file in pod_slice.files("memory.oom.group")] == ["1\n"]
    assert pod_slice.unit("ActiveState") == {"ActiveState": "active"}
    task.start()
    assert task.wait(seconds=20) == 137
    assert [type(event).__name__ for event in reaper.events.wait_for(has_exit)[1:4]] == TOLD
    figures = Metrics.decode(task.stats().value)
    assert figures.memory_events is not None
    assert figures.memory_events.oom_kill >= 1
    assert figures.memory is not None
    assert figures.memory.usage_limit == 48 << 20
    task.delete()
    assert pod_slice.inside() == []


def test_a_unit_can_be_paused(reaper: Shim, pod_slice: PodCgroup) -> None:
    """api/runtime/task/v3/shim.proto, Pause and Resume; systemd changes nothing of that."""
    task = reaper.create("c", "/bin/sleep", "300", **pod_slice.bundle(memory={"limit": 64 << 20}))
    task.start()
    task.pause()
    resize(pod_slice, "MemoryMax=128M")
    reload_units()
    assert task.state().status == PAUSED
    assert values(pod_slice, "cgroup.freeze") == [1]
    task.resume()
    task.exec("x", "/bin/true")
    task.start("x")
    assert task.wait("x") == 0
    ended(task)


def test_a_unit_of_a_divided_cgroup_ends(reaper: Shim, pod_slice: PodCgroup) -> None:
    """docs/runtime.md, "Cgroups": a process may divide its container's cgroup."""
    task = reaper.create("c", "/bin/sh", "-c", DIVIDE, **pod_slice.bundle(memory={"limit": 64 << 20}))
    task.start()
    task.stdout.wait_for(b"divided")
    task.update({"memory": {"limit": 48 << 20}})
    reload_units()
    assert values(pod_slice, "memory.max") == [48 << 20]
    task.exec("x", "/bin/true")
    task.start("x")
    assert task.wait("x") == 0
    ended(task)
    assert pod_slice.inside() == []
    assert pod_slice.unit("LoadState", "ActiveState") == GONE


@pytest.mark.parametrize("killed", [False, True])
def test_no_unit_is_left_of_what_never_started(reaper: Shim, pod_slice: PodCgroup, *, killed: bool) -> None:
    """containerd, api/runtime/task/v3/shim.proto, Delete: of a task that was created."""
    task = reaper.create("c", "/bin/sleep", "300", **pod_slice.bundle(memory={"limit": 64 << 20}))
    assert pod_slice.unit("ActiveState") == {"ActiveState": "active"}
    if killed:
        task.kill(signal.SIGKILL)
        task.wait()
    task.delete()
    assert pod_slice.inside() == []
    assert pod_slice.unit("LoadState", "ActiveState") == GONE


def test_no_unit_is_left_after_kill_9_of_the_shim(reaper: Shim, pod_slice: PodCgroup) -> None:
    """containerd, docs/runtime-v2.md, "Commands": delete removes all that a dead shim left."""
    task = reaper.create("c", "/bin/sleep", "300", **pod_slice.bundle(memory={"limit": 64 << 20}))
    task.start()
    os.kill(shim_pid(reaper), signal.SIGKILL)
    done = reaper.command("delete", "c", "-bundle", str(reaper.folder / "c"))
    assert done.returncode == 0, done.stderr
    assert not alive(task.pid)
    assert pod_slice.inside() == []
    assert pod_slice.unit("LoadState", "ActiveState") == GONE
    reaper.address = ""


def test_systemd_may_stop_a_unit(reaper: Shim, pod_slice: PodCgroup) -> None:
    """systemd.kill(5): SIGTERM to all in it, as at a shutdown of runc's; its end is as any other."""
    task = reaper.create(
        "c",
        "/bin/sh",
        "-c",
        "trap 'exit 3' TERM; echo up; while :; do sleep 0.01; done",
        **pod_slice.bundle(memory={"limit": 64 << 20}),
    )
    task.start()
    task.stdout.wait_for(b"up")
    pod_slice.stop()
    assert task.wait() == 3
    task.delete()
    assert pod_slice.inside() == []


def test_limits_are_back_after_systemd_took_them(reaper: Shim, pod_slice: PodCgroup) -> None:
    """docs/runtime.md, "Cgroups": of a container that systemd refuses, the next change gives them back, after a resize.

    A blank cannot be in the name of a unit.
    """
    pod_slice = of_systemd("c c")
    limits = pod_slice.bundle(memory={"limit": 64 << 20}, cpu={"shares": 512}, pids={"limit": 50})
    limits["env"] = [SHELL_PATH, f"EATS={EATS}"]
    gate = Path(SHARED) / f"reaper-conformance-{os.getpid()}"
    os.mkfifo(gate)
    task = reaper.create("c", "/bin/sh", "-c", f'read line < {gate}; exec /usr/bin/python3 -c "$EATS"', **limits)
    reaper.logs["c"].wait_for(b"container c is no unit of systemd")
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
