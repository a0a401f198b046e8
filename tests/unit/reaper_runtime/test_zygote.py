"""The fork server: it forks, and lives on whatever it is sent."""

from __future__ import annotations

import os
import signal
import socket
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reaper_runtime import zygote
from reaper_runtime.shim import launch, sweep
from reaper_runtime.shim.launch import Launch
from reaper_runtime.state import Mark, PodState
from tests.fakes.runtime import eventually, is_alive, needs_root

if TYPE_CHECKING:
    from collections.abc import Callable

    from reaper_runtime.exits import Reaper
    from reaper_runtime.loop import Loop

    Run = Callable[..., Any]

LAUNCH = Launch(container="c1", namespace="ns", address="/a", ttrpc_address="", bundle="/no/such/bundle", bootstrap=b"")


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, reaper: Reaper) -> int:
    """The pid of a fork server of its own."""
    monkeypatch.setattr(launch, "RUN_DIRECTORY", str(tmp_path))
    monkeypatch.setattr(sweep, "SECONDS", 0.05)
    receive, send = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.dup2(send, 1)
            signal.set_wakeup_fd(-1)
            zygote.main("test")
        finally:
            os._exit(0)
    os.close(send)
    assert os.read(receive, 100) == b"ready\n"
    assert os.read(receive, 100) == b""  # it keeps nothing that it has inherited: `send` was left open in it
    os.close(receive)
    return pid


def _ask(folder: Path, data: bytes, *, shut: bool = True) -> bytes:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as conn:
        conn.settimeout(10)
        conn.connect(str(folder / "zygote-test.sock"))
        conn.sendall(data)
        if shut:
            conn.shutdown(socket.SHUT_WR)
        answer = b""
        while more := conn.recv(4096):
            answer += more
        return answer


def _works(folder: Path) -> bool:
    return _ask(folder, LAUNCH.encode()).startswith(b"-there is no bundle at /no/such/bundle")


@pytest.mark.usefixtures("server")
def test_what_a_shim_cannot_do_comes_back_as_its_sentence(tmp_path: Path) -> None:
    assert _works(tmp_path)


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", b"-not a netstring"),
        (b"garbage", b"-not a netstring"),
        (b"5:abc", b"-not a netstring"),
        (b"9" * 5000 + b":", b"-not a netstring"),
        (b"99999999999:a,", b"-not a netstring"),
        (b"3:0:,,", b"-a launch has 7 fields, not 1"),
        (b"23:0:,0:,0:,0:,0:,2:\xff\xfe,0:,,", b"-'utf-8' codec"),
    ],
)
def test_garbage_is_answered_and_it_lives_on(server: int, tmp_path: Path, data: bytes, sentence: bytes) -> None:
    assert _ask(tmp_path, data).startswith(sentence)
    assert is_alive(server)
    assert _works(tmp_path)


@pytest.fixture
def _hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of the fork server that comes after it. Not of all: on a busy machine, a request takes longer than that."""
    monkeypatch.setattr(zygote, "RECEIVE_SECONDS", 0.05)


@pytest.mark.usefixtures("_hasty", "server")
def test_a_request_that_is_never_complete_is_given_up(tmp_path: Path) -> None:
    assert _ask(tmp_path, b"100:abc", shut=False) == b"-timed out"
    assert _works(tmp_path)


@pytest.mark.usefixtures("server")
def test_a_slow_request_does_not_hold_up_another(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as slow:
        slow.connect(str(tmp_path / "zygote-test.sock"))
        slow.sendall(b"1")
        assert _works(tmp_path)


@pytest.mark.usefixtures("server")
def test_its_socket_is_for_its_own_user_alone(tmp_path: Path) -> None:
    assert (tmp_path / "zygote-test.sock").stat().st_mode & 0o777 == 0o600


@needs_root
def test_another_user_gets_no_answer(server: int, tmp_path: Path, run: Run, loop: Loop, reaper: Reaper) -> None:
    (tmp_path / "zygote-test.sock").chmod(0o777)
    tmp_path.chmod(0o755)
    pid = os.fork()
    if pid == 0:
        try:
            os.chdir(tmp_path)
            os.setresuid(65534, 65534, 65534)
            stranger = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            stranger.connect("zygote-test.sock")
            os._exit(0 if stranger.recv(10) == b"" else 1)
        finally:
            os._exit(2)
    exited = reaper.expect(pid)
    run(eventually(loop, lambda: exited.done))
    assert exited.result().code == 0
    assert is_alive(server)


def test_its_children_leave_no_zombies(server: int, tmp_path: Path, run: Run, loop: Loop) -> None:
    for _ in range(5):
        assert _works(tmp_path)
    children = f"/proc/{server}/task/{server}/children"
    with open(children) as file:  # noqa: PTH123
        run(eventually(loop, lambda: file.seek(0) == 0 and file.read() == ""))


def test_it_takes_its_socket_along_when_it_is_told_to_go(
    server: int, tmp_path: Path, run: Run, loop: Loop, reaper: Reaper
) -> None:
    exited = reaper.expect(server)
    os.kill(server, signal.SIGTERM)
    run(eventually(loop, lambda: exited.done))
    assert exited.result().code == 0
    assert not (tmp_path / "zygote-test.sock").exists()


def test_without_processes_left_the_caller_hears_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_fork() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", no_fork)
    ours, theirs = socket.socketpair()
    assert zygote._fork(theirs) == -1
    assert b"cannot start a shim: Resource temporarily unavailable" in ours.recv(200)
    ours.close()


def _left_by_a_killed_shim(folder: Path) -> PodState:
    state = PodState("k8s.io", "pod", str(folder / "state"))
    state.mark(Mark(1 << 22, 1))  # a pid that no process has
    return state


def test_what_was_left_before_it_came_is_cleared_up(
    tmp_path: Path, request: pytest.FixtureRequest, loop: Loop, run: Run
) -> None:
    state = _left_by_a_killed_shim(tmp_path)
    request.getfixturevalue("server")
    run(eventually(loop, lambda: state.marked() is None))


def test_after_a_shim_that_did_not_end_well_it_clears_up_and_lives_on(
    server: int, tmp_path: Path, loop: Loop, run: Run
) -> None:
    run(eventually(loop, lambda: not _children(server)))  # the look at its start
    state = _left_by_a_killed_shim(tmp_path)
    assert _works(tmp_path)  # its shim ends with 1
    run(eventually(loop, lambda: state.marked() is None))
    run(eventually(loop, lambda: not _children(server)))
    assert is_alive(server)
    assert _works(tmp_path)


def _children(pid: int) -> str:
    return Path(f"/proc/{pid}/task/{pid}/children").read_text()
