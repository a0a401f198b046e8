"""What can go wrong, said to a person: one sentence, and what to do next."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_TAIL = 25  # lines of a failed program's output worth showing; the reason is nearly always among the last
_SHOWN = 200  # characters of a command line


class ClusterError(Exception):
    """The verb cannot go on. The message is what failed and the next step; `detail` is what a program printed."""

    def __init__(self, message: str, detail: str = "") -> None:
        super().__init__(message)
        self.detail = detail


class CommandFailed(ClusterError):
    """A program that we ran failed; the message has its command in a form that can be pasted."""

    def __init__(self, command: Sequence[str], outcome: str, output: str) -> None:
        line = shlex.join(command)
        shown = line if len(line) <= _SHOWN else f"{line[:_SHOWN]}…"
        super().__init__(f"`{shown}` {outcome}", tail(output))


def tail(output: str) -> str:
    return "\n".join(output.rstrip().splitlines()[-_TAIL:])
