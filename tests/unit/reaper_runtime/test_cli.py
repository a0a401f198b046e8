"""The command line of reaper-runtime, without containers: those are in tests/conformance/oci."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING

import pytest

from reaper_runtime import cli
from reaper_runtime.commands import arguments, completion, pods
from reaper_runtime.config import Config
from reaper_runtime.state import PodState, Record

if TYPE_CHECKING:
    from pathlib import Path

NONE = {"REAPER_CONFIG": ""}


def test_the_version_names_the_build_and_the_specification() -> None:
    for words in (["--version"], ["-v"], ["version"]):
        assert cli.run(words, "1-a", NONE) == (0, "reaper-runtime 1-a\nspec: 1.2.0\n")


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "no command given: see reaper-runtime --help"),
        (["frob"], "unknown command 'frob': see reaper-runtime --help"),
        (["state", "--frob", "c"], "unknown flag or argument --frob: see reaper-runtime --help"),
        (["create", "--preserve-fds", "x", "c"], "argument --preserve-fds: 'x' is not a number of descriptors"),
        (["state"], "the following arguments are required: ID: see reaper-runtime state --help"),
    ],
)
def test_a_wrong_command_line_gets_one_sentence_and_1(
    words: list[str], reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.run(words, "1-a", NONE) == (1, "")
    said = capsys.readouterr().err
    assert said.startswith(f"reaper-runtime: {reason}")
    assert said.count("\n") == 1


def test_the_configuration_gives_root_and_log() -> None:
    options = cli.parse(["list"], Config(runtime_root="/elsewhere", runtime_log="/var/log/r"))
    assert (options.root, options.log) == ("/elsewhere/oci", "/var/log/r")


def test_a_wrong_configuration_stops_all_but_advice(capsys: pytest.CaptureFixture[str]) -> None:
    wrong = {"REAPER_DNS_MODE": "x"}
    assert cli.run(["state", "c"], "1-a", wrong)[0] == 1
    assert "REAPER_DNS_MODE=x is not valid" in capsys.readouterr().err
    assert cli.run(["features"], "1-a", wrong)[0] == 0


def test_exec_fails_with_255(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.run(["--root", str(tmp_path), "exec", "c", "true"], "1-a", NONE) == (255, "")
    assert capsys.readouterr().err == "reaper-runtime: container c does not exist\n"


def test_what_follows_the_id_of_exec_is_the_command() -> None:
    options = cli.parse(["exec", "-e", "A=b", "c", "sh", "-c", "--help"], Config())
    assert (options.id, options.command, options.env) == ("c", ["sh", "-c", "--help"], ["A=b"])


def test_list_shows_pods_as_table_and_as_json(tmp_path: Path) -> None:
    PodState("k8s.io", "pod", str(tmp_path)).write(Record("container:exec", 1 << 22, 5))
    rows = list(pods.rows(str(tmp_path)))
    assert pods.objects(rows) == [
        {
            "namespace": "k8s.io",
            "pod": "pod",
            "container": "container",
            "exec": "exec",
            "pid": 1 << 22,
            "status": "gone",
        }
    ]
    header, line = pods.table(rows).splitlines()
    assert header.split() == list(pods.COLUMNS)
    assert line.split() == ["k8s.io", "pod", "container", "exec", str(1 << 22), "gone"]


def test_the_log_has_the_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = tmp_path / "log"
    words = ["--root", str(tmp_path), "--log", str(log), "--log-format", "json", "--debug", "state", "c"]
    cli.run(words, "1-a", NONE)
    levels = [json.loads(line)["level"] for line in log.read_text().splitlines()]
    assert levels == ["debug", "error"]
    assert cli.run(["--log", str(tmp_path / "no" / "log"), "list", "-q"], "1-a", NONE)[0] == 1
    assert "cannot be opened" in capsys.readouterr().err


def test_the_completion_is_shell_and_knows_every_verb_and_flag() -> None:
    script = completion.bash(arguments.parser("/r", ""))
    ask = "COMP_WORDS=(reaper-runtime {}); COMP_CWORD={}; _reaper_runtime; echo ${{COMPREPLY[@]}}"

    def complete(*words: str) -> list[str]:
        line = ask.format(" ".join(f"'{word}'" for word in words), len(words))
        done = subprocess.run(["bash", "-ec", f"{script}\n{line}"], capture_output=True, text=True, check=True)
        return done.stdout.split()

    assert set(arguments.VERBS) <= set(complete(""))
    assert complete("de") == ["delete"]
    assert complete("--root", "/x", "run", "--de") == ["--detach"]
