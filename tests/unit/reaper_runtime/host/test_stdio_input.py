"""The input of a process: where it ends, where it does not, and one that is none."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from reaper_runtime.errors import InvalidArgument
from reaper_runtime.host.stdio import StdioPaths, Streams
from tests.fakes.runtime import turn
from tests.fakes.streams import DATA

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reaper_runtime.loop import Loop

    Run = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("_no_descriptor_is_left")

ME = os.geteuid()


def test_close_io_is_an_end_of_file_after_all_input(loop: Loop, run: Run, fifo: Callable[[str], Path]) -> None:
    path = fifo("in")
    streams = Streams(loop, StdioPaths(str(path), "", ""), ME)
    child = os.dup(streams.stdin)
    os.set_blocking(child, False)
    writer = os.open(path, os.O_WRONLY)

    async def story() -> bytes:
        os.write(writer, DATA[:60_000])
        os.close(writer)
        await turn(loop, 0.005)
        streams.close_stdin()
        streams.close_stdin()
        got = b""
        while True:
            await loop.readable(child)
            more = os.read(child, 4096)
            if not more:
                return got
            got += more

    streams.close_child_ends()
    assert run(story()) == DATA[:60_000]
    os.close(child)
    streams.close()


def test_input_does_not_end_when_its_writer_goes_away(loop: Loop, run: Run, fifo: Callable[[str], Path]) -> None:
    path = fifo("in")
    streams = Streams(loop, StdioPaths(str(path), "", ""), ME)
    child = os.dup(streams.stdin)
    os.set_blocking(child, False)
    streams.close_child_ends()

    async def story() -> bytes:
        for word in (b"first ", b"second"):
            writer = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
            os.write(writer, word)
            os.close(writer)
        await turn(loop, 0.005)
        got = os.read(child, 100)
        with pytest.raises(BlockingIOError):
            os.read(child, 100)
        return got

    assert run(story()) == b"first second"
    os.close(child)
    streams.close()


def test_input_that_nobody_reads_any_more_ends_quietly(loop: Loop, run: Run, fifo: Callable[[str], Path]) -> None:
    path = fifo("in")
    streams = Streams(loop, StdioPaths(str(path), "", ""), ME)
    streams.close_child_ends()
    writer = os.open(path, os.O_WRONLY | os.O_NONBLOCK)

    async def story() -> None:
        os.write(writer, b"x")
        await turn(loop, 0.005)

    run(story())
    os.close(writer)
    streams.close()


def test_a_missing_input_is_a_sentence(loop: Loop, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"the input .*/none is not a FIFO"):
        Streams(loop, StdioPaths(f"{tmp_path}/none", "", ""), ME)
