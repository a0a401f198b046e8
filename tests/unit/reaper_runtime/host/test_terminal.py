"""A terminal of its own: nothing that is typed or shown gets stuck, and its size and end are those of a terminal."""

from __future__ import annotations

import contextlib
import fcntl
import os
import struct
import termios
import tty
from typing import TYPE_CHECKING, Any

import pytest

from reaper_runtime.errors import FailedPrecondition
from reaper_runtime.host.stdio import StdioPaths
from reaper_runtime.host.terminal import Terminal
from tests.fakes.runtime import Reader, eventually, needs_root, turn

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reaper_runtime.loop import Loop

    Run = Callable[..., Any]

pytestmark = [needs_root, pytest.mark.usefixtures("_no_descriptor_is_left")]


@pytest.fixture
def paths(tmp_path: Path) -> StdioPaths:
    for name in ("in", "out"):
        os.mkfifo(tmp_path / name)
    return StdioPaths(str(tmp_path / "in"), str(tmp_path / "out"), "")


def test_a_long_paste_arrives_whole_without_another_key(loop: Loop, run: Run, paths: StdioPaths) -> None:
    terminal = Terminal(loop, paths, os.geteuid())
    tty.setraw(terminal.stdin)
    child = os.dup(terminal.stdin)
    os.set_blocking(child, False)
    terminal.close_child_ends()
    writer = os.open(paths.stdin, os.O_WRONLY | os.O_NONBLOCK)
    paste = bytes(range(33, 127)) * 600  # more than a terminal holds

    async def story() -> bytes:
        os.write(writer, paste)
        await turn(loop, 0.02)  # the terminal is full before anybody reads
        got = b""

        def all_there() -> bool:
            nonlocal got
            with contextlib.suppress(BlockingIOError):
                got += os.read(child, 65536)
            return len(got) >= len(paste)

        await eventually(loop, all_there)
        return got

    assert run(story()) == paste
    os.close(child)
    os.close(writer)
    terminal.close()


def test_what_is_shown_arrives_and_ends_when_the_last_one_closes(
    loop: Loop, run: Run, paths: StdioPaths, tmp_path: Path
) -> None:
    reader = Reader(loop, tmp_path / "out")
    terminal = Terminal(loop, paths, os.geteuid())

    async def story() -> None:
        os.write(terminal.stdout, b"one\ntwo\n")
        await eventually(loop, lambda: reader.data)
        terminal.close_child_ends()
        await terminal.drained
        terminal.close()
        await reader.ended

    run(story())
    assert reader.data == b"one\r\ntwo\r\n"


def test_the_size_is_that_asked_for(loop: Loop, paths: StdioPaths) -> None:
    terminal = Terminal(loop, paths, os.geteuid(), (132, 43))
    assert _size(terminal.stdin) == (132, 43)
    terminal.resize(80, 24)
    assert _size(terminal.stdin) == (80, 24)
    terminal.close_child_ends()
    terminal.close()
    terminal.resize(1, 1)  # after the end: nothing happens


def _size(fd: int) -> tuple[int, int]:
    rows, columns, _, _ = struct.unpack("4H", fcntl.ioctl(fd, termios.TIOCGWINSZ, bytes(8)))
    return columns, rows


def test_a_failure_halfway_leaves_no_descriptor(loop: Loop, paths: StdioPaths) -> None:
    with pytest.raises(FailedPrecondition):
        Terminal(loop, StdioPaths(paths.stdin, "file:///no/such/folder/out", ""), os.geteuid())


@pytest.mark.parametrize("owner", [0, 1000])
def test_it_belongs_to_the_user_of_the_process(loop: Loop, paths: StdioPaths, owner: int) -> None:
    terminal = Terminal(loop, paths, owner)
    assert os.fstat(terminal.stdin).st_uid == owner
    terminal.close_child_ends()
    terminal.close()
