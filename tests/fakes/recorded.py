"""Processes that a shim has recorded before it was killed."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

from reaper_runtime.host import procfs
from reaper_runtime.state import Record

if TYPE_CHECKING:
    from reaper_runtime.state import PodState

DEAD = 1 << 22  # a pid that no process has


def start_session(children: int = 0) -> int:
    """A session leader to record, with children in its session. Gives its pid."""
    receive, send = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.setsid()
        for _ in range(children):
            if os.fork() == 0:
                break
        os.write(send, b"x")
        os.close(receive)
        while True:
            signal.pause()
    got = 0
    while got < children + 1:
        got += len(os.read(receive, 100))
    os.close(receive)
    os.close(send)
    return pid


def write_record(state: PodState, name: str, pid: int, older: int = 0) -> None:
    """older: so much earlier than the process began, in clock ticks, as for one that had its pid before."""
    found = procfs.stat(pid)
    assert found is not None
    state.write(Record(name, pid, found.start_time - older))
