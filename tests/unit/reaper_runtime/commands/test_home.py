"""A container's directory: its id, its state, and what the state says without a supervisor."""

from __future__ import annotations

import os
import socket
import subprocess
from typing import TYPE_CHECKING

import pytest

from reaper_runtime.commands.home import CREATING, RUNNING, STOPPED, Home, State, homes, without_supervisor
from reaper_runtime.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound
from reaper_runtime.host import procfs

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(str(tmp_path / "root"), "c")
    made.make()
    return made


def test_an_id_is_taken_once_and_given_back(home: Home, tmp_path: Path) -> None:
    assert (tmp_path / "root" / "c").stat().st_mode & 0o777 == 0o700
    with pytest.raises(AlreadyExists, match="container c exists already"):
        home.make()
    home.remove()
    home.make()
    assert [found.name for found in homes(str(tmp_path / "root"))] == ["c"]
    assert list(homes(str(tmp_path / "none"))) == []


@pytest.mark.parametrize("name", ["", "..", "a/b", "-x", "x" * 121])
def test_an_unsafe_id_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InvalidArgument, match="container id"):
        Home(str(tmp_path), name)


def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FailedPrecondition, match=r"file/root/c cannot be made: Not a directory"):
        Home(str(tmp_path / "file" / "root"), "c").make()


def test_a_state_is_read_as_it_was_written(home: Home) -> None:
    state = State(id="c", bundle="/b", pid=7, start_time=9, annotations={"a": "b"}, owner="root")
    home.write(state)
    assert home.read().document() == state.document()
    assert (home.read().start_time, state.status, state.created[-1]) == (9, CREATING, "Z")
    assert os.listdir(home.path) == ["state.json"]  # noqa: PTH208


def test_a_stopped_container_has_no_pid_to_show() -> None:
    assert State(id="c", bundle="/b", pid=7, status=STOPPED).document()["pid"] == 0


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"bundle": 1}', "\x00"])
def test_half_a_state_is_an_error_that_says_what_to_do(home: Home, text: str) -> None:
    with open(f"{home.path}/state.json", "w") as file:  # noqa: PTH123
        file.write(text)
    with pytest.raises(FailedPrecondition, match=r"container c has no state: .* delete --force removes it"):
        home.read()


def test_no_container_is_not_found(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="container c does not exist"):
        Home(str(tmp_path), "c").read()


def test_without_a_supervisor_proc_says_what_runs() -> None:
    with subprocess.Popen(["/bin/sleep", "60"]) as child:
        seen = procfs.stat(child.pid)
        assert seen is not None
        right = State(id="c", bundle="/", status=RUNNING, pid=child.pid, start_time=seen.start_time)
        reused = State(id="c", bundle="/", status=RUNNING, pid=child.pid, start_time=seen.start_time + 1)
        assert without_supervisor(right).status == RUNNING
        assert without_supervisor(reused).status == STOPPED
        child.kill()
    assert without_supervisor(right).status == STOPPED
    assert without_supervisor(State(id="c", bundle="/")).status == STOPPED


def test_a_socket_s_path_is_short_however_deep_the_directory(tmp_path: Path) -> None:
    home = Home(str(tmp_path / ("x" * 100) / ("y" * 100)), "z" * 120)
    home.make()
    with socket.socket(socket.AF_UNIX) as listener, socket.socket(socket.AF_UNIX) as client:
        listener.bind(home.socket("s"))
        listener.listen()
        client.connect(home.socket("s"))
    assert os.listdir(home.path) == ["s"]  # noqa: PTH208
