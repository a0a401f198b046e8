"""Descriptors on their way from a command to its process."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

import pytest

from reaper_runtime.commands.descriptors import Handover, connect_console, named
from reaper_runtime.errors import FailedPrecondition, InvalidArgument
from tests.fakes.runtime import open_fds, spec

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reaper_runtime.loop import Loop

NOTHING: frozenset[str] = frozenset()


def test_streams_and_more_are_given_as_they_are(loop: Loop) -> None:
    before = open_fds()
    handover = Handover(loop)
    fds = tuple(os.open(os.devnull, os.O_RDWR) for _ in range(4))
    handover.put("key", fds)
    streams = handover.open_stdio(loop, spec("/bin/true"), named("key"), NOTHING)
    assert (streams.stdin, streams.stdout, streams.stderr, streams.extra) == (*fds[:3], fds[3:])
    assert streams.drained.done
    streams.close_child_ends()
    streams.close()
    assert open_fds() == before


def test_a_discarded_stream_is_dev_null(loop: Loop, tmp_path: Path) -> None:
    fds = tuple(os.open(tmp_path / "file", os.O_RDWR | os.O_CREAT) for _ in range(3))
    handover = Handover(loop)
    handover.put("key", fds)
    streams = handover.open_stdio(loop, spec("/bin/true"), named("key"), frozenset({"stderr"}))
    places = [os.readlink(f"/proc/self/fd/{fd}") for fd in (streams.stdout, streams.stderr)]  # noqa: PTH115
    assert places == [str(tmp_path / "file"), os.devnull]
    streams.close_child_ends()


def test_a_terminal_s_other_side_goes_to_the_console(loop: Loop) -> None:
    ours, theirs = socket.socketpair()
    handover = Handover(loop)
    handover.put("key", (theirs.detach(),))
    wanted = spec("/bin/true", terminal=True, console_size=(80, 24))
    streams = handover.open_stdio(loop, wanted, named("key"), NOTHING)
    name, (master,), _, _ = socket.recv_fds(ours, 100, 1)
    assert name.decode() == os.ttyname(streams.stdin)
    assert os.get_terminal_size(master) == (80, 24)
    streams.close_child_ends()
    os.close(master)
    ours.close()


@pytest.mark.parametrize("terminal", [True, False])
def test_what_did_not_arrive_is_an_error(loop: Loop, terminal: bool) -> None:  # noqa: FBT001
    with pytest.raises(InvalidArgument, match="the descriptors of the process did not arrive"):
        Handover(loop).open_stdio(loop, spec("/bin/true", terminal=terminal), named("key"), NOTHING)


def test_what_nobody_asks_for_is_closed(loop: Loop) -> None:
    before = open_fds()
    handover = Handover(loop)
    handover.put("key", (os.open(os.devnull, os.O_RDWR),))
    handover.put("key", (os.open(os.devnull, os.O_RDWR),))
    handover.drop("key")
    assert open_fds() == before


def test_descriptors_cross_a_socket_and_go_with_it(loop: Loop, tmp_path: Path, run: Callable[..., Any]) -> None:
    from tests.fakes.runtime import eventually
    from tests.fakes.ttrpc import listen

    handover = Handover(loop)
    listener = listen(tmp_path / "s")
    handover.listen(listener)
    client = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    client.connect(str(tmp_path / "s"))
    socket.send_fds(client, [b"key"], [0])
    run(eventually(loop, lambda: "key" in handover._held))
    assert client.recv(1) == b"+"
    client.close()
    run(eventually(loop, lambda: not handover._held))
    loop.unwatch(listener.fileno())
    listener.close()


def test_a_console_socket_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FailedPrecondition, match=r"/none cannot be reached: No such file or directory"):
        connect_console(str(tmp_path / "none"))
