"""Processes by what /proc tells: sessions, descendants, start times against the reuse of pids, odd names."""

from __future__ import annotations

import ctypes
import errno
import os
import select
import signal
from typing import TYPE_CHECKING, Any

import pytest

from reaper_runtime.host import procfs
from tests.fakes.containers import HEADLESS, THREADED, has_first_thread
from tests.fakes.runtime import eventually, is_alive, open_fds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reaper_runtime.exits import Reaper
    from reaper_runtime.loop import Loop

    Run = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("reaper")
PR_SET_NAME = 15


def _sleeper(*, session: bool = False, name: bytes = b"") -> int:
    """A child that sleeps, once it has a session and a name."""
    receive, send = os.pipe()
    pid = os.fork()
    if pid == 0:
        if session:
            os.setsid()
        if name:
            ctypes.CDLL(None).prctl(PR_SET_NAME, name, 0, 0, 0)
        os.write(send, b"x")
        os.close(receive)
        while True:
            signal.pause()
    assert os.read(receive, 1) == b"x"
    os.close(receive)
    os.close(send)
    return pid


def _stat(pid: int) -> procfs.Stat:
    found = procfs.stat(pid)
    assert found is not None
    return found


@pytest.mark.parametrize(
    "name", [b"plain", b"a b", b"(x", b"x)", b") R 1 1 1", b"a\nb", b"))) ", b"\xff\xfe", b"0123456789abcde"]
)
def test_a_process_is_read_whatever_its_name(name: bytes) -> None:
    pid = _sleeper(session=True, name=name)
    found = _stat(pid)
    assert (found.pid, found.parent, found.session, found.zombie) == (pid, os.getpid(), pid, False)
    assert found.start_time > 0


def test_a_process_that_does_not_exist_is_none() -> None:
    assert procfs.stat((1 << 22) + 1) is None


def test_a_zombie_is_told_from_the_living(loop: Loop, run: Run) -> None:
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    run(eventually(loop, lambda: _stat(pid).zombie))
    assert not is_alive(pid)


def test_a_process_lives_on_without_its_first_thread(loop: Loop, run: Run) -> None:
    pid = os.posix_spawn(HEADLESS[0], HEADLESS, os.environ, setsid=True)
    run(eventually(loop, lambda: not has_first_thread(pid)))
    assert not _stat(pid).zombie
    assert procfs.is_alive(pid, _stat(pid).start_time)
    assert pid in [p.pid for p in procfs.descendants(os.getpid())]
    assert [p.pid for p in procfs.kill_all(lambda: procfs.session_members(pid, _stat(pid).start_time))] == [pid]
    run(eventually(loop, lambda: procfs.stat(pid) is None))


def test_ourselves_are_among_the_processes() -> None:
    assert os.getpid() in [p.pid for p in procfs.processes()]


def test_the_members_of_a_session_are_found() -> None:
    leader = _sleeper(session=True)
    stranger = _sleeper()
    assert [p.pid for p in procfs.session_members(leader, _stat(leader).start_time)] == [leader]
    assert stranger not in [p.pid for p in procfs.session_members(leader, 0)]


def test_members_are_found_when_their_leader_is_gone(reaper: Reaper, loop: Loop, run: Run) -> None:
    receive, send = os.pipe()
    leader = os.fork()
    if leader == 0:
        os.setsid()
        member = os.fork()
        if member == 0:
            os.close(receive)
            os.close(send)
            while True:
                signal.pause()
        os.write(send, b"%d" % member)
        signal.pause()
    exited = reaper.expect(leader)
    member = int(os.read(receive, 32))
    start_time = _stat(leader).start_time
    os.kill(leader, signal.SIGKILL)
    run(eventually(loop, lambda: exited.done))
    assert procfs.stat(leader) is None
    assert [p.pid for p in procfs.session_members(leader, start_time)] == [member]
    assert procfs.session_members(leader, _stat(member).start_time + 1) == []
    os.close(receive)
    os.close(send)


def test_a_later_process_of_the_same_pid_is_a_stranger() -> None:
    pid = _sleeper(session=True)
    assert procfs.session_members(pid, _stat(pid).start_time - 1) == []


def test_a_child_is_found_although_its_parent_ends_while_proc_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """Once the pids have gone round, a child is read before its parent."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    receive, send = os.pipe()
    parent = os.fork()
    if parent == 0:
        child = os.fork()
        if child:
            os.write(send, b"%d" % child)
        while True:
            signal.pause()
    child = int(os.read(receive, 32))
    os.close(receive)
    os.close(send)
    listdir = os.listdir

    def child_first(path: str) -> Iterator[str]:
        names = listdir(path)
        yield str(child)
        os.kill(parent, signal.SIGKILL)
        os.waitpid(parent, 0)
        yield from (name for name in names if name != str(child))

    monkeypatch.setattr(os, "listdir", child_first)
    found = [p.pid for p in procfs.descendants(os.getpid())]
    monkeypatch.undo()
    assert child in found


def test_descendants_come_before_their_own_children() -> None:
    child = _sleeper()
    found = [p.pid for p in procfs.descendants(os.getpid())]
    assert child in found
    assert os.getpid() not in found


def test_children_are_those_of_the_kernel() -> None:
    child = _sleeper()
    assert child in (procfs.children(os.getpid()) or [])
    assert procfs.children(child) in ([], None)
    assert procfs.children((1 << 22) + 1) is None


def test_the_children_of_every_thread_are_told(loop: Loop, run: Run) -> None:
    parent = os.posix_spawn(THREADED[0], THREADED, os.environ)
    run(eventually(loop, lambda: procfs.children(parent)))


@pytest.mark.parametrize("code", [errno.ESRCH, errno.EINVAL, errno.ENOENT])
def test_who_is_reaped_while_it_is_opened_is_gone(monkeypatch: pytest.MonkeyPatch, code: int) -> None:
    """pidfd_open(2) finds a pid without a process for a moment: Linux before 6.16 says EINVAL then."""

    def being_reaped(_pid: int) -> int:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "pidfd_open", being_reaped)
    assert procfs.open_pidfd(_stat(os.getpid())) is None


def test_a_signal_reaches_exactly_the_process_that_was_seen(reaper: Reaper, loop: Loop, run: Run) -> None:
    pid = _sleeper()
    exited = reaper.expect(pid)
    seen = _stat(pid)
    impostor = _stat(pid)
    impostor.start_time -= 1
    before = open_fds()
    procfs.send_signal(impostor, signal.SIGKILL)
    assert is_alive(pid)
    procfs.send_signal(seen, signal.SIGKILL)
    run(eventually(loop, lambda: exited.done))
    procfs.send_signal(seen, signal.SIGKILL)  # gone is fine
    assert open_fds() == before


def test_a_descriptor_is_of_exactly_the_process_that_was_seen(reaper: Reaper, loop: Loop, run: Run) -> None:
    pid = _sleeper()
    exited = reaper.expect(pid)
    seen, impostor = _stat(pid), _stat(pid)
    impostor.start_time -= 1
    before = open_fds()
    assert procfs.open_pidfd(impostor) is None
    assert open_fds() == before
    fd = procfs.open_pidfd(seen)
    assert fd is not None
    assert procfs.is_alive(pid, seen.start_time)
    assert not procfs.is_alive(pid, impostor.start_time)
    os.kill(pid, signal.SIGKILL)
    run(eventually(loop, lambda: exited.done))
    assert select.select([fd], [], [], 0)[0] == [fd]
    assert procfs.open_pidfd(seen) is None
    assert not procfs.is_alive(pid, seen.start_time)
    os.close(fd)


def test_killing_goes_on_until_nothing_new_turns_up(reaper: Reaper, loop: Loop, run: Run) -> None:
    pids = [_sleeper() for _ in range(3)]
    exited = [reaper.expect(pid) for pid in pids]
    rounds = iter([[_stat(pids[0])], [_stat(pid) for pid in pids[:2]], [_stat(pid) for pid in pids], []])
    killed = procfs.kill_all(lambda: next(rounds))
    assert [p.pid for p in killed] == pids
    run(eventually(loop, lambda: all(future.done for future in exited)))


def test_killing_ends_although_a_process_does_not_go() -> None:
    me = _stat(os.getpid())
    me.start_time -= 1  # not us: nothing is killed
    assert procfs.kill_all(lambda: [me]) == [me]
