"""Terminals: what a person types arrives, what the process prints comes back, and its size follows the window."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.conformance.ttrpc import RpcError

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conformance.shim import Shim

# The reference mounts the terminals of its container there.
DEVPTS = {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["ptmxmode=0666", "mode=0620"]}
DEV = {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["nosuid", "mode=755"]}
PROC = {"destination": "/proc", "type": "proc", "source": "proc"}
MOUNTS = [PROC, DEV, DEVPTS]


def keyboard(shim: Shim) -> tuple[Path, int]:
    """A FIFO for standard input, and a descriptor to write to it."""
    path = shim.folder / "keyboard"
    os.mkfifo(path)
    return path, os.open(path, os.O_RDWR)


def test_a_shell_on_a_terminal_answers_what_is_typed(shim: Shim) -> None:
    """OCI runtime-spec, config.md, "Process": terminal; docs/runtime.md, "Applied": tty."""
    path, keys = keyboard(shim)
    task = shim.create("c", "/bin/sh", stdin=path, terminal=True, mounts=MOUNTS)
    task.start()
    os.write(keys, b"echo 6 times 7 is $((6 * 7)); exit 3\n")
    task.stdout.wait_for(b"6 times 7 is 42\r\n")
    assert task.wait() == 3
    task.delete()
    os.close(keys)
    task.stdout.text()  # ends


def test_standard_streams_are_one_controlling_terminal(shim: Shim) -> None:
    """containerd's TestContainerPTY."""
    script = "test -t 0 && test -t 1 && test -t 2 && echo all three; : > /dev/tty && echo it is mine"
    task = shim.create("c", "/bin/sh", "-c", script, terminal=True, mounts=MOUNTS)
    task.start()
    assert task.wait() == 0
    task.delete()
    assert task.stdout.text() == "all three\r\nit is mine\r\n"


def test_the_size_follows(shim: Shim) -> None:
    """containerd's TestTaskResize."""
    path, keys = keyboard(shim)
    script = "trap 'stty size; exit 0' WINCH; echo ready; while :; do read line; done"
    task = shim.create("c", "/bin/sh", "-c", script, stdin=path, terminal=True, mounts=MOUNTS)
    task.start()
    task.stdout.wait_for(b"ready")
    task.resize(101, 37)
    os.write(keys, b"\n")
    task.stdout.wait_for(b"37 101")
    assert task.wait() == 0
    os.close(keys)


def test_ctrl_c_reaches_the_foreground(shim: Shim) -> None:
    """docs/runtime.md, "Applied": Ctrl-C works: termios(3), ISIG, of a controlling terminal."""
    path, keys = keyboard(shim)
    script = "trap 'echo interrupted; exit 9' INT; echo ready; while :; do sleep 1; done"
    task = shim.create("c", "/bin/sh", "-c", script, stdin=path, terminal=True, mounts=MOUNTS)
    task.start()
    task.stdout.wait_for(b"ready")
    os.write(keys, b"\x03")
    assert task.wait() == 9
    os.close(keys)


def test_exec_on_a_terminal(shim: Shim) -> None:
    """containerd, docs/runtime-v2.md, "I/O": terminal in ExecProcessRequest."""
    task = shim.create("c", "/bin/sleep", "300", mounts=MOUNTS)
    task.start()
    output = task.exec("e", "/bin/sh", "-c", "test -t 0 && echo a terminal", terminal=True)
    task.start("e")
    assert task.wait("e") == 0
    task.delete("e")
    assert output.text() == "a terminal\r\n"


def test_all_output_arrives_before_the_end(shim: Shim) -> None:
    """containerd's TestContainerExecLargeOutputWithTTY, of a container's own process."""
    script = "i=0; while [ $i -lt 5000 ]; do echo line $i; i=$((i + 1)); done"
    task = shim.create("c", "/bin/sh", "-c", script, terminal=True, mounts=MOUNTS)
    task.start()
    assert task.wait() == 0
    task.delete()
    assert task.stdout.text() == "".join(f"line {number}\r\n" for number in range(5000))


def test_the_user_may_open_the_terminal_again(reaper: Shim) -> None:
    """docs/runtime.md, "Applied": tty, a terminal of its own, which its user may open by name (tty(1))."""
    user = {"uid": 1234, "gid": 1234}
    task = reaper.create("c", "/bin/sh", "-c", 'echo through its name > "$(tty)"', terminal=True, user=user)
    task.start()
    assert task.wait() == 0
    task.delete()
    assert task.stdout.text() == "through its name\r\n"


def test_resize_without_a_terminal_is_refused(reaper: Shim) -> None:
    """api/runtime/task/v3/shim.proto, ResizePty: there is nothing to resize."""
    task = reaper.create("c", "/bin/sleep", "300")
    task.start()
    with pytest.raises(RpcError, match="no terminal to resize"):
        task.resize(80, 24)
