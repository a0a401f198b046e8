"""docs/reaper-validate.md: what it shows is what happens.

`python -m tests.unit.reaper_cli.test_validate_page` writes what happens now.
"""

from __future__ import annotations

import os
import re
import shlex
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from reaper_cli.validate import main

PAGE = Path(__file__).parents[3] / "docs" / "reaper-validate.md"
FILE = re.compile(r"^`(\S+\.yaml)`[^\n]*:\n\n```yaml\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def transcript(commands: list[str]) -> str:
    """The commands with what they print, in the current directory."""
    lines, last = [], 0
    for command in commands:
        lines.append(f"$ {command}")
        if command == "echo $?":
            lines.append(str(last))
            continue
        program, *words = shlex.split(command)
        assert program == "reaper-validate"
        result = CliRunner().invoke(main, words)
        last = result.exit_code
        lines += result.output.splitlines()
    return "\n".join(lines) + "\n"


def commands(block: str) -> list[str]:
    return [line.removeprefix("$ ") for line in block.splitlines() if line.startswith("$ ")]


def write_files(folder: Path) -> None:
    for name, content in FILE.findall(PAGE.read_text()):
        (folder / name).write_text(content)


@pytest.mark.parametrize("block", CONSOLE.findall(PAGE.read_text()), ids=lambda block: commands(block)[0])
def test_an_example(block: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_files(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert transcript(commands(block)) == block


def test_there_are_examples() -> None:
    assert len(CONSOLE.findall(PAGE.read_text())) >= 7
    assert len(FILE.findall(PAGE.read_text())) >= 4


def test_every_flag_is_on_the_page() -> None:
    flags = {flag for parameter in main.params for flag in parameter.opts if flag.startswith("--")}
    assert flags - set(re.findall(r"--[a-z-]+", PAGE.read_text())) <= {"--version"}


if __name__ == "__main__":
    text = PAGE.read_text()
    with tempfile.TemporaryDirectory() as place:
        write_files(Path(place))
        os.chdir(place)
        text = CONSOLE.sub(lambda found: f"```console\n{transcript(commands(found[1]))}```", text)
    PAGE.write_text(text)
