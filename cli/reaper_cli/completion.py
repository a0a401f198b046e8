"""kubectl_complete-reaper: kubectl asks this program how a line that begins with `kubectl reaper` may go on.

The protocol is cobra's, as kubectl speaks it to plugins since 1.26: the words typed so far are arguments, the last of
them perhaps empty; each line of the answer is a word, and a tab and its explanation; the last line is a colon and a
number with directives.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click
from click.shell_completion import ShellComplete

from reaper_cli.main import PROGRAM, plugin
from reaper_cli.session import Session
from reaper_cli.streams import be_lenient

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DEFAULT = 0  # the shell offers files where there is no word
NO_FILES = 4


def main() -> None:
    """The console script."""
    be_lenient()
    for line in answer(sys.argv[1:]):
        click.echo(line)


def answer(words: Sequence[str], session: Session | None = None) -> Iterator[str]:
    """The lines for kubectl."""
    *before, incomplete = words or [""]
    completion = ShellComplete(plugin, {"obj": session or Session.here()}, PROGRAM, "")
    items = completion.get_completions(list(before), incomplete)
    files = any(item.type == "file" for item in items)
    for item in items:
        if item.type == "plain":
            yield f"{item.value}\t{item.help}" if item.help else item.value
    yield f":{DEFAULT if files else NO_FILES}"
