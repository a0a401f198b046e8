"""System calls that Python lacks."""

from __future__ import annotations

import os
import sys
from pathlib import Path

RUNTIME = Path(__file__).parents[4] / "runtime"
SHOWS_IGNORED = f"""
import sys
sys.path.insert(0, {str(RUNTIME)!r})
from reaper_runtime.host import libc
libc.reset_library_signals()
line = next(line for line in open("/proc/self/status") if line.startswith("SigIgn"))
sys.exit(int(line.split()[1], 16) >> 31 & 0b11)
"""


def test_signals_that_posix_spawn_left_ignored_are_as_new() -> None:
    """make starts its recipes so, and so does much else: 32 would stay ignored in every process of every pod."""
    pid = os.posix_spawn(sys.executable, [sys.executable, "-c", SHOWS_IGNORED], os.environ)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
