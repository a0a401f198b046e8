"""Output and input: complete, in order, and never able to hold up the pod."""

from __future__ import annotations

import hashlib
import os
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conformance.shim import Shim


def test_both_streams_arrive(shim: Shim) -> None:
    task = shim.create("c", "/bin/sh", "-c", "echo out; echo err >&2")
    task.start()
    task.wait()
    task.delete()
    assert (task.stdout.text(), task.stderr.text()) == ("out\n", "err\n")


def test_twenty_megabytes_arrive_unchanged(shim: Shim) -> None:
    task = shim.create("c", "/bin/sh", "-c", "yes 0123456789abcdef | head -c 20000000")
    task.start()
    assert task.wait() == 0
    task.delete()
    expected = (b"0123456789abcdef\n" * 1_200_000)[:20_000_000]
    assert hashlib.sha256(task.stdout.text().encode()).digest() == hashlib.sha256(expected).digest()


def test_a_container_without_stdin_reads_an_end_of_file(shim: Shim) -> None:
    task = shim.create("c", "/bin/cat")
    task.start()
    assert task.wait() == 0


def test_stdin_reaches_the_container(shim: Shim) -> None:
    path = shim.folder / "stdin"
    os.mkfifo(path)
    keeper = os.open(path, os.O_RDWR)
    task = shim.create("c", "/bin/cat", stdin=path)
    task.start()
    os.write(keeper, b"hello\n")
    os.close(keeper)
    task.close_stdin()
    assert task.wait() == 0
    task.delete()
    assert task.stdout.text() == "hello\n"


def test_a_daemon_that_keeps_stdout_does_not_hold_up_delete(reaper: Shim) -> None:
    """The reader outside sees the end although a process that is not ours still has the pipe open."""
    task = reaper.create("c", "/bin/sh", "-c", "echo kept; exit 0")
    thief = os.open(task.stdout.path, os.O_WRONLY)
    task.start()
    assert task.wait() == 0
    task.delete()
    os.close(thief)
    assert task.stdout.text() == "kept\n"


def test_discarded_streams_go_nowhere(reaper: Shim) -> None:
    annotations = {"reaper.runtime/stdout": "discard"}
    task = reaper.create("c", "/bin/sh", "-c", "echo out; echo err >&2", annotations=annotations)
    task.start()
    task.wait()
    task.delete()
    assert (task.stdout.text(), task.stderr.text()) == ("", "err\n")
