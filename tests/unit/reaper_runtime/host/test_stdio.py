"""The relay of standard streams: nothing lost, nothing changed, and nobody held up by who keeps a stream open."""

from __future__ import annotations

import errno
import os
import random
import select
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from reaper_runtime.errors import FailedPrecondition, InvalidArgument, Unavailable
from reaper_runtime.host import stdio
from reaper_runtime.host.stdio import StdioPaths, Streams
from tests.fakes.runtime import Reader, eventually, needs_root, open_fds, settled, turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from reaper_runtime.loop import Loop

    Run = Callable[..., Any]

ME = os.geteuid()
DATA = random.Random(7).randbytes(1 << 20)  # noqa: S311


@pytest.fixture
def fifo(tmp_path: Path) -> Callable[[str], Path]:
    def make(name: str) -> Path:
        os.mkfifo(tmp_path / name)
        return tmp_path / name

    return make


@pytest.fixture(autouse=True)
def _no_descriptor_is_left() -> Iterator[None]:
    before = open_fds()
    yield
    assert open_fds() <= before


async def _write(loop: Loop, fd: int, data: bytes) -> None:
    """Write all, however slowly the other side takes it. fd is the process's own, blocking end."""
    view = memoryview(data)
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    while view:
        if poll.poll(0):
            view = view[os.write(fd, view[: select.PIPE_BUF]) :]
        else:
            await turn(loop, 0.0005)


def test_a_megabyte_arrives_as_it_was_written(loop: Loop, run: Run, fifo: Callable[[str], Path]) -> None:
    reader = Reader(loop, fifo("out"))
    streams = Streams(loop, StdioPaths("", str(reader.path), ""), ME)

    async def story() -> None:
        await _write(loop, streams.stdout, DATA)
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
        writing = loop.spawn(_write(loop, streams.stdout, DATA[:300_000]))
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


def test_a_file_is_appended_to(loop: Loop, run: Run, tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"old ")
    streams = Streams(loop, StdioPaths("", f"file://{tmp_path}/log", ""), ME)

    async def story() -> None:
        await _write(loop, streams.stdout, DATA[:200_000])
        streams.close_child_ends()
        await streams.drained

    run(story())
    streams.close()
    assert (tmp_path / "log").read_bytes() == b"old " + DATA[:200_000]


def test_output_and_errors_in_one_file_do_not_overwrite_each_other(loop: Loop, run: Run, tmp_path: Path) -> None:
    address = f"file://{tmp_path}/log"
    streams = Streams(loop, StdioPaths("", address, address), ME)

    async def story() -> None:
        for number in range(50):
            os.write(streams.stdout, b"out%02d " % number)
            os.write(streams.stderr, b"err%02d " % number)
            await turn(loop)
        streams.close_child_ends()
        await streams.drained

    run(story())
    streams.close()
    words = (tmp_path / "log").read_bytes().split()
    assert sorted(words) == sorted(b"%s%02d" % (kind, n) for kind in (b"out", b"err") for n in range(50))


def test_data_that_comes_while_the_relay_looks_is_not_forgotten(loop: Loop, run: Run, tmp_path: Path) -> None:
    streams = Streams(loop, StdioPaths("", f"file://{tmp_path}/log", ""), ME)
    os.write(streams.stdout, b"x")
    streams._outputs[0]._wait_for_the_slower()  # as after a splice that found nothing yet

    async def story() -> None:
        streams.close_child_ends()
        await streams.drained

    run(story())
    streams.close()
    assert (tmp_path / "log").read_bytes() == b"x"


def test_a_target_that_cannot_be_written_is_reported_once_and_ends_the_relay(
    loop: Loop, run: Run, defects: list[Exception]
) -> None:
    streams = Streams(loop, StdioPaths("", "file:///dev/full", ""), ME)
    os.write(streams.stdout, b"x")
    run(settled(streams.drained))
    assert [type(defect) for defect in defects] == [OSError]
    defects.clear()
    streams.close_child_ends()
    streams.close()


@pytest.mark.parametrize("address", ["binary:///bin/logger?x=y", "npipe://x", "binary-v2:///bin/x"])
def test_other_kinds_of_output_are_refused(loop: Loop, address: str) -> None:
    with pytest.raises(InvalidArgument, match="is not supported: use a FIFO or a file:// address"):
        Streams(loop, StdioPaths("", "", address), ME)


def test_a_missing_input_is_a_sentence(loop: Loop, tmp_path: Path) -> None:
    with pytest.raises(InvalidArgument, match=r"the input .*/none is not a FIFO"):
        Streams(loop, StdioPaths(f"{tmp_path}/none", "", ""), ME)


@pytest.mark.parametrize("address", ["file:///no/such/folder/log", "file:///tmp"])
def test_a_file_that_cannot_be_opened_is_a_sentence(loop: Loop, address: str) -> None:
    with pytest.raises(FailedPrecondition, match=r"the stream /.* cannot be opened"):
        Streams(loop, StdioPaths("", address, ""), ME)


def test_a_failure_halfway_leaves_no_descriptor(loop: Loop, fifo: Callable[[str], Path]) -> None:
    paths = StdioPaths(str(fifo("in")), str(fifo("out")), "/no/such/folder/err")
    with pytest.raises(FailedPrecondition):
        Streams(loop, paths, ME)


def test_an_output_waits_for_who_is_to_read_it(
    loop: Loop, run: Run, fifo: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """containerd opens its end beside our Create, and gives that up when the process has ended."""
    monkeypatch.setattr(stdio, "READER_SECONDS", 20)
    path = fifo("out")
    program = f"import sys; sys.stdout.write(open({str(path)!r}).read())"  # which takes a while to begin
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as late:
        streams = Streams(loop, StdioPaths("", str(path), ""), ME)
        run(_write(loop, streams.stdout, b"all of it"))
        streams.close_child_ends()
        run(settled(streams.drained))
        streams.close()
        assert late.communicate()[0] == b"all of it"


def test_an_output_that_nobody_reads_does_not_hold_up_its_process_for_ever(
    loop: Loop, run: Run, fifo: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stdio, "READER_SECONDS", 0.05)
    streams = Streams(loop, StdioPaths("", str(fifo("out")), ""), ME)
    run(_write(loop, streams.stdout, b"unheard"))
    streams.close_child_ends()
    streams.forgo_readers()
    run(settled(streams.drained))
    streams.close()


def test_the_first_bytes_are_heard_once_somebody_has_read_them(
    loop: Loop, run: Run, fifo: Callable[[str], Path]
) -> None:
    path = fifo("out")
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    streams = Streams(loop, StdioPaths("", str(path), ""), ME)

    async def story() -> None:
        await streams.heard()  # nothing was said
        os.write(streams.stdout, b"first")
        heard = loop.spawn(streams.heard())
        os.write(streams.stdout, b" and more")
        streams.close_child_ends()
        await turn(loop, 0.01)
        assert not heard.done
        assert not streams.drained.done
        assert os.read(reader, 100) == b"first"
        await heard
        await streams.drained
        assert os.read(reader, 100) == b" and more"

    run(story())
    streams.close()
    os.close(reader)


def test_who_never_reads_is_not_waited_for(loop: Loop, run: Run, fifo: Callable[[str], Path]) -> None:
    path = fifo("out")
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    streams = Streams(loop, StdioPaths("", str(path), str(path)), ME)

    async def story() -> None:
        os.write(streams.stdout, b"first")
        os.write(streams.stderr, b" second")
        heard = loop.spawn(streams.heard())
        streams.close_child_ends()
        streams.forgo_readers()
        await heard
        await streams.drained

    run(story())
    assert os.read(reader, 100) == b"first second"
    streams.close()
    os.close(reader)
