"""What a terminal shows, as SVG."""

from __future__ import annotations

import io
import re
from itertools import groupby
from typing import TYPE_CHECKING

import pyte
from rich.console import Console
from rich.style import Style
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyte.screens import Char

# pyte's names of colours that rich calls otherwise.
_COLOURS = {"brown": "yellow", "brightbrown": "bright_yellow", "default": ""}
_FROM_THE_NET = re.compile(r',?\s*url\("https?://[^"]*"\) format\("[^"]*"\)')


def drawn(output: str, *, rows: int, columns: int, title: str) -> str:
    """The SVG of a terminal after it has got this output; empty lines at its end are left out."""
    screen = pyte.Screen(columns, rows)
    pyte.Stream(screen).feed(output)
    lines = [_line(screen.buffer[row], columns) for row in range(rows)]
    while lines and not lines[-1].plain.strip():
        lines.pop()
    console = Console(record=True, width=columns, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    for line in lines:
        console.print(line, soft_wrap=True)
    svg = console.export_svg(title=title, unique_id=re.sub(r"\W+", "-", title))
    return _FROM_THE_NET.sub("", svg)


def _line(cells: Mapping[int, Char], columns: int) -> Text:
    text = Text()
    for style, run in groupby((cells[column] for column in range(columns)), _style):
        text.append("".join(cell.data for cell in run), style)
    text.rstrip()
    return text


def _style(cell: Char) -> Style:
    return Style(
        color=_colour(cell.fg), bgcolor=_colour(cell.bg), bold=cell.bold, italic=cell.italics,
        underline=cell.underscore, reverse=cell.reverse,
    )  # fmt: skip


def _colour(name: str) -> str | None:
    if re.fullmatch(r"[0-9a-f]{6}", name):
        return f"#{name}"
    return _COLOURS.get(name, name.replace("bright", "bright_")) or None
