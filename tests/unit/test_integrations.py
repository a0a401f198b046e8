"""What other tools read from the root of the repository: the pre-commit hook and the GitHub Action."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[2]
ACTION: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text())
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
GOOD = "apiVersion: reaper.io/v1alpha1\nkind: ReaperTask\nmetadata: {name: t}\nspec: {command: [env]}\n"
POD = (
    "kind: Pod\nmetadata: {name: p}\n"
    "spec: {runtimeClassName: reaper-v2, containers: [{name: c, image: x, command: [a]}]}\n"
)


def test_the_hook_needs_what_the_cli_needs() -> None:
    (hook,) = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    extras = PROJECT["optional-dependencies"]
    needed = {*extras["api"], *(name for name in extras["cli"] if not name.startswith("reaper-k8s"))}
    assert set(hook["additional_dependencies"]) == needed
    assert hook["entry"] in PROJECT["scripts"]


def test_every_input_of_the_action_is_read_and_explained() -> None:
    *_, check = ACTION["runs"]["steps"]
    read = {re.fullmatch(r"\$\{\{ inputs\.(\S+) \}\}", value)[1] for value in check["env"].values()}  # type: ignore[index]
    assert read == set(ACTION["inputs"])
    assert all(each["description"] for each in ACTION["inputs"].values())


def test_no_input_gets_into_a_script() -> None:
    """It could be a command there: inputs come as variables."""
    for step in ACTION["runs"]["steps"]:
        assert "${{" not in step["run"]


@pytest.mark.parametrize(
    ("inputs", "code", "output"),
    [
        ({}, 0, "::warning file=pod.yaml,line=3,"),
        ({"FAIL_ON": "warning"}, 1, "::warning file=pod.yaml,line=3,"),
        ({"FILES": "a task.yaml\n\n"}, 0, "a task.yaml: ✅ ReaperTask t is valid"),
        ({"FILES": "pod.yaml", "FAIL_ON": "warning", "IGNORE": "RPR001,RPR005"}, 0, "(2 ignored)"),
        ({"RUNTIME_CLASS": "other"}, 0, "a task.yaml: ✅"),
        ({"FILES": "nowhere.yaml"}, 2, "::error file=nowhere.yaml::"),
        ({"FILES": "--version"}, 2, "::error file=--version::"),
    ],
)
def test_the_action(tmp_path: Path, inputs: dict[str, str], code: int, output: str) -> None:
    done = _check(tmp_path, inputs)
    assert done.returncode == code, done.stderr
    assert output in done.stdout


def test_the_action_writes_sarif(tmp_path: Path) -> None:
    done = _check(tmp_path, {"FORMAT": "sarif", "OUTPUT": "reaper.sarif"})
    assert (done.returncode, done.stdout) == (0, "")
    assert '"RPR001"' in (tmp_path / "reaper.sarif").read_text()


def _check(folder: Path, inputs: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """The last step of the action, as a runner runs it."""
    (folder / "pod.yaml").write_text(POD)
    (folder / "a task.yaml").write_text(GOOD)
    *_, check = ACTION["runs"]["steps"]
    names = {name: value[len("${{ inputs.") : -len(" }}")] for name, value in check["env"].items()}
    given = {name: str(ACTION["inputs"][of]["default"]) for name, of in names.items()} | inputs
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", check["run"]]
    return subprocess.run(
        command, cwd=folder, env={**os.environ, **given, "PATH": path}, capture_output=True, text=True, check=False
    )
