"""What a container's cgroup is for: nothing outlives the container, and what it uses is known."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from reaper_runtime.host.cgroup import hierarchies
from reaper_runtime.host.cgroup.hierarchies import UNIFIED
from reaper_runtime.wire.metrics import TYPE_URL, Metrics
from reaper_runtime.wire.protobuf import UINT, Message, field
from tests.conformance.cgroups import of_containers
from tests.conformance.processes import eventually
from tests.conformance.test_host_process import SANDBOX, alive, member_of, shim_pid
from tests.conformance.ttrpc import RpcError

if TYPE_CHECKING:
    from reaper_runtime.wire import messages as m
    from tests.conformance.shim import Container, Shim

FAILED_PRECONDITION = 9
DAEMON = "setsid sh -c 'sleep 300 >/dev/null 2>&1 & echo up' ; "  # it has left its session, and its parent has ended
# Of a shell that gives controllers to a cgroup below its own, as systemd and a nested runtime do.
DIVIDE = """set -e
own=/sys/fs/cgroup$(sed -n 's/^0:://p' /proc/self/cgroup)
mkdir $own/inner
echo $$ > $own/inner/cgroup.procs
echo +pids > $own/cgroup.subtree_control
echo divided
exec sleep 300"""
BUSY = "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done; echo done; exec sleep 300"


class _Number(Message):
    """Of io.containerd.cgroups.v1: PidsStat.current, CPUUsage.total"""

    value: int = field(1, UINT)


class _Cpu(Message):
    usage: _Number | None = field(1, _Number)


class _MemoryEntry(Message):
    usage: int = field(2, UINT)


class _Memory(Message):
    usage: _MemoryEntry | None = field(33, _MemoryEntry)


class _Version1(Message):
    """The part of io.containerd.cgroups.v1.Metrics that the reference answers with where cgroups are of version 1"""

    pids: _Number | None = field(2, _Number)
    cpu: _Cpu | None = field(3, _Cpu)
    memory: _Memory | None = field(4, _Memory)


def figures(answer: m.Any) -> tuple[int, int, int]:
    """Of an answer to Stats: CPU time in nanoseconds, bytes of memory, tasks."""
    if answer.type_url == TYPE_URL:
        second = Metrics.decode(answer.value)
        assert second.cpu is not None
        assert second.memory is not None
        assert second.pids is not None
        return second.cpu.usage_usec * 1000, second.memory.usage, second.pids.current
    first = _Version1.decode(answer.value)
    assert first.cpu is not None
    assert first.cpu.usage is not None
    assert first.memory is not None
    assert first.memory.usage is not None
    assert first.pids is not None
    return first.cpu.usage.value, first.memory.usage.usage, first.pids.value


def daemon_of(task: Container) -> int:
    """The pid of the only process that is not init, once the shell that started it has ended."""
    task.stdout.wait_for(b"up")
    eventually(lambda: len(task.pids()) == 2)
    (pid,) = set(task.pids()) - {task.pid}
    return pid


def check_that_a_daemon_dies_with_its_container(shim: Shim) -> None:
    """Also on other nodes than this machine: test_other_cgroups.py."""
    task = shim.create("c", "/bin/sh", "-c", DAEMON + "exec sleep 300")
    task.start()
    daemon = daemon_of(task)
    task.kill(signal.SIGKILL)
    assert task.wait() == 137
    assert not alive(daemon)


def test_a_daemon_dies_with_its_container(shim: Shim) -> None:
    """containerd, cmd/containerd-shim-runc-v2/task/service.go, handleInitExit: all is killed (ShouldKillAllOnExit)."""
    check_that_a_daemon_dies_with_its_container(shim)


def test_a_daemon_dies_with_its_container_beside_another(reaper: Shim) -> None:
    """docs/runtime.md, "Cgroups": each container has its own, and it alone is cleared."""
    reaper.create("pod1", "/pause", annotations={**SANDBOX, "io.kubernetes.cri.sandbox-id": "pod1"}).start()
    keeper = reaper.create("keeper", "/bin/sh", "-c", DAEMON + "exec sleep 300", annotations=member_of("pod1"))
    keeper.start()
    kept = daemon_of(keeper)
    brief = reaper.create("brief", "/bin/sh", "-c", DAEMON + "exec sleep 300", annotations=member_of("pod1"))
    brief.start()
    daemon = daemon_of(brief)
    brief.kill(signal.SIGKILL)
    assert brief.wait() == 137
    assert not alive(daemon)
    assert alive(kept)


def test_a_daemon_of_an_exec_dies_with_the_container(shim: Shim) -> None:
    """docs/runtime.md, "Cgroups": an exec is in the cgroup of its container."""
    task = shim.create("c", "/bin/sleep", "300")
    task.start()
    output = task.exec("x", "/bin/sh", "-c", DAEMON)
    task.start("x")
    assert task.wait("x") == 0
    output.wait_for(b"up")
    eventually(lambda: len(task.pids()) == 2)
    (daemon,) = set(task.pids()) - {task.pid}
    task.kill(signal.SIGKILL)
    task.wait()
    assert not alive(daemon)


def test_a_daemon_dies_after_kill_9_of_the_shim(reaper: Shim) -> None:
    """containerd, docs/runtime-v2.md, "Commands": delete removes all that a dead shim left."""
    task = reaper.create("c", "/bin/sh", "-c", DAEMON + "exec sleep 300")
    task.start()
    daemon = daemon_of(task)
    os.kill(shim_pid(reaper), signal.SIGKILL)
    done = reaper.command("delete", "c", "-bundle", str(reaper.folder / "c"))
    assert done.returncode == 0, done.stderr
    assert not alive(task.pid)
    assert not alive(daemon)
    assert not of_containers(reaper)
    reaper.address = ""


def test_the_cgroup_goes_with_the_container(reaper: Shim) -> None:
    """docs/runtime.md, "Cgroups": it is made with the container, and removed at its end."""
    task = reaper.create("c", "/bin/sh", "-c", DAEMON + "exec sleep 300")
    task.start()
    daemon = daemon_of(task)
    members = {int(pid) for path in of_containers(reaper) for pid in path.read_text().split()}
    assert members == {task.pid, daemon}
    task.kill(signal.SIGKILL)
    task.wait()
    task.delete()
    assert not of_containers(reaper)


def test_stats_have_cpu_memory_and_tasks(shim: Shim) -> None:
    """containerd's TestContainerMetrics.

    api/runtime/task/v3/shim.proto, Stats: an Any of cgroups' Metrics, which CRI reads (container_stats_list.go).
    """
    task = shim.create("c", "/bin/sh", "-c", BUSY)
    task.start()
    task.stdout.wait_for(b"done")
    eventually(lambda: figures(task.stats())[1] > 4096)  # a page in the midst of execve(2)
    cpu, memory, tasks = figures(task.stats())
    assert 1_000_000 < cpu < 60_000_000_000
    assert memory < 1 << 30
    assert tasks == 1


def test_stats_of_the_sandbox_are_the_shims(reaper: Shim) -> None:
    """containerd, api/runtime/task/v3/shim.proto, Stats. Ours: a sandbox has no process but the shim."""
    sandbox = reaper.create("pod1", "/pause", annotations={**SANDBOX, "io.kubernetes.cri.sandbox-id": "pod1"})
    sandbox.start()
    _, memory, tasks = figures(sandbox.stats())
    assert memory > 1 << 20
    assert tasks == 1


def test_stats_of_what_has_ended_are_what_it_used(shim: Shim) -> None:
    """Until it is deleted. containerd 2.3 asks then, for OOM kills: oomMetricsEventOccurred of internal/cri/server."""
    task = shim.create("c", "/bin/sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; exit 3")
    task.start()
    assert task.wait() == 3
    cpu, _, tasks = figures(task.stats())
    assert cpu > 1_000_000
    assert tasks == 0


@pytest.mark.skipif(UNIFIED not in hierarchies.current().mounts, reason="no cgroup version 2 to freeze with")
def test_pause_and_resume(shim: Shim) -> None:
    """api/runtime/task/v3/shim.proto, Pause and Resume; docs/runtime-v2.md, "Events": TaskPaused, TaskResumed."""
    task = shim.create("c", "/bin/sh", "-c", "trap 'exit 3' TERM; echo up; while :; do sleep 0.01; done")
    task.start()
    task.stdout.wait_for(b"up")
    task.pause()
    assert task.state().status == 4
    task.kill(signal.SIGTERM)
    assert task.state().status == 4
    task.resume()
    assert task.wait() == 3
    names = [type(event).__name__ for event in shim.events.wait_for(lambda seen: len(seen) >= 5)]
    assert names[2:4] == ["TaskPaused", "TaskResumed"]


@pytest.mark.skipif(UNIFIED not in hierarchies.current().mounts, reason="no cgroup version 2 to freeze with")
def test_what_is_paused_can_be_killed(shim: Shim) -> None:
    """cgroup-v2.rst, cgroup.freeze: "A process in the frozen cgroup can be killed by a fatal signal"."""
    task = shim.create("c", "/bin/sh", "-c", DAEMON + "exec sleep 300")
    task.start()
    daemon = daemon_of(task)
    task.pause()
    task.kill(signal.SIGKILL, everything=True)
    assert task.wait() == 137
    eventually(lambda: not alive(daemon))
    task.delete()


@pytest.mark.skipif("pids" not in hierarchies.current().controllers, reason="no controller of cgroup version 2")
def test_an_exec_goes_where_init_has_divided_the_cgroup(reaper: Shim) -> None:
    """cgroup-v2.rst, "No Internal Process Constraint": nobody can join the container's own cgroup then."""
    task = reaper.create("c", "/bin/sh", "-c", DIVIDE)
    task.start()
    task.stdout.wait_for(b"divided")
    output = task.exec("x", "/bin/sh", "-c", f"cat /proc/self/cgroup; {DAEMON}")
    task.start("x")
    assert task.wait("x") == 0
    output.wait_for(b"up")
    assert output.first_line().endswith("/c/inner")
    eventually(lambda: len(task.pids()) == 2)
    (daemon,) = set(task.pids()) - {task.pid}
    task.kill(signal.SIGKILL)
    assert task.wait() == 137
    task.delete()
    assert not alive(daemon)
    assert not of_containers(reaper)


def test_limits_of_a_process_without_any_cannot_be_changed(reaper: Shim) -> None:
    """api/runtime/task/v3/shim.proto, Update; docs/runtime.md, "Cgroups": no annotation, no limits."""
    task = reaper.create("c", "/bin/sleep", "300")
    task.start()
    with pytest.raises(RpcError, match="no limits to change") as refused:
        task.update({"memory": {"limit": 32 << 20}})
    assert refused.value.code == FAILED_PRECONDITION
