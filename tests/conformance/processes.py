"""Looking at processes from outside, through /proc."""

from __future__ import annotations

import select
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tests.patience import patience

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

SHARED = "/run"  # no overlay lies over it: a FIFO there is the same one inside a container
_GONE = (FileNotFoundError, ProcessLookupError, PermissionError)


def eventually(condition: Callable[[], object], seconds: float = 10, what: str = "it") -> None:
    """Until it is true; raises AssertionError if that takes too long."""
    deadline = time.monotonic() + patience(seconds)
    while not condition():
        assert time.monotonic() < deadline, f"{what} did not become true within {patience(seconds):g} s"
        pause(0.01)


def pause(seconds: float) -> None:
    """Let some time go by."""
    select.select([], [], [], seconds)


def alive(pid: int) -> bool:
    """Whether it runs: neither gone nor a zombie."""
    return _stat(pid)[:1] not in ([], ["Z"], ["X"])


def parent(pid: int) -> int:
    """Its parent's pid, 0 when it is gone."""
    return int((_stat(pid) or ["", "0"])[1])


def command_line(pid: int) -> str:
    """Its command line, with spaces; empty when it is gone."""
    return _read(Path(f"/proc/{pid}/cmdline")).replace("\0", " ").strip()


def find(*words: str) -> list[int]:
    """The processes whose command line begins with the first word and has all others in it."""
    lines = ((pid, command_line(pid)) for pid in everything())
    return [pid for pid, line in lines if line.startswith(words[0]) and all(word in line for word in words[1:])]


def with_environment(word: str) -> list[int]:
    """The living processes that have this word in their environment."""
    return [pid for pid in everything() if word in _read(Path(f"/proc/{pid}/environ")) and alive(pid)]


def everything() -> Iterator[int]:
    """All pids."""
    return (int(path.name) for path in Path("/proc").glob("[0-9]*"))


def descriptors(pid: int, kind: str = "") -> int:
    """How many descriptors it has, or how many of a kind, such as "pipe:"."""
    try:
        links = list(Path(f"/proc/{pid}/fd").iterdir())
    except _GONE:
        return 0
    found = 0
    for link in links:
        with suppress(*_GONE):  # closed since
            found += kind in str(link.readlink())
    return found


def _stat(pid: int) -> list[str]:
    """The fields of /proc/PID/stat from the state on."""
    return _read(Path(f"/proc/{pid}/stat")).rpartition(")")[2].split()


def _read(path: Path) -> str:
    try:
        return path.read_bytes().decode(errors="replace")
    except _GONE:
        return ""
