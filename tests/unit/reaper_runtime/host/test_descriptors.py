"""What is inherited is closed."""

from __future__ import annotations

import fcntl
import os

from reaper_runtime.host.descriptors import close_from


def test_all_from_a_number_on_are_closed_and_none_below() -> None:
    reader, writer = os.pipe()
    top = fcntl.fcntl(writer, fcntl.F_DUPFD, 700)
    pid = os.fork()
    if pid == 0:
        try:
            close_from(top)
            os.write(writer, b"below" if not os.path.exists(f"/proc/self/fd/{top}") else b"still there")  # noqa: PTH110
        finally:
            os._exit(0)
    os.waitpid(pid, 0)
    assert os.read(reader, 20) == b"below"
    for fd in (reader, writer, top):
        os.close(fd)
