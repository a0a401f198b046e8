"""Who reads an output: waited for when late, heard out when slow, and not for ever when nobody does."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from reaper_runtime.host import stdio
from reaper_runtime.host.stdio import StdioPaths, Streams
from tests.fakes.runtime import settled, turn
from tests.fakes.streams import write_all

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reaper_runtime.loop import Loop

    Run = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("_no_descriptor_is_left")

ME = os.geteuid()


def test_an_output_waits_for_who_is_to_read_it(
    loop: Loop, run: Run, fifo: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    """containerd opens its end beside our Create, and gives that up when the process has ended."""
    monkeypatch.setattr(stdio, "READER_SECONDS", 20)
    path = fifo("out")
    program = f"import sys; sys.stdout.write(open({str(path)!r}).read())"  # which takes a while to begin
    with subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE) as late:
        streams = Streams(loop, StdioPaths("", str(path), ""), ME)
        run(write_all(loop, streams.stdout, b"all of it"))
        streams.close_child_ends()
        run(settled(streams.drained))
        streams.close()
        assert late.communicate()[0] == b"all of it"


def test_an_output_that_nobody_reads_does_not_hold_up_its_process_for_ever(
    loop: Loop, run: Run, fifo: Callable[[str], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stdio, "READER_SECONDS", 0.05)
    streams = Streams(loop, StdioPaths("", str(fifo("out")), ""), ME)
    run(write_all(loop, streams.stdout, b"unheard"))
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
