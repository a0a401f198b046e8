"""Output and input: complete, in order, and never able to hold up the pod."""

from __future__ import annotations

import hashlib
import os
import signal
import time
from typing import TYPE_CHECKING

from tests.patience import patience

if TYPE_CHECKING:
    from tests.conformance.shim import Shim


def test_both_streams_arrive(shim: Shim) -> None:
    """containerd's TestContainerOutput; api/runtime/task/v3/shim.proto: stdout and stderr of CreateTaskRequest."""
    task = shim.create("c", "/bin/sh", "-c", "echo out; echo err >&2")
    task.start()
    task.wait()
    task.delete()
    assert (task.stdout.text(), task.stderr.text()) == ("out\n", "err\n")


def test_a_user_opens_its_streams_again_by_name(shim: Shim) -> None:
    """As nginx and others do that log to /dev/stdout: a pipe of root's would refuse them."""
    script = "echo out > /proc/self/fd/1; echo err > /proc/self/fd/2"
    task = shim.create("c", "/bin/sh", "-c", script, user={"uid": 1234, "gid": 1234})
    task.start()
    task.wait()
    task.delete()
    assert (task.stdout.text(), task.stderr.text()) == ("out\n", "err\n")


def test_twenty_megabytes_arrive_unchanged(shim: Shim) -> None:
    """containerd, docs/runtime-v2.md, "I/O": it is provided through FIFOs; all of it arrives, and in order."""
    task = shim.create("c", "/bin/sh", "-c", "yes 0123456789abcdef | head -c 20000000")
    task.start()
    assert task.wait() == 0
    task.delete()
    expected = (b"0123456789abcdef\n" * 1_200_000)[:20_000_000]
    assert hashlib.sha256(task.stdout.text().encode()).digest() == hashlib.sha256(expected).digest()


def test_a_container_without_stdin_reads_an_end_of_file(shim: Shim) -> None:
    """containerd's TestContainerNoSTDIN."""
    task = shim.create("c", "/bin/cat")
    task.start()
    assert task.wait() == 0


def test_stdin_reaches_the_container(shim: Shim) -> None:
    """containerd's TestContainerCloseIO."""
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
    task = reaper.create("c", "/bin/sh", "-c", "echo kept; exec sleep 300")
    task.start()
    task.stdout.wait_for(b"kept")
    stranger = os.open(f"/proc/{task.pid}/fd/1", os.O_WRONLY)
    task.kill(signal.SIGKILL)
    assert task.wait() == 137
    began = time.monotonic()
    task.delete()
    assert time.monotonic() - began < patience(5)
    assert task.stdout.text() == "kept\n"
    os.close(stranger)


def test_discarded_streams_go_nowhere(reaper: Shim) -> None:
    """docs/runtime.md, "Applied": reaper.runtime/stdout: discard."""
    annotations = {"reaper.runtime/stdout": "discard"}
    task = reaper.create("c", "/bin/sh", "-c", "echo out; echo err >&2", annotations=annotations)
    task.start()
    task.wait()
    task.delete()
    assert (task.stdout.text(), task.stderr.text()) == ("", "err\n")
