"""Outputs that go to a file: appended, nothing forgotten, and what becomes of one that cannot be opened or written."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from reaper_runtime.errors import FailedPrecondition
from reaper_runtime.host.stdio import StdioPaths, Streams
from tests.fakes.runtime import settled, turn
from tests.fakes.streams import DATA, write_all

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reaper_runtime.loop import Loop

    Run = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("_no_descriptor_is_left")

ME = os.geteuid()


def test_a_file_is_appended_to(loop: Loop, run: Run, tmp_path: Path) -> None:
    (tmp_path / "log").write_bytes(b"old ")
    streams = Streams(loop, StdioPaths("", f"file://{tmp_path}/log", ""), ME)

    async def story() -> None:
        await write_all(loop, streams.stdout, DATA[:200_000])
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


@pytest.mark.parametrize("address", ["file:///no/such/folder/log", "file:///tmp"])
def test_a_file_that_cannot_be_opened_is_a_sentence(loop: Loop, address: str) -> None:
    with pytest.raises(FailedPrecondition, match=r"the stream /.* cannot be opened"):
        Streams(loop, StdioPaths("", address, ""), ME)
