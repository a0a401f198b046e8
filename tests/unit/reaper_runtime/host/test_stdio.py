"""The relay of standard streams: nothing lost, nothing changed, and nobody held up by who keeps a stream open."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

import pytest

from reaper_runtime.errors import FailedPrecondition, InvalidArgument, Unavailable
from reaper_runtime.host.stdio import StdioPaths, Streams
from tests.fakes.runtime import Reader, eventually, needs_root, settled, turn
from tests.fakes.streams import DATA, write_all

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reaper_runtime.loop import Loop

    Run = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("_no_descriptor_is_left")

ME = os.geteuid()


def test_a_megabyte_arrives_as_it_was_written(loop: Loop, run: Run, fifo: Callable[[str], Path]) -> None:
    reader = Reader(loop, fifo("out"))
    streams = Streams(loop, StdioPaths("", str(reader.path), ""), ME)

    async def story() -> None:
        await write_all(loop, streams.stdout, DATA)
        streams.close_child_ends()
        await streams.drained
        streams.close()
        await reader.ended

    run(story())
    assert reader.data == DATA


def test_a_slow_reader_loses_nothing(loop: Loop, run: Run, fifo: Callable[[str], Path]) -> None:
    path = fifo("out")
    streams = Streams(loop, StdioPaths("", str(path), ""), ME)
    slow = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    got = b""

    async def story() -> bytes:
        nonlocal got
        writing = loop.spawn(write_all(loop, streams.stdout, DATA[:300_000]))
        while len(got) < 300_000:
            await turn(loop, 0.0005)
            try:
                got += os.read(slow, 5000)
            except BlockingIOError:
                continue
        await writing
        return got

    assert run(story()) == DATA[:300_000]
    streams.close_child_ends()
    streams.close()
    os.close(slow)


def test_a_reader_that_goes_away_and_comes_back_costs_the_writer_nothing(
    loop: Loop, run: Run, fifo: Callable[[str], Path]
) -> None:
    reader = Reader(loop, fifo("out"))
    streams = Streams(loop, StdioPaths("", str(reader.path), ""), ME)

    async def story() -> None:
        os.write(streams.stdout, b"before ")
        await eventually(loop, lambda: reader.data == b"before ")
        reader.close()
        os.write(streams.stdout, b"meanwhile ")
        await turn(loop, 0.005)
        reader.open()
        os.write(streams.stdout, b"after")
        await eventually(loop, lambda: reader.data.endswith(b"after"))
        reader.close()

    run(story())
    assert reader.data == b"before meanwhile after"
    streams.close_child_ends()
    streams.close()


def test_output_and_errors_go_their_own_ways(loop: Loop, run: Run, fifo: Callable[[str], Path]) -> None:
    out, err = Reader(loop, fifo("out")), Reader(loop, fifo("err"))
    streams = Streams(loop, StdioPaths("", str(out.path), str(err.path)), ME)

    async def story() -> None:
        os.write(streams.stdout, b"o")
        os.write(streams.stderr, b"e")
        streams.close_child_ends()
        await streams.drained
        streams.close()
        await out.ended
        await err.ended

    run(story())
    assert (out.data, err.data) == (b"o", b"e")


def test_somebody_who_keeps_the_output_open_is_given_up(loop: Loop, run: Run, fifo: Callable[[str], Path]) -> None:
    reader = Reader(loop, fifo("out"))
    streams = Streams(loop, StdioPaths("", str(reader.path), ""), ME)
    grandchild = os.dup(streams.stdout)
    streams.close_child_ends()

    async def story() -> None:
        os.write(grandchild, b"x")
        await eventually(loop, lambda: reader.data == b"x")
        assert not streams.drained.done
        streams.abandon_output()
        assert streams.drained.done
        streams.close()
        await reader.ended

    run(story())
    os.close(grandchild)


def test_without_paths_everything_is_nowhere(loop: Loop, run: Run) -> None:
    streams = Streams(loop, StdioPaths("", "", ""), ME)
    assert os.read(streams.stdin, 10) == b""
    assert os.write(streams.stdout, b"x") == os.write(streams.stderr, b"x") == 1
    run(settled(streams.drained))
    streams.close_child_ends()
    streams.close()


@needs_root
def test_the_pipes_belong_to_the_user_of_the_process_and_dev_null_does_not(
    loop: Loop, fifo: Callable[[str], Path]
) -> None:
    streams = Streams(loop, StdioPaths(str(fifo("in")), str(fifo("out")), ""), 1234)
    owners = [os.fstat(fd).st_uid for fd in (streams.stdin, streams.stdout, streams.stderr)]
    streams.close_child_ends()
    streams.close()
    assert owners == [1234, 1234, 0]


def test_without_a_pipe_there_is_a_sentence_and_no_descriptor_is_left(
    loop: Loop, fifo: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EPERM, os.strerror(errno.EPERM))

    monkeypatch.setattr(os, "fchown", refuse)
    for paths in (StdioPaths(str(fifo("in")), "", ""), StdioPaths("", str(fifo("out")), "")):
        with pytest.raises(Unavailable, match=r"there is no pipe for the stream /.*: Operation not permitted"):
            Streams(loop, paths, ME)


def test_a_discarded_stream_is_not_relayed(loop: Loop, run: Run, fifo: Callable[[str], Path]) -> None:
    out, err = fifo("out"), fifo("err")
    streams = Streams(loop, StdioPaths("", str(out), str(err)), ME, frozenset({"stdout"}))
    error = Reader(loop, err)

    async def story() -> None:
        os.write(streams.stdout, b"dropped")
        os.write(streams.stderr, b"kept")
        streams.close_child_ends()
        await streams.drained
        streams.close()
        await error.ended

    run(story())
    assert error.data == b"kept"


@pytest.mark.parametrize("address", ["binary:///bin/logger?x=y", "npipe://x", "binary-v2:///bin/x"])
def test_other_kinds_of_output_are_refused(loop: Loop, address: str) -> None:
    with pytest.raises(InvalidArgument, match="is not supported: use a FIFO or a file:// address"):
        Streams(loop, StdioPaths("", "", address), ME)


def test_a_failure_halfway_leaves_no_descriptor(loop: Loop, fifo: Callable[[str], Path]) -> None:
    paths = StdioPaths(str(fifo("in")), str(fifo("out")), "/no/such/folder/err")
    with pytest.raises(FailedPrecondition):
        Streams(loop, paths, ME)
