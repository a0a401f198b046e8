"""`delete` and the shim itself: the socket and the mark of a dead one go, those of a living one stay."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reaper_runtime.host import procfs
from reaper_runtime.shim.delete import clear
from reaper_runtime.state import Mark, PodState
from reaper_runtime.task import TaskProcess
from tests.fakes.recorded import DEAD, start_session, write_record

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.usefixtures("reaper")

DYING_SECONDS = 0.2


class Overtaken(PodState):
    """A pod of which a new shim is started right after somebody has looked whose it is."""

    def holds(self, mark: Mark) -> bool:
        held = super().holds(mark)
        self.mark(Mark(4711, 5))
        return held


def test_a_pod_that_is_started_again_while_it_is_cleared_keeps_its_mark(tmp_path: Path) -> None:
    dead = Mark(DEAD, 1)
    state = Overtaken("k8s.io", "pod", str(tmp_path / "state"))
    state.mark(dead)
    whose = {"namespace": "default", "pod": "hello", "pod_uid": "pod-2", "task": "hello", "overlay": ""}
    state.task.write(TaskProcess(4712, 6, **whose))
    clear(state, [], whole_pod=True, mark=dead)
    assert PodState("k8s.io", "pod", str(tmp_path / "state")).holds(Mark(4711, 5))
    assert Path(state.task._path).exists()


def test_the_socket_of_the_dead_shim_goes(tmp_path: Path, call: Callable[[str], tuple[int, int]]) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "s"))
    (tmp_path / "address").write_text(f"unix://{tmp_path}/s")
    call("c1")
    assert not (tmp_path / "s").exists()


def test_the_socket_of_a_living_shim_stays(tmp_path: Path, call: Callable[[str], tuple[int, int]]) -> None:
    with socket.socket(socket.AF_UNIX) as alive:
        alive.bind(str(tmp_path / "s"))
        alive.listen()
        (tmp_path / "address").write_text(f"unix://{tmp_path}/s")
        call("c1")
        assert (tmp_path / "s").exists()


def test_a_living_shim_keeps_its_mark(
    tmp_path: Path, state: PodState, call: Callable[[str], tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else nobody knows of its socket and its cgroups when it is killed later."""
    monkeypatch.setattr("reaper_runtime.shim.delete._EXIT_SECONDS", 0.01)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()
        mark = Mark.of_this_process((), str(tmp_path / "s"))
        state.mark(mark)
        call("pod")
        assert state.holds(mark)
        assert (tmp_path / "s").exists()


def test_a_shim_that_has_not_died_yet_is_waited_for(
    tmp_path: Path, state: PodState, call: Callable[[str], tuple[int, int]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """make chaos, seed 4004: containerd asks for `delete` when its connection is closed, which may be before the socket
    is."""
    monkeypatch.setattr("reaper_runtime.shim.delete._EXIT_SECONDS", 40.0)  # on a busy machine it may die late
    pid = _shim_with_a_process(tmp_path / "s", state)
    found = procfs.stat(pid)
    assert found is not None
    state.mark(Mark(pid, found.start_time, (), str(tmp_path / "s")))
    call("pod")
    assert not (tmp_path / "s").exists()
    assert not Path(state.path).exists()


def _shim_with_a_process(path: Path, state: PodState) -> int:
    """A process that serves a socket, and ends some time after its only child, which is recorded. Gives its pid."""
    receive, send = os.pipe()
    pid = os.fork()
    if pid == 0:
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(path))
        listener.listen()
        child = start_session()
        write_record(state, "pod", child)
        os.write(send, b"x")
        os.waitpid(child, 0)
        signal.signal(signal.SIGALRM, signal.SIG_DFL)  # pytest's handler would go on with the tests here
        signal.setitimer(signal.ITIMER_REAL, DYING_SECONDS)
        while True:
            signal.pause()
    os.close(send)
    assert os.read(receive, 1) == b"x"
    os.close(receive)
    return pid


@pytest.mark.parametrize("address", ["", "unix:///no/such/socket", "x" * 300, "\n"])
def test_an_odd_address_file_is_no_obstacle(
    tmp_path: Path, call: Callable[[str], tuple[int, int]], address: str
) -> None:
    (tmp_path / "address").write_text(address)
    assert call("c1") == (0, 137)
