"""What makes it a host process, and what only our shim promises."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reaper_runtime.host import procfs
from reaper_runtime.overlay import overlays
from reaper_runtime.shim.sweep import SECONDS
from reaper_runtime.state import STATE, PodState
from reaper_runtime.wire import messages as m
from reaper_runtime.wire import starting
from tests.conformance.processes import eventually
from tests.conformance.ttrpc import Client, RpcError

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.conformance.shim import Runtime, Shim

FAILED_PRECONDITION = 9
SANDBOX = {"io.kubernetes.cri.container-type": "sandbox"}


def member_of(pod: str) -> dict[str, str]:
    return {"io.kubernetes.cri.container-type": "container", "io.kubernetes.cri.sandbox-id": pod}


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except FileNotFoundError:
        return False


def shim_pid(shim: Shim) -> int:
    return shim.client.call("Connect", m.ConnectRequest(id="x"), m.ConnectResponse).shim_pid


def test_it_shares_every_namespace_but_that_of_mounts_with_the_node(reaper: Shim) -> None:
    """docs/runtime.md, "Without meaning for a host process"; namespaces(7)."""
    task = reaper.create("c", "/bin/sleep", "60")
    task.start()
    for kind in ("pid", "net", "ipc", "uts", "user", "cgroup"):
        assert Path(f"/proc/{task.pid}/ns/{kind}").readlink() == Path(f"/proc/self/ns/{kind}").readlink()
    other = reaper.create("d", "/bin/sleep", "60")
    mounts = {Path(f"/proc/{pid}/ns/mnt").readlink() for pid in (task.pid, other.pid, shim_pid(reaper), "self")}
    assert len(mounts) == 3, "each container has its own, and the shim the node's"


def test_what_it_writes_stays_in_its_overlay(reaper: Shim) -> None:
    """docs/runtime.md, "The overlay"."""
    write = reaper.create("w", "/bin/sh", "-c", "echo kept > /etc/reaper-conformance")
    write.start()
    assert write.wait() == 0
    write.delete()
    (overlay,) = (each for each in overlays() if each.name == f"@containerd.{reaper.namespace}")
    assert not overlay.is_used(procfs.roots()), "it is mounted, and no process holds it"
    read = reaper.create("r", "/bin/cat", "/etc/reaper-conformance")
    read.start()
    assert read.wait() == 0
    read.delete()
    assert read.stdout.text() == "kept\n"
    assert not Path("/etc/reaper-conformance").exists()


def test_it_runs_as_the_given_user_and_no_group_of_root_leaks(reaper: Shim) -> None:
    """OCI runtime-spec, config.md, "POSIX-platform User": uid, gid, additionalGids. Ours: umask 0022 without one."""
    user = {"uid": 1234, "gid": 2345, "additionalGids": [3456]}
    task = reaper.create("c", "/bin/sh", "-c", "grep -E '^(Uid|Gid|Groups)' /proc/self/status; umask", user=user)
    task.start()
    assert task.wait() == 0
    task.delete()
    assert task.stdout.text().split() == [
        "Uid:", "1234", "1234", "1234", "1234", "Gid:", "2345", "2345", "2345", "2345", "Groups:", "3456", "0022",
    ]  # fmt: skip


def test_the_environment_is_the_specs_and_nothing_else(reaper: Shim) -> None:
    """OCI runtime-spec, config.md, "Process": env."""
    task = reaper.create("c", "/usr/bin/env", env=["A=1", "PATH=/bin", "B=x=y", "A=2", "HOME=/h"])
    task.start()
    task.wait()
    task.delete()
    assert sorted(task.stdout.text().splitlines()) == ["A=2", "B=x=y", "HOME=/h", "PATH=/bin"]


def test_the_working_directory_is_the_specs(reaper: Shim) -> None:
    """OCI runtime-spec, config.md, "Process": cwd."""
    task = reaper.create("c", "/bin/pwd", cwd="/usr/share")
    task.start()
    task.wait()
    task.delete()
    assert task.stdout.text() == "/usr/share\n"


@pytest.mark.parametrize(
    ("process", "words"),
    [
        ({"args": ["/no/such/program"]}, ["/no/such/program", "does not exist"]),
        ({"args": ["no-such-program"]}, ["no-such-program", "PATH"]),
        ({"args": ["/etc/passwd"]}, ["/etc/passwd", "may not be executed"]),
        ({"args": ["/bin/true"], "cwd": "/etc/passwd"}, ["/etc/passwd", "cannot be entered", "Not a directory"]),
    ],
)
def test_a_failed_start_names_the_path_and_the_node(reaper: Shim, process: dict[str, Any], words: list[str]) -> None:
    """docs/runtime.md, "Refused": the message names the path and the node."""
    with pytest.raises(RpcError) as refused:
        reaper.create("c", **process).start()
    assert refused.value.code == FAILED_PRECONDITION
    for word in [*words, os.uname().nodename]:
        assert word in refused.value.message


def test_a_volume_without_its_source_is_an_error(reaper: Shim) -> None:
    """docs/runtime.md, "Refused": a volume whose source is missing."""
    mounts = [{"destination": "/data", "type": "bind", "source": "/var/lib/data"}]
    reason = r"volume /data cannot be mounted: /var/lib/data on node .*: No such file"
    with pytest.raises(RpcError, match=reason) as refused:
        reaper.create("c", "/bin/true", mounts=mounts)
    assert refused.value.code == FAILED_PRECONDITION


def test_one_shim_serves_the_pod_and_the_sandbox_has_no_process(reaper: Shim) -> None:
    """containerd, docs/runtime-v2.md, "Commands": start may give the address of an existing shim."""
    sandbox = reaper.create("pod1", "/pause", annotations={**SANDBOX, "io.kubernetes.cri.sandbox-id": "pod1"})
    first = reaper.address
    sandbox.start()
    assert sandbox.pid == shim_pid(reaper)
    reaper.bundle("c1", "/bin/sleep", "60", annotations=member_of("pod1"))
    assert reaper.launch("c1") == first
    task = reaper.create_task("c1", reaper.folder / "c1")
    task.start()
    assert sandbox.pids() == [sandbox.pid]
    task.kill(signal.SIGTERM)
    assert task.wait() == 128 + signal.SIGTERM
    sandbox.kill(signal.SIGKILL)
    assert sandbox.wait() == 137


def test_a_daemon_of_one_container_survives_the_end_of_another(reaper: Shim) -> None:
    """docs/runtime.md, "Applied": one shim serves the pod; each container is a process."""
    reaper.create("pod1", "/pause", annotations={**SANDBOX, "io.kubernetes.cri.sandbox-id": "pod1"}).start()
    script = "(sleep 300 & echo $!) ; exec sleep 300"
    keeper = reaper.create("keeper", "/bin/sh", "-c", script, annotations=member_of("pod1"))
    keeper.start()
    keeper.stdout.wait_for(b"\n")
    eventually(lambda: len(keeper.pids()) == 2)
    brief = reaper.create("brief", "/bin/sh", "-c", "sleep 300 & exit 0", annotations=member_of("pod1"))
    brief.start()
    assert brief.wait() == 0
    assert len(keeper.pids()) == 2


@pytest.mark.parametrize("bootstrap", [True, False])
def test_the_answer_fits_the_containerd_that_asked(
    reaper_runtime: Runtime, make_shim: Callable[..., Shim], *, bootstrap: bool
) -> None:
    """containerd, pkg/shim/compat.go: a BootstrapResult to who sent BootstrapParams, else the plain address."""
    shim = make_shim(reaper_runtime, bootstrap=bootstrap)
    shim.bundle("c", "/bin/true")
    output = shim.command("start", "c").stdout
    shim.address = (shim.folder / "c" / "address").read_text()
    shim.client = shim.connect()
    address = r"unix:///run/containerd/s/[0-9a-f]{64}"
    assert re.fullmatch(address, shim.address)
    result = starting.BootstrapResult(version=3, address=shim.address, protocol="ttrpc")
    assert output == (result.encode() if bootstrap else shim.address.encode())


def test_delete_after_kill_9_of_the_shim_kills_and_answers_137(reaper: Shim) -> None:
    """containerd, pkg/shim/shim.go: delete prints a DeleteResponse. Ours: 137, and it may be asked again."""
    task = reaper.create("c", "/bin/sh", "-c", "sleep 300 & echo $!; wait")
    task.start()
    child = int(task.stdout.first_line())
    os.kill(shim_pid(reaper), signal.SIGKILL)
    done = reaper.command("delete", "c", "-bundle", str(reaper.folder / "c"))
    assert done.returncode == 0, done.stderr
    answer = m.DeleteResponse.decode(done.stdout)
    assert (answer.pid, answer.exit_status) == (task.pid, 137)
    assert not alive(task.pid)
    assert not alive(child)
    assert not Path(reaper.address.removeprefix("unix://")).exists()
    again = reaper.command("delete", "c", "-bundle", str(reaper.folder / "c"))
    nothing = m.DeleteResponse.decode(again.stdout)
    assert (again.returncode, nothing.pid) == (0, 0)
    assert answer.exited_at is not None
    assert nothing.exited_at is not None
    assert 0 < answer.exited_at.seconds <= nothing.exited_at.seconds
    reaper.address = ""


def test_a_killed_shim_leaves_nothing_though_nobody_asks_for_a_delete(reaper: Shim) -> None:
    """make chaos, seed 657202: containerd asks for none when the shim dies before `start` has answered, nor always when
    it dies in Create."""
    task = reaper.create("c", "/bin/sh", "-c", "setsid sleep 1000 & exec sleep 1000")
    task.start()
    place = Path(STATE, reaper.namespace, "c")
    mark = PodState(reaper.namespace, "c").marked()
    assert mark is not None
    assert all(map(os.path.exists, [str(place), mark.socket]))
    os.kill(mark.pid, signal.SIGKILL)
    eventually(lambda: not place.exists(), SECONDS + 10, "its records are gone")
    assert not alive(task.pid)
    assert not any(map(os.path.exists, [mark.socket, *mark.cgroups]))


def test_a_dead_fork_server_touches_no_pod_and_the_next_start_makes_another(reaper: Shim) -> None:
    """docs/decisions/0002: without the fork server, pods live on, and the next start has another."""
    task = reaper.create("c", "/bin/sleep", "300")
    task.start()
    parent = int(Path(f"/proc/{shim_pid(reaper)}/stat").read_text().rpartition(")")[2].split()[1])
    assert Path(f"/proc/{parent}/cmdline").read_bytes().startswith(b"reaper-zygote")
    os.kill(parent, signal.SIGKILL)
    assert task.state().status == 2
    reaper.bundle("other", "/bin/true")
    other = reaper.command("start", "other")
    assert other.returncode == 0, other.stderr
    address = (reaper.folder / "other" / "address").read_text().removeprefix("unix://")
    second = Client(address, "containerd.task.v3.Task")
    second.call("Shutdown", m.ShutdownRequest(id="other", now=True), m.Empty)
    second.close()


def test_ps_shows_the_shim_by_its_name_and_pod(reaper: Shim) -> None:
    """containerd, docs/runtime-v2.md, "Invoking Runtimes": `ps aux | grep containerd-shim` shows them."""
    reaper.create("c", "/bin/true")
    shown = Path(f"/proc/{shim_pid(reaper)}/cmdline").read_bytes().rstrip(b"\0").decode().split("\0")
    assert shown[:6] == ["containerd-shim-reaper-v2", "-namespace", reaper.namespace, "-id", "c", "-address"]
