"""The shims' sockets as files: one shim listens, and nobody removes a socket that is served."""

from __future__ import annotations

import socket
import stat
from pathlib import Path

import pytest

from reaper_runtime.shim import sockets
from tests.fakes import ttrpc
from tests.fakes.runtime import open_fds


def test_what_does_not_listen_is_not_served(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "dead"))
    for path in (tmp_path / "dead", tmp_path / "none", "/" + "x" * 200):
        assert not sockets.is_served(str(path))


def test_one_with_a_full_queue_is_served_and_not_waited_for(tmp_path: Path) -> None:
    clients = []
    with socket.socket(socket.AF_UNIX) as busy:
        busy.bind(str(tmp_path / "s"))
        busy.listen(0)
        for _ in range(3):
            clients.append(socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK))
            clients[-1].connect_ex(str(tmp_path / "s"))
        assert sockets.is_served(str(tmp_path / "s"))
    for client in clients:
        client.close()


def test_a_served_socket_stays_and_a_dead_one_goes(tmp_path: Path) -> None:
    path = tmp_path / "s"
    before = open_fds()
    listener = ttrpc.listen(path)
    sockets.remove_dead(str(path))
    assert path.exists()
    listener.close()
    sockets.remove_dead(str(path))
    assert not path.exists()
    sockets.remove_dead(str(path))
    assert open_fds() == before


def test_only_root_can_hold_the_lock() -> None:
    with sockets.Lock():
        assert stat.S_IMODE(Path(sockets.LOCK).stat().st_mode) == 0o600


def test_the_lock_is_given_back_when_what_it_guards_fails() -> None:
    before = open_fds()
    with pytest.raises(ValueError, match="x"), sockets.Lock():
        raise ValueError("x")
    with sockets.Lock():
        assert open_fds() == before + 1
