"""docs/kubectl-reaper.md: every verb is in it, and every command line in it is one that the plugin takes."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import click
import pytest

from reaper_cli.errors import Problem
from reaper_cli.main import VERBS, plugin
from tests.fakes.kubectl import FakeCluster

PAGE = (Path(__file__).parents[3] / "docs" / "kubectl-reaper.md").read_text()
LINES = re.findall(r"^\$ (?:.*\| )?(?:sudo )?kubectl[ -]reaper (.*)$", PAGE, re.MULTILINE)


def test_there_are_command_lines() -> None:
    assert len(LINES) >= 25


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_its_place(verb: str) -> None:
    headings = " ".join(re.findall(r"^## (.*)$", PAGE, re.MULTILINE))
    assert re.search(rf"\b{verb}\b", headings)


def words_of(line: str) -> list[str]:
    """Without what the shell does with the rest."""
    words = shlex.split(line, comments=True)
    return words[: next((n for n, word in enumerate(words) if word in (">", "|")), len(words))]


@pytest.mark.parametrize("line", LINES)
def test_every_command_line_is_taken(line: str) -> None:
    verb, *rest = words_of(line)
    command = plugin.get_command(click.Context(plugin), verb)
    assert command is not None
    while isinstance(command, click.Group):
        command = command.commands[rest.pop(0)]
    try:
        command.make_context(verb, rest, obj=FakeCluster().session())
    except Problem as problem:  # a file of the example is not here
        pytest.fail(problem.message)


def test_the_exit_codes_are_those_of_the_errors() -> None:
    codes = {int(code) for code in re.findall(r"^\| (\d+) \|", PAGE, re.MULTILINE)}

    def all_of(kind: type[Problem]) -> set[int]:
        return {kind.exit_code}.union(*(all_of(inner) for inner in kind.__subclasses__()))

    assert codes == {0, 2} | all_of(Problem)
