"""How a line goes on: words, explanations, and names asked of the cluster."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from reaper_cli.completion import answer
from reaper_cli.errors import Unreachable
from tests.fakes.kubectl import FakeCluster, FakeLines

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def cluster() -> FakeCluster:
    cluster = FakeCluster()
    cluster.add_task("alpha")
    cluster.add_task("beta")
    cluster.add_task("gamma", "ops")
    cluster.add_node("n1")
    return cluster


def lines(cluster: FakeCluster, *words: str) -> list[str]:
    return list(answer(words, cluster.session()))


def test_verbs_with_their_explanations(cluster: FakeCluster) -> None:
    assert lines(cluster, "lo") == [
        "logs\tPrint what a task's process writes, from its beginning.",
        "local\tRun a ReaperTask on this machine, without a cluster.",
        ":4",
    ]


def test_nothing_typed_yet(cluster: FakeCluster) -> None:
    assert lines(cluster)[0].startswith("run\t")
    assert lines(cluster, "")[0].startswith("run\t")


def test_names_of_tasks(cluster: FakeCluster) -> None:
    assert lines(cluster, "logs", "") == ["alpha", "beta", ":4"]
    assert lines(cluster, "describe", "al") == ["alpha", ":4"]
    assert lines(cluster, "-n", "ops", "logs", "") == ["gamma", ":4"]
    assert lines(cluster, "logs", "-n", "ops", "") == ["gamma", ":4"]


def test_a_task_that_stands_in_the_line_already_is_not_offered_again(cluster: FakeCluster) -> None:
    assert lines(cluster, "describe", "alpha", "") == ["beta", ":4"]


def test_flags_and_their_values(cluster: FakeCluster) -> None:
    assert "--wait\tShow the output, wait for the end, exit with the process's exit code." in lines(
        cluster, "run", "--w"
    )
    assert lines(cluster, "run", "--restart", "") == ["Never", "OnFailure", "Always", ":4"]
    assert lines(cluster, "run", "--node", "") == ["n1", ":4"]


def test_contexts_of_the_kubeconfig(cluster: FakeCluster) -> None:
    cluster.output["get-contexts"] = ["prod", "test"]
    assert lines(cluster, "get", "--context", "p") == ["prod", ":4"]


@pytest.mark.parametrize(
    "words",
    [["convert"], ["convert", "-f"], ["validate"], ["run", "-f"], ["run", "--filename"], ["local", "run", "-f"]],
)
def test_files_are_left_to_the_shell(cluster: FakeCluster, words: list[str]) -> None:
    assert lines(cluster, *words, "") == [":0"]


@pytest.mark.parametrize("words", [["frob", ""], ["frob", "a", "-"], ["-n", "d", "frob", ""]])
def test_a_verb_that_there_is_not_goes_on_with_nothing(cluster: FakeCluster, words: list[str]) -> None:
    assert lines(cluster, *words) == [":4"]


def test_a_cluster_that_does_not_answer_suggests_nothing(cluster: FakeCluster) -> None:
    cluster.faults["reapertasks"] = Unreachable("connection refused")
    assert lines(cluster, "logs", "") == [":4"]


@pytest.mark.parametrize(
    ("shell", "text"), [("bash", "complete -o"), ("zsh", "#compdef kubectl-reaper"), ("fish", "complete ")]
)
def test_a_script_for_each_shell(shell: str, text: str) -> None:
    result = FakeCluster().run("completion", shell)
    assert result.exit_code == 0
    assert text in result.stdout
    assert "_KUBECTL_REAPER_COMPLETE" in result.stdout


def test_bash_completes_with_its_script(tmp_path: Path) -> None:
    program = tmp_path / "kubectl-reaper"
    program.write_text(f"#!{sys.executable}\nfrom reaper_cli.main import main\nmain()\n")
    program.chmod(0o755)
    lines = (
        "source <(kubectl-reaper completion bash)",
        "COMP_WORDS=(kubectl-reaper lo) COMP_CWORD=1",
        "_kubectl_reaper_completion kubectl-reaper",
        'echo "${COMPREPLY[@]}"',
    )
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", "\n".join(lines)], env=environment, check=True, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("logs local\n", "")


def test_the_fake_lines_are_as_the_port_says() -> None:
    assert FakeLines(["a"]).close() == 0
