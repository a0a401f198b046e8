"""reaper-validate on good, bad and unreadable files."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from reaper_cli.validate import main

EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*.yaml"))
HEAD = "apiVersion: reaper.io/v1alpha1\nkind: ReaperTask\nmetadata:\n  name: t\n"


def validate(tmp_path: Path, text: str) -> tuple[int, str]:
    path = tmp_path / "task.yaml"
    path.write_text(text)
    result = CliRunner().invoke(main, [str(path)])
    return result.exit_code, result.output.replace(f"{path}", "task.yaml")


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.name)
def test_every_example_is_valid(path: Path) -> None:
    result = CliRunner().invoke(main, [str(path)])
    assert result.exit_code == 0, result.output


def test_a_valid_task_is_said_to_be_valid(tmp_path: Path) -> None:
    code, output = validate(tmp_path, HEAD + "spec:\n  command: [/bin/true]\n")
    assert (code, output) == (0, "task.yaml: ReaperTask t is valid\n")


def test_a_field_that_would_be_dropped_is_named_with_its_place(tmp_path: Path) -> None:
    code, output = validate(tmp_path, HEAD + "spec:\n  command: [/bin/true]\n  image: busybox\n")
    assert code == 1
    assert output.startswith("task.yaml:7:3: spec.image does not exist and would be dropped; there are ")


def test_a_nested_unknown_field_is_found(tmp_path: Path) -> None:
    code, output = validate(tmp_path, HEAD + "spec:\n  command: [/bin/true]\n  env:\n  - name: A\n    values: b\n")
    assert code == 1
    assert "task.yaml:9:5: spec.env[0].values does not exist" in output


def test_a_wrong_value_is_named_with_its_place(tmp_path: Path) -> None:
    code, output = validate(tmp_path, HEAD + "spec:\n  command: [/bin/true]\n  user:\n    uid: -1\n")
    assert code == 1
    assert output.startswith("task.yaml:8:5: spec.user.uid: ")


def test_a_wrong_version_is_named(tmp_path: Path) -> None:
    code, output = validate(tmp_path, "apiVersion: reaper.io/v9\nkind: ReaperTask\nspec:\n  command: [/bin/true]\n")
    assert code == 1
    assert "task.yaml:1:1: apiVersion must be reaper.io/v1alpha1" in output


def test_other_kinds_are_passed_over(tmp_path: Path) -> None:
    code, output = validate(tmp_path, "kind: Pod\n---\n" + HEAD + "spec:\n  command: [/bin/true]\n")
    assert (code, output) == (0, "task.yaml: ReaperTask t is valid\n")


def test_what_is_not_yaml_is_said_with_its_place(tmp_path: Path) -> None:
    code, output = validate(tmp_path, "a: [1\nb: 2\n")
    assert code == 2
    assert output.startswith("task.yaml: line 2, column ")


def test_a_missing_file_is_said() -> None:
    result = CliRunner().invoke(main, ["/no/such/file.yaml"])
    assert (result.exit_code, result.output) == (2, "/no/such/file.yaml: No such file or directory\n")


def test_standard_input(tmp_path: Path) -> None:
    result = CliRunner().invoke(main, ["-"], input=HEAD + "spec:\n  command: [/bin/true]\n")
    assert (result.exit_code, result.output) == (0, "-: ReaperTask t is valid\n")
