"""The shim under real containerds: the oldest and the newest, with --all-containerds 1.7 and 2.1 too."""

from __future__ import annotations

import os
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conformance.processes import eventually, parent

if TYPE_CHECKING:
    from tests.conformance.containerd import Containerd

MOST_OWN_MEMORY = 3200  # kB; 3010 when this was written, and 3440 with `typing` and the like imported


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A root file system that a host process does not look at."""
    return tmp_path


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists()


@pytest.mark.parametrize("code", [0, 7, 255])
def test_run_gives_output_and_exit_code(containerd: Containerd, folder: Path, code: int) -> None:
    """containerd's TestContainerStart and TestContainerOutput, through ctr."""
    done = containerd.run(f"run{code}", folder, ["/bin/sh", "-c", f"echo out; echo err >&2; exit {code}"], "--rm")
    assert (done.returncode, done.stdout, done.stderr.splitlines()[-1]) == (code, "out\n", "err")


def test_fifty_short_tasks_in_a_row(containerd: Containerd, folder: Path) -> None:
    """containerd's TestShortRunningTaskPid, many times: the end comes before Start is answered."""
    for number in range(50):
        assert containerd.run(f"short{number}", folder, ["/bin/true"], "--rm").returncode == 0


def test_a_missing_program_is_named(containerd: Containerd, folder: Path) -> None:
    """containerd's TestContainerNoBinaryExists."""
    done = containerd.run("missing", folder, ["/no/such/program"], "--rm")
    assert done.returncode != 0
    assert 'program "/no/such/program" does not exist on node' in done.stderr


def test_exec_kill_and_delete(containerd: Containerd, folder: Path) -> None:
    """containerd's TestContainerExec and TestContainerKill, through ctr."""
    containerd.run("long", folder, ["/bin/sleep", "300"], "-d", check=True)
    assert (
        containerd.ctr("task", "exec", "--exec-id", "e", "long", "/bin/sh", "-c", "exit 3", check=False).returncode == 3
    )
    pid = containerd.pid_of("long")
    assert Path(f"/proc/{pid}/cmdline").read_bytes() == b"/bin/sleep\x00300\x00"
    containerd.ctr("task", "kill", "-s", "SIGTERM", "long")
    eventually(lambda: "STOPPED" in containerd.ctr("task", "ls").stdout)
    assert not alive(pid)
    assert f"exit code {128 + signal.SIGTERM}" in containerd.ctr("task", "rm", "long").stderr
    containerd.ctr("container", "rm", "long")


def test_containerd_reads_the_metrics(containerd: Containerd, folder: Path) -> None:
    """containerd's TestContainerMetrics, through ctr: it knows the type of the answer, and what is in it."""
    script = "i=0; while [ $i -lt 30000 ]; do i=$((i+1)); done; exec sleep 300"
    containerd.run("measured", folder, ["/bin/sh", "-c", script], "-d", "--null-io", check=True)
    path = Path(f"/proc/{containerd.pid_of('measured')}/comm")
    eventually(lambda: path.read_text() == "sleep\n")
    shown = containerd.ctr("task", "metrics", "measured").stdout
    found = {row[0]: int(row[1]) for row in map(str.split, shown.splitlines()) if row[1:] and row[1].isdecimal()}
    containerd.ctr("task", "rm", "-f", "measured")
    containerd.ctr("container", "rm", "measured")
    assert found["pids.current"] == 1, shown
    assert 4096 < found["memory.usage"] < 1 << 30, shown
    assert 1000 < found["cpu.usage_usec"] < 60_000_000, shown


def test_kill_9_of_the_shim_ends_the_process_and_the_task(containerd: Containerd, folder: Path) -> None:
    """containerd, docs/runtime-v2.md, "Commands": delete is for a shim that is SIGKILL'd with a running container."""
    containerd.run("orphan", folder, ["/bin/sleep", "300"], "-d", check=True)
    pid = containerd.pid_of("orphan")
    os.kill(int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]), signal.SIGKILL)
    eventually(lambda: not alive(pid))
    eventually(lambda: "orphan" not in containerd.ctr("task", "ls").stdout)
    containerd.ctr("container", "rm", "orphan")


def test_a_restart_of_containerd_leaves_the_process_alone_and_its_exit_code_arrives(
    containerd: Containerd, folder: Path
) -> None:
    """containerd's TestDaemonRestart."""
    gate = folder / "gate"
    os.mkfifo(gate)
    mount = f"type=bind,src={folder},dst={folder},options=rbind:rw"
    command = ["/bin/sh", "-c", f"read line < {gate}; exit 23"]
    containerd.run("kept", folder, command, "-d", "--mount", mount, check=True)
    containerd.stop()
    gate.write_text("go\n")
    containerd.start()
    eventually(lambda: "STOPPED" in containerd.ctr("task", "ls").stdout)
    assert "exit code 23" in containerd.ctr("task", "rm", "kept").stderr
    containerd.ctr("container", "rm", "kept")


def test_a_shim_has_little_memory_of_its_own(containerd: Containerd, folder: Path) -> None:
    """The pages that it does not share with the fork server: one more module in that makes each shim larger."""
    containerd.run("small", folder, ["/bin/sleep", "300"], "-d", check=True)
    try:
        text = Path(f"/proc/{parent(containerd.pid_of('small'))}/smaps_rollup").read_text()
    finally:
        containerd.ctr("task", "rm", "-f", "small")
        containerd.ctr("container", "rm", "small")
    assert sum(map(int, re.findall(r"^Private_(?:Dirty|Clean): +(\d+) kB", text, re.MULTILINE))) < MOST_OWN_MEMORY


def test_nothing_is_left_behind(containerd: Containerd) -> None:
    """containerd, docs/runtime-v2.md, "Commands": delete removes all resources; here of all the tests above."""
    assert containerd.ctr("task", "ls", "-q").stdout == ""
    eventually(lambda: shims(containerd) == [])


def shims(containerd: Containerd) -> list[str]:
    """The command lines of the shims that serve this daemon."""
    lines = (_read(path).decode().replace("\0", " ") for path in Path("/proc").glob("[0-9]*/cmdline"))
    return [line for line in lines if line.startswith("containerd-shim") and str(containerd.folder) in line]


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except (FileNotFoundError, ProcessLookupError):
        return b""
