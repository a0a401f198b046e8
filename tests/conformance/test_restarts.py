"""Real containerds that are killed and restarted, fork servers that are killed, and a runtime that is upgraded."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conformance.builds import another
from tests.conformance.containerd import REAPER, RUNC
from tests.conformance.processes import SHARED, alive, command_line, descriptors, eventually, find, parent

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.conformance.containerd import Containerd

COUNT = "read go < {gate}; i=0; while :; do echo $i; i=$((i+1)); sleep 0.002; done"


def open_gate(gate: Path) -> None:
    """Let a program go on that waits at this FIFO, or soon will."""
    eventually(lambda: _write(gate), what=f"a reader of {gate}")


def _write(gate: Path) -> bool:
    try:
        fd = os.open(gate, os.O_WRONLY | os.O_NONBLOCK)
    except OSError as error:
        if error.errno != errno.ENXIO:  # nobody reads it yet
            raise
        return False
    os.write(fd, b"go\n")
    os.close(fd)
    return True


class Counter:
    """A task that counts from 0 on its standard output, and its log, read as CRI reads it."""

    def __init__(self, containerd: Containerd, folder: Path, gate: Path, name: str) -> None:
        containerd.run(
            name, folder, ["/bin/sh", "-c", COUNT.format(gate=gate)], "-d", "--fifo-dir", str(folder), check=True
        )
        self.pid = containerd.pid_of(name)
        self._path = next(folder.glob(f"*/{name}-stdout"))
        self._log = b""
        self._fd = -1
        self.open()
        open_gate(gate)

    def open(self) -> None:
        """Begin to read, or go on."""
        self._fd = os.open(self._path, os.O_RDONLY)

    def close(self) -> None:
        """Read no more, as a containerd that was killed."""
        os.close(self._fd)

    def read(self, lines: int) -> None:
        """So many more lines."""
        wanted = self._log.count(b"\n") + lines
        while self._log.count(b"\n") < wanted:
            self._log += os.read(self._fd, 4096)

    def check(self) -> int:
        """How many numbers there are; raises AssertionError if one is missing, double or cut."""
        numbers = [int(line) for line in self._log.split(b"\n")[:-1]]
        assert numbers == list(range(len(numbers)))
        return len(numbers)


@pytest.fixture
def gates() -> Iterator[Callable[[str], Path]]:
    """FIFOs that a container and the test both see."""
    folder = Path(tempfile.mkdtemp(prefix="gates-", dir=SHARED))

    def make(name: str) -> Path:
        os.mkfifo(folder / name)
        return folder / name

    yield make
    shutil.rmtree(folder)


@pytest.fixture
def remove(containerd: Containerd) -> Iterator[list[str]]:
    """Names of tasks to kill and forget at the end."""
    names: list[str] = []
    yield names
    containerd.ensure()
    for name in names:
        containerd.ctr("task", "rm", "-f", name, check=False)
        containerd.ctr("container", "rm", name, check=False)


def fork_server(pid: int) -> int:
    """That of a task's shim."""
    found = parent(parent(pid))
    assert command_line(found).startswith("reaper-zygote")
    return found


def check_it_still_obeys(containerd: Containerd, name: str, pid: int) -> None:
    """Exec and kill work, and the exit code is told."""
    done = containerd.ctr("task", "exec", "--exec-id", "after", name, "/bin/sh", "-c", "exit 3", check=False)
    assert done.returncode == 3, done.stderr
    containerd.ctr("task", "kill", "-s", "SIGTERM", name)
    eventually(lambda: "STOPPED" in containerd.ctr("task", "ls").stdout)
    assert not alive(pid)
    assert "exit code 143" in containerd.ctr("task", "rm", name).stderr


def kill_containerd(containerd: Containerd, counter: Counter) -> None:
    counter.close()  # containerd's CRI plugin is the reader, and dies with it
    containerd.kill()
    containerd.start()
    counter.open()


def kill_fork_server(_containerd: Containerd, counter: Counter) -> None:
    os.kill(fork_server(counter.pid), signal.SIGKILL)


@pytest.mark.parametrize("happens", [kill_containerd, kill_fork_server])
def test_a_running_pod_does_not_notice(
    containerd: Containerd,
    tmp_path: Path,
    gates: Callable[[str], Path],
    remove: list[str],
    happens: Callable[[Containerd, Counter], None],
) -> None:
    """TestDaemonRestartWithRunningShim, TestDaemonReconnectsToShimIOPipesOnRestart: the log has no gap."""
    name = f"counter-{happens.__name__}"
    remove.append(name)
    counter = Counter(containerd, tmp_path, gates(name), name)
    counter.read(100)
    for _ in range(3 if happens is kill_containerd else 1):
        happens(containerd, counter)
        counter.read(200)
    assert counter.check() >= 300
    assert alive(counter.pid)
    check_it_still_obeys(containerd, name, counter.pid)
    assert containerd.run(f"{name}-next", tmp_path, ["/bin/sh", "-c", "exit 6"], "--rm").returncode == 6


def test_exit_codes_that_come_while_containerd_is_down(
    containerd: Containerd, tmp_path: Path, gates: Callable[[str], Path], remove: list[str]
) -> None:
    """containerd#10390, #6771: they were lost, or the tasks shown as running. Killed, not stopped."""
    codes = {f"down{code}": code for code in (0, 1, 23, 137, 255)}
    waiting = {name: gates(name) for name in codes}
    pids = {}
    for name, code in codes.items():
        script = f"read line < {waiting[name]}; exit {code}"
        containerd.run(name, tmp_path, ["/bin/sh", "-c", script], "-d", "--null-io", check=True)
        remove.append(name)
        pids[name] = containerd.pid_of(name)
    containerd.kill()
    for name in codes:
        open_gate(waiting[name])
    eventually(lambda: not any(map(alive, pids.values())))
    containerd.start()
    eventually(lambda: containerd.ctr("task", "ls").stdout.count("STOPPED") == len(codes))
    for name, code in codes.items():
        answer = containerd.ctr("task", "rm", name, check=False)
        assert (f"exit code {code}" in answer.stderr) or (code == 0 and answer.returncode == 0), answer.stderr
        assert containerd.ctr("task", "rm", name, check=False).returncode != 0, "told a second time"


@pytest.mark.timeout(180)
def test_thirty_pods_are_there_after_a_restart(containerd: Containerd, tmp_path: Path, remove: list[str]) -> None:
    """TestReload100Pods and TestDaemonRestart, with thirty."""
    names = [f"reload{number}" for number in range(30)]
    remove += names
    for name in names:
        containerd.run(name, tmp_path, ["/bin/sleep", "600"], "-d", "--null-io", check=True)
    before = {name: containerd.pid_of(name) for name in names}
    containerd.stop()
    containerd.start()
    assert {name: containerd.pid_of(name) for name in names} == before
    assert all(map(alive, before.values()))


def test_a_new_build_takes_over_for_new_pods_only(containerd: Containerd, tmp_path: Path, remove: list[str]) -> None:
    """An upgrade of the runtime: what runs stays with the old one, and is still obeyed."""
    upgraded = tmp_path / "runtime"
    version = another(upgraded, "beef")
    remove += ["old", "new"]
    containerd.run("old", tmp_path, ["/bin/sleep", "600"], "-d", "--null-io", check=True)
    old = containerd.pid_of("old")
    server = fork_server(old)
    shim = str(upgraded / "bin" / "containerd-shim-reaper-v2")
    containerd.run("new", tmp_path, ["/bin/sleep", "600"], "-d", "--null-io", runtime=shim, check=True)
    new = containerd.pid_of("new")
    assert command_line(fork_server(new)).startswith(f"reaper-zygote {version}")
    eventually(lambda: not alive(server), what="the end of the old fork server")
    assert alive(old)
    containerd.ctr("task", "rm", "-f", "new")
    check_it_still_obeys(containerd, "old", old)


@pytest.mark.parametrize("kind", [REAPER, RUNC])
class TestNothingLeaks:
    """What containerd's own tests of a shim look at, for both shims under a real containerd."""

    def test_pipes_and_sockets(self, containerd: Containerd, rootfs: Path, kind: str) -> None:
        """TestShimDoesNotLeakPipes and TestShimDoesNotLeakSockets."""
        name = f"leak-{kind[14:18]}"
        for _ in range(3):
            containerd.run(name, rootfs, ["/bin/sleep", "1"], "--rm", runtime=kind, check=True)
            eventually(lambda: descriptors(containerd.pid, "/fifo/") + descriptors(containerd.pid, f"{name}/log") == 0)
        digest = hashlib.sha256(f"{containerd.folder}/c.sock/default/{name}".encode()).hexdigest()
        assert not Path(f"/run/containerd/s/{digest}").exists()

    def test_long_names_fit_into_a_socket(self, containerd: Containerd, rootfs: Path, kind: str) -> None:
        """TestShimSockLength: the names are hashed."""
        name = f"{kind[14:18]}-".ljust(76, "x")
        done = containerd.run(name, rootfs, ["/bin/true"], "--rm", runtime=kind)
        assert done.returncode == 0, done.stderr

    def test_the_shim_dies_after_containers_and_before_containerd(
        self, containerd: Containerd, rootfs: Path, remove: list[str], kind: str
    ) -> None:
        """TestShimOOMScore: containerd's score plus one."""
        name = f"oom-{kind[14:18]}"
        remove.append(name)
        containerd.run(name, rootfs, ["/bin/sleep", "600"], "-d", "--null-io", runtime=kind, check=True)
        shim = find("containerd-shim" if kind == REAPER else "/", f"-id {name}", str(containerd.folder))[0]
        scores = [int(Path(f"/proc/{pid}/oom_score_adj").read_text()) for pid in (containerd.pid, shim)]
        assert scores[1] == min(scores[0] + 1, 1000)
