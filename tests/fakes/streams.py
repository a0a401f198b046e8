"""What goes through the standard streams of a process, and who writes it."""

from __future__ import annotations

import os
import random
import select
from typing import TYPE_CHECKING

from tests.fakes.runtime import turn

if TYPE_CHECKING:
    from reaper_runtime.loop import Loop

DATA = random.Random(7).randbytes(1 << 20)  # noqa: S311


async def write_all(loop: Loop, fd: int, data: bytes) -> None:
    """Write all, however slowly the other side takes it. fd is the process's own, blocking end."""
    view = memoryview(data)
    poll = select.poll()
    poll.register(fd, select.POLLOUT)
    while view:
        if poll.poll(0):
            view = view[os.write(fd, view[: select.PIPE_BUF]) :]
        else:
            await turn(loop, 0.0005)
