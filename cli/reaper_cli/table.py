"""Columns of text, and times as kubectl writes them. Pure."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime, timedelta

_GAP = 3  # spaces between columns
_WIDE = re.compile(r" {2,}")  # between columns
_WORDS = re.compile(r"( *)([^ ]+)")
_COLOURS = {
    "Pending": "yellow",
    "Running": "blue",
    "Succeeded": "green",
    "Failed": "red",
    "Unknown": "magenta",
    "Suspended": "cyan",
}


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    """Lines with the columns below each other; cells may be coloured. Without rows, none."""
    if not rows:
        return
    everything = [header, *rows]
    widths = [max(len(click.unstyle(row[column])) for row in everything) for column in range(len(header))]
    for row in everything:
        cells = (cell + " " * (width - len(click.unstyle(cell))) for cell, width in zip(row, widths, strict=True))
        yield (" " * _GAP).join(cells).rstrip()


def phase(name: str) -> str:
    """A phase in its colour."""
    return click.style(name, fg=_COLOURS.get(name))


def clip(line: str, columns: int) -> str:
    """A line that does not wrap; what is cut off ends in an ellipsis. Colours stay whole."""
    if len(click.unstyle(line)) <= columns:
        return line
    kept, seen, escape = [], 0, False
    for character in line:
        escape = escape or character == "\x1b"
        if escape:
            kept.append(character)
            escape = character != "m"
        elif seen < columns - 1:
            kept.append(character)
            seen += 1
    return "".join(kept) + "…"


def wrap(line: str, columns: int) -> Iterator[str]:
    """A line in as many as it takes, broken at spaces, each below the last column that begins in the first half."""
    plain = click.unstyle(line)
    if len(plain) <= columns:
        yield line
        return
    indent = max((gap.end() for gap in _WIDE.finditer(plain, 0, columns // 2)), default=0)
    row, used = "", 0
    for space, word in _WORDS.findall(line):
        width = len(click.unstyle(word))
        if used > indent and used + len(space) + width > columns:
            yield row
            row, used, space = " " * indent, indent, ""
        row += space + word
        used += len(space) + width
    yield row


def age(since: datetime | None, now: datetime) -> str:
    """How long ago, or <unknown>."""
    return "<unknown>" if since is None else duration(now - since)


def duration(span: timedelta) -> str:
    """As kubectl's columns: two units while it is short, one later on."""
    seconds = max(0, int(span.total_seconds()))
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:
        return f"{seconds}s"
    if minutes < 10:
        return _two(minutes, "m", seconds % 60, "s")
    if minutes < 180:
        return f"{minutes}m"
    if hours < 8:
        return _two(hours, "h", minutes % 60, "m")
    if hours < 48:
        return f"{hours}h"
    if days < 8:
        return _two(days, "d", hours % 24, "h")
    if days < 730:
        return f"{days}d"
    return _two(days // 365, "y", days % 365, "d") if days < 2920 else f"{days // 365}y"


def _two(large: int, large_unit: str, small: int, small_unit: str) -> str:
    return f"{large}{large_unit}{small}{small_unit}" if small else f"{large}{large_unit}"
