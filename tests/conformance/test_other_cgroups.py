"""Nodes with cgroups of version 1 alone, and with none: the shim sees only these, in mounts of its own.

What this machine has is in test_cgroups.py.
"""

from __future__ import annotations

import os
import shlex
import signal
from typing import TYPE_CHECKING

import pytest

from reaper_runtime.host.cgroup import hierarchies
from reaper_runtime.host.cgroup.hierarchies import UNIFIED
from tests.conformance.builds import another
from tests.conformance.cgroups import of_containers
from tests.conformance.processes import eventually, find
from tests.conformance.shim import Runtime
from tests.conformance.test_cgroups import BUSY, DAEMON, check_that_a_daemon_dies_with_its_container, figures
from tests.conformance.test_host_process import SANDBOX, alive, member_of, shim_pid
from tests.conformance.ttrpc import RpcError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from tests.conformance.shim import Shim

FAILED_PRECONDITION, UNIMPLEMENTED = 9, 12
VERSION_1, NONE = "version 1", "none"
# What is done in a mount namespace of the shim's own.
HIDES = {VERSION_1: "umount {unified}", NONE: "mount -t tmpfs none /sys/fs/cgroup"}


@pytest.fixture(scope="module", params=[VERSION_1, NONE])
def kind(request: pytest.FixtureRequest) -> str:
    """What the node has."""
    found = hierarchies.current().mounts
    if request.param == VERSION_1 and not {"pids", "memory", "cpuacct", UNIFIED} <= found.keys():
        pytest.skip("this machine has no cgroups of version 1 beside those of version 2")
    return str(request.param)


@pytest.fixture(scope="module")
def runtime(kind: str, rootfs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Runtime]:
    """Ours, as a build whose fork server is born in such mounts."""
    folder = tmp_path_factory.mktemp("build")
    version = another(folder / "runtime", "c960")
    real = shlex.quote(str(folder / "runtime" / "bin" / "containerd-shim-reaper-v2"))
    shim = folder / "containerd-shim-reaper-v2"
    hide = HIDES[kind].format(unified=hierarchies.current().mounts.get(UNIFIED))
    inside = shlex.quote(f'{hide} && exec {real} "$@"')
    shim.write_text(f'#!/bin/sh\nexec unshare --mount sh -c {inside} sh "$@"\n')
    shim.chmod(0o755)
    yield Runtime("reaper", shim, rootfs)
    for pid in find(f"reaper-zygote {version}"):
        os.kill(pid, signal.SIGTERM)


@pytest.fixture
def node(runtime: Runtime, make_shim: Callable[..., Shim]) -> Shim:
    """A shim on such a node."""
    return make_shim(runtime)


def test_its_cgroups_are_those_that_the_node_has_and_go_with_it(node: Shim, kind: str) -> None:
    """docs/runtime.md, "Cgroups": version 1: pids, memory, cpuacct; none that can be written: nothing is joined."""
    task = node.create("c", "/bin/sleep", "300")
    task.start()
    mounts = hierarchies.current().mounts
    wanted = ("pids", "memory", "cpuacct") if kind == VERSION_1 else ()
    assert {str(path).split("/reaper/")[0] for path in of_containers(node)} == {mounts[name] for name in wanted}
    assert all(path.read_text().split() == [str(task.pid)] for path in of_containers(node))
    task.kill(signal.SIGKILL)
    task.wait()
    task.delete()
    assert of_containers(node) == []


def test_a_daemon_dies_with_its_container(node: Shim) -> None:
    """docs/runtime.md, "Cgroups": by the cgroup, or by session and descent."""
    check_that_a_daemon_dies_with_its_container(node)


def test_a_daemon_dies_with_its_container_or_with_the_last_of_the_pod(node: Shim, kind: str) -> None:
    """docs/runtime.md, "Cgroups": where no cgroup can be written, one gap stays, and it ends with the pod."""
    node.create("pod1", "/pause", annotations={**SANDBOX, "io.kubernetes.cri.sandbox-id": "pod1"}).start()
    keeper = node.create("keeper", "/bin/sleep", "300", annotations=member_of("pod1"))
    keeper.start()
    sleep = f"sleep 9{os.getpid()}"  # nobody else's
    leaves = DAEMON.replace("sleep 300", sleep)
    brief = node.create("brief", "/bin/sh", "-c", leaves + "exec sleep 300", annotations=member_of("pod1"))
    brief.start()
    brief.stdout.wait_for(b"up")
    eventually(lambda: len(find(sleep)) == 1)
    (daemon,) = find(sleep)
    brief.kill(signal.SIGKILL)
    assert brief.wait() == 137
    assert alive(daemon) == (kind == NONE)
    assert alive(keeper.pid)
    keeper.kill(signal.SIGKILL)
    assert keeper.wait() == 137
    assert not alive(daemon)


def test_stats_have_cpu_memory_and_tasks(node: Shim) -> None:
    """docs/runtime.md, "Cgroups": from the cgroup, or from /proc of the descendants."""
    task = node.create("c", "/bin/sh", "-c", BUSY)
    task.start()
    task.stdout.wait_for(b"done")
    eventually(lambda: figures(task.stats())[1] > 4096)  # a page in the midst of execve(2)
    cpu, memory, tasks = figures(task.stats())
    assert 1_000_000 < cpu < 60_000_000_000
    assert memory < 1 << 30
    assert tasks == 1


def test_nothing_can_be_paused(node: Shim, kind: str) -> None:
    """docs/runtime.md, "Cgroups": `ctr task pause` needs version 2."""
    task = node.create("c", "/bin/sleep", "300")
    task.start()
    with pytest.raises(RpcError, match=r"cannot (be paused|pause a process)") as refused:
        task.pause()
    assert refused.value.code == (FAILED_PRECONDITION if kind == VERSION_1 else UNIMPLEMENTED)


def test_kill_9_of_the_shim_leaves_nothing_that_is_known(node: Shim, kind: str) -> None:
    """containerd, docs/runtime-v2.md, "Commands": delete. By the cgroup a daemon too; without, all of the session."""
    script = "sleep 300 & " + (DAEMON if kind == VERSION_1 else "echo up; ") + "exec sleep 300"
    task = node.create("c", "/bin/sh", "-c", script)
    task.start()
    task.stdout.wait_for(b"up")
    count = 3 if kind == VERSION_1 else 2
    eventually(lambda: len(task.pids()) == count)
    pids = task.pids()
    os.kill(shim_pid(node), signal.SIGKILL)
    done = node.command("delete", "c", "-bundle", str(node.folder / "c"))
    assert done.returncode == 0, done.stderr
    assert not any(map(alive, pids))
    assert of_containers(node) == []
    node.address = ""
