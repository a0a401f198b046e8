"""`delete`: after a shim that was killed, nothing of its pod is left, and the answer is 137."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reaper_runtime.errors import InvalidArgument
from reaper_runtime.host import procfs
from reaper_runtime.host.cgroup import cgroup, directory
from reaper_runtime.host.systemd import connection
from reaper_runtime.shim.delete import clear, delete
from reaper_runtime.state import Mark, PodState, Record
from reaper_runtime.task import TaskProcess
from tests.fakes.runtime import eventually, is_alive
from tests.fakes.systemd import FakeSystemd, obliging

if TYPE_CHECKING:
    from collections.abc import Callable

    from reaper_runtime.host.systemd.message import Message
    from reaper_runtime.loop import Loop

    Run = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("reaper")


DEAD = 1 << 22  # a pid that no process has
DYING_SECONDS = 0.2


@pytest.fixture
def state(tmp_path: Path) -> PodState:
    return PodState("k8s.io", "pod", str(tmp_path / "state"))


@pytest.fixture
def call(tmp_path: Path) -> Callable[[str], tuple[int, int]]:
    """delete(name): the pid and exit status of its answer."""

    def run(name: str) -> tuple[int, int]:
        before = time.time()
        answer = delete("k8s.io", name, str(tmp_path), str(tmp_path / "state"))
        assert answer.exited_at is not None
        assert int(before) <= answer.exited_at.seconds <= time.time()
        return answer.pid, answer.exit_status

    return run


def _session(children: int = 0) -> int:
    """A session leader that was recorded, with children in its session. Gives its pid."""
    receive, send = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        for _ in range(children):
            if os.fork() == 0:
                break
        os.write(send, b"x")
        os.close(receive)
        while True:
            signal.pause()
    got = 0
    while got < children + 1:
        got += len(os.read(receive, 100))
    os.close(receive)
    os.close(send)
    return pid


def _record(state: PodState, name: str, pid: int, older: int = 0) -> None:
    found = procfs.stat(pid)
    assert found is not None
    state.write(Record(name, pid, found.start_time - older))


def test_a_recorded_process_and_its_session_are_killed(
    state: PodState, call: Callable[[str], tuple[int, int]], loop: Loop, run: Run
) -> None:
    pid = _session(children=2)
    members = [p.pid for p in procfs.processes() if p.session == pid]
    assert len(members) == 3
    _record(state, "c1", pid)
    assert call("c1") == (pid, 137)
    run(eventually(loop, lambda: not any(is_alive(member) for member in members)))
    assert not os.path.exists(state.path)  # noqa: PTH110


def test_what_left_its_session_is_killed_by_its_cgroup(state: PodState, call: Callable[[str], tuple[int, int]]) -> None:
    made = cgroup.track("k8s.io", f"unit-test-{os.getpid()}", "c1")
    if made is None:
        pytest.skip("no cgroup can be written here")
    leader, daemon = _session(), _session()
    for pid in (leader, daemon):
        for place in made.directories:
            Path(place, "cgroup.procs").write_text(str(pid))
    found = procfs.stat(leader)
    assert found is not None
    state.write(Record("c1", leader, found.start_time, tuple(made.directories)))
    assert call("c1") == (leader, 137)
    assert not is_alive(leader)
    assert not is_alive(daemon)
    assert not any(Path(place).exists() for place in made.directories)
    cgroup.forget("k8s.io", f"unit-test-{os.getpid()}")


def test_units_that_systemd_does_not_see_the_end_of_are_on_record_until_they_are_gone(
    state: PodState, call: Callable[[str], tuple[int, int]], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who is killed before that is followed by another `delete`."""
    places = [tmp_path / f"cri-containerd-{name}.scope" for name in ("c1", "c2")]
    for place in places:
        place.mkdir()
        (place / "unit").touch()
        state.write(Record(place.name.removesuffix(".scope"), DEAD, 1, (str(place),)))
    systemd = FakeSystemd(tmp_path / "private")
    on_record = []

    def stops(fake: FakeSystemd, asked: Message) -> list[bytes]:
        on_record.append(len(list(state.records())))
        shutil.rmtree(tmp_path / fake.calls[-1][1][0])
        return obliging(fake, asked)

    systemd.answer = stops
    monkeypatch.setattr(connection, "SOCKET", str(systemd.path))
    monkeypatch.setattr(directory, "is_unit", lambda path: Path(path, "unit").exists())
    monkeypatch.setattr("reaper_runtime.shim.delete._UNIT_SECONDS", 0.03)
    call("pod")
    assert sorted(values[0] for _, values in systemd.calls) == [place.name for place in places]
    assert on_record == [2, 2]
    assert list(state.records()) == []
    systemd.close()


@pytest.mark.parametrize("seen", [True, False])
def test_a_unit_is_systemds_to_remove(
    state: PodState,
    call: Callable[[str], tuple[int, int]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    seen: bool,
) -> None:
    """One that systemd does not see the end of is stopped."""
    place = tmp_path / "cri-containerd-c1.scope"
    place.mkdir()
    (place / "unit").touch()
    systemd = FakeSystemd(tmp_path / "private")

    def stops(fake: FakeSystemd, asked: Message) -> list[bytes]:
        shutil.rmtree(place)
        return obliging(fake, asked)

    systemd.answer = stops
    monkeypatch.setattr(connection, "SOCKET", str(systemd.path))
    monkeypatch.setattr(directory, "is_unit", lambda path: Path(path, "unit").exists())
    monkeypatch.setattr("reaper_runtime.shim.delete._UNIT_SECONDS", 20.0 if seen else 0.03)
    state.write(Record("c1", DEAD, 1, (str(place),)))
    timer = threading.Timer(0.05, shutil.rmtree, (place,))
    if seen:
        timer.start()
    assert call("c1") == (DEAD, 137)
    assert systemd.calls == ([] if seen else [("StopUnit", (place.name, "replace"))])
    assert not place.exists()
    if seen:
        timer.join()
    systemd.close()


def test_the_pods_cgroup_goes_with_its_last_container(
    tmp_path: Path, state: PodState, call: Callable[[str], tuple[int, int]]
) -> None:
    pod = tmp_path / "reaper" / "k8s.io" / "pod"
    (pod / "c1").mkdir(parents=True)
    kubelets = tmp_path / "kubepods" / "pod1"
    (kubelets / "c2").mkdir(parents=True)
    state.write(Record("c1", 1 << 22, 1, (str(pod / "c1"),)))
    state.write(Record("c2", 1 << 22, 1, (str(kubelets / "c2"),)))
    call("pod")
    assert not (tmp_path / "reaper" / "k8s.io").exists()
    assert kubelets.exists()
    assert not (kubelets / "c2").exists()


def test_a_shim_that_was_killed_before_it_had_recorded_anything(
    state: PodState, call: Callable[[str], tuple[int, int]]
) -> None:
    """make chaos, seed 407242: the cgroup of a container whose shim was killed while it started was left."""
    names = ("k8s.io", "pod")
    made = cgroup.track(*names, "c1")
    if made is None:
        pytest.skip("no cgroup can be written here")
    state.mark(Mark(DEAD, 1, tuple(cgroup.places(*names))))
    lost = _session()
    Path(made.tracking, "cgroup.procs").write_text(str(lost))
    assert call("pod") == (0, 137)
    assert not is_alive(lost)
    assert not any(Path(place).exists() for place in cgroup.places(*names))
    assert not os.path.exists(state.path)  # noqa: PTH110


def test_the_delete_of_one_container_leaves_the_pods_cgroup(
    state: PodState, call: Callable[[str], tuple[int, int]], tmp_path: Path
) -> None:
    place = tmp_path / "reaper" / "k8s.io" / "pod"
    place.mkdir(parents=True)
    state.mark(Mark(DEAD, 1, (str(place),)))
    pid = _session()
    _record(state, "c1", pid)
    assert call("c1") == (pid, 137)
    assert place.exists()
    assert state.marked() is not None


def test_the_answer_names_the_init_process_not_an_exec(state: PodState, call: Callable[[str], tuple[int, int]]) -> None:
    pids = {name: _session() for name in ("c1:a", "c1", "c1:b", "c1:c")}
    for name, pid in pids.items():
        _record(state, name, pid)
    assert call("c1") == (pids["c1"], 137)


def test_another_container_of_the_pod_is_left_alone(
    state: PodState, call: Callable[[str], tuple[int, int]], loop: Loop, run: Run
) -> None:
    gone, kept = _session(), _session()
    _record(state, "c1", gone)
    _record(state, "c10", kept)
    call("c1")
    run(eventually(loop, lambda: not is_alive(gone)))
    assert is_alive(kept)
    assert [record.name for record in state.records()] == ["c10"]


def test_for_the_sandbox_the_whole_pod_is_cleared(
    state: PodState, call: Callable[[str], tuple[int, int]], loop: Loop, run: Run
) -> None:
    pids = [_session() for _ in range(3)]
    for number, pid in enumerate(pids):
        _record(state, f"c{number}", pid)
    assert call("pod") == (0, 137)
    run(eventually(loop, lambda: not any(is_alive(pid) for pid in pids)))
    assert not os.path.exists(state.path)  # noqa: PTH110


def test_nothing_recorded_is_fine_as_often_as_it_is_asked(call: Callable[[str], tuple[int, int]]) -> None:
    assert [call("c1"), call("c1"), call("pod")] == [(0, 137)] * 3


def test_a_stranger_with_a_recorded_pid_is_left_alone(state: PodState, call: Callable[[str], tuple[int, int]]) -> None:
    stranger = _session()
    _record(state, "c1", stranger, older=1)
    call("c1")
    assert is_alive(stranger)


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


@pytest.mark.parametrize("content", [b"", b"12", b"x y", b"\xff"])
def test_half_written_records_do_not_keep_the_others_from_being_cleared(
    state: PodState, call: Callable[[str], tuple[int, int]], content: bytes, loop: Loop, run: Run
) -> None:
    pid = _session()
    _record(state, "c1", pid)
    for name in ("c0", "c2", "c3~"):
        with open(os.path.join(state.path, name), "wb") as file:  # noqa: PTH118, PTH123
            file.write(content)
    call("pod")
    run(eventually(loop, lambda: not is_alive(pid)))


@pytest.mark.parametrize("name", ["..", "a/b", ""])
def test_an_id_that_is_no_file_name_is_refused(call: Callable[[str], tuple[int, int]], name: str) -> None:
    with pytest.raises(InvalidArgument):
        call(name)


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
        child = _session()
        _record(state, "pod", child)
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


@pytest.mark.parametrize("half_written", [[], ["c1~"], ["c1:exec~"]])
def test_a_shim_killed_while_it_wrote_a_record_leaves_nothing(tmp_path: Path, half_written: list[str]) -> None:
    """Found by tests/conformance/chaos.py: the directory was there, its record not yet."""
    pod = tmp_path / "state" / "k8s.io" / "c1"
    pod.mkdir(parents=True)
    for name in half_written:
        (pod / name).touch()
    delete("k8s.io", "c1", str(tmp_path), str(tmp_path / "state"))
    assert not pod.exists()


def test_a_half_written_record_of_a_pods_container_goes_and_those_of_others_stay(tmp_path: Path) -> None:
    pod = tmp_path / "state" / "k8s.io" / "pod"
    pod.mkdir(parents=True)
    for name in ("c1~", "c2~"):
        (pod / name).touch()
    delete("k8s.io", "c1", str(tmp_path), str(tmp_path / "state"))
    assert [path.name for path in pod.iterdir()] == ["c2~"]  # its shim may live, and be about to rename it
    delete("k8s.io", "pod", str(tmp_path), str(tmp_path / "state"))
    assert not pod.exists()


def test_the_node_agent_hears_of_the_end_of_a_tasks_pod(
    state: PodState, tmp_path: Path, call: Callable[[str], tuple[int, int]]
) -> None:
    whose = {"namespace": "default", "pod": "hello", "pod_uid": "pod-1", "task": "hello", "overlay": ""}
    state.write(Record("pod:exec", 1 << 22, 5))
    state.task.write(TaskProcess(1 << 22, 5, **whose))
    told = tmp_path / "tasks" / "k8s.io@pod"

    call("another")
    assert told.exists()
    call("pod")
    assert not told.exists()
