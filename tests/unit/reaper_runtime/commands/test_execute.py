"""What `exec` executes: the bundle's process with the flags on top, or a file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from reaper_runtime import cli
from reaper_runtime.commands.execute import process_of
from reaper_runtime.config import Config
from reaper_runtime.errors import InvalidArgument, InvalidBundle
from tests.fakes.runtime import write_bundle

if TYPE_CHECKING:
    from pathlib import Path


def _process(bundle: Path, *words: str) -> dict[str, Any]:
    return process_of(cli.parse(["exec", *words], Config()), str(bundle))


def test_a_command_has_the_environment_of_its_container(tmp_path: Path) -> None:
    write_bundle(tmp_path, "/bin/sleep", "9", cwd="/tmp", terminal=True)
    found = _process(tmp_path, "-e", "A=b", "c", "sh", "-c", "x")
    assert (found["args"], found["cwd"], found["terminal"]) == (["sh", "-c", "x"], "/tmp", False)
    assert found["env"][-1] == "A=b"
    assert found["env"][0].startswith("PATH=")


def test_flags_change_user_directory_and_privileges(tmp_path: Path) -> None:
    write_bundle(tmp_path, "/bin/sleep")
    found = _process(tmp_path, "-u", "5:6", "-g", "7", "--cwd", "/proc", "-t", "--no-new-privs", "c", "sh")
    assert found["user"] == {"uid": 5, "gid": 6, "additionalGids": [7]}
    assert (found["cwd"], found["terminal"], found["noNewPrivileges"]) == ("/proc", True, True)


def test_a_file_stands_for_all_of_it(tmp_path: Path) -> None:
    (tmp_path / "p.json").write_text(json.dumps({"args": ["x"]}))
    assert _process(tmp_path, "-p", str(tmp_path / "p.json"), "c") == {"args": ["x"]}


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["c"], "no command given"),
        (["-p", "/p.json", "c", "sh"], "give either --process or a command"),
        (["-u", "root", "c", "sh"], "--user 'root' is not UID or UID:GID in numbers"),
        (["-u", "1:", "c", "sh"], "--user '1:' is not UID"),
        (["-u", "²", "c", "sh"], "--user '²' is not UID"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, words: list[str], reason: str) -> None:
    write_bundle(tmp_path, "/bin/sleep")
    with pytest.raises(InvalidArgument, match=reason):
        _process(tmp_path, *words)


@pytest.mark.parametrize("text", ["{", "[]"])
def test_a_file_that_is_no_process_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "p.json").write_text(text)
    with pytest.raises(InvalidBundle, match=r"p\.json"):
        _process(tmp_path, "-p", str(tmp_path / "p.json"), "c")
