"""exec, attach and cp: handed over to kubectl, in the Pod in which the process runs."""

from __future__ import annotations

from typing import Any

import pytest

from tests.fakes.kubectl import FakeCluster

RUNNING = {"phase": "Running", "podName": "hello-2", "podUID": "p"}
PLACE = ["--container=task", "--namespace=default"]


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.mark.parametrize(
    ("words", "handed"),
    [
        (["exec", "hello", "--", "ls", "-la"], ["exec", "hello-2", *PLACE, "--", "ls", "-la"]),
        (["exec", "-it", "rt/hello", "--", "sh"], ["exec", "hello-2", *PLACE, "--stdin", "--tty", "--", "sh"]),
        (
            ["exec", "hello", "-q", "--", "echo", "--", "x"],
            ["exec", "hello-2", *PLACE, "--quiet", "--", "echo", "--", "x"],
        ),
        (["attach", "hello"], ["attach", "hello-2", *PLACE]),
        (["cp", "hello:/var/log", "."], ["cp", "hello-2:/var/log", ".", *PLACE]),
        (["cp", "a", "hello:b", "--no-preserve"], ["cp", "a", "hello-2:b", *PLACE, "--no-preserve"]),
        (["cp", "./a:b", "hello:c"], ["cp", "./a:b", "hello-2:c", *PLACE]),
    ],
)
def test_kubectl_gets_the_pod(cluster: FakeCluster, words: list[str], handed: list[str]) -> None:
    cluster.add_task(**RUNNING)
    result = cluster.run(*words)
    assert cluster.handed_over == handed
    assert result.exit_code == 0


def test_attach_with_a_terminal(cluster: FakeCluster) -> None:
    cluster.add_task(**RUNNING, spec={"stdin": True, "terminal": True})
    cluster.run("attach", "-it", "hello")
    assert cluster.handed_over == ["attach", "hello-2", *PLACE, "--stdin", "--tty"]


@pytest.mark.parametrize(
    ("flags", "spec", "sentence"),
    [
        (["-i"], {}, "task hello has no input: its spec.stdin is not true"),
        (["-t"], {}, "task hello has no terminal: its spec.terminal is not true"),
    ],
)
def test_attach_to_what_is_not_there_is_said(
    cluster: FakeCluster, flags: list[str], spec: dict[str, Any], sentence: str
) -> None:
    cluster.add_task(**RUNNING, spec=spec)
    result = cluster.run("attach", "hello", *flags)
    assert sentence in result.stderr
    assert cluster.handed_over is None


@pytest.mark.parametrize("words", [["exec", "hello", "--", "x"], ["attach", "hello"], ["cp", "hello:a", "b"]])
@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ({"phase": "Succeeded", "exitCode": 0}, "task hello is over (Succeeded): there is no process"),
        (
            {"phase": "Pending", "reason": "Unschedulable"},
            "the process of task hello does not run: Pending: Unschedulable",
        ),
        ({}, "the operator has not seen it yet"),
    ],
)
def test_without_a_process_the_state_is_said(
    cluster: FakeCluster, words: list[str], status: dict[str, Any], sentence: str
) -> None:
    cluster.add_task(**status)
    result = cluster.run(*words)
    assert (result.exit_code, cluster.handed_over) == (1, None)
    assert sentence in result.stderr


def test_exec_needs_a_command(cluster: FakeCluster) -> None:
    result = cluster.run("exec", "hello")
    assert result.exit_code == 2
    assert "Write it after --: kubectl reaper exec -it hello -- /bin/sh" in " ".join(result.stderr.split())


@pytest.mark.parametrize("words", [["a", "b"], ["hello:a", "hello:b"]])
def test_cp_is_between_here_and_there(cluster: FakeCluster, words: list[str]) -> None:
    result = cluster.run("cp", *words)
    assert result.exit_code == 2
    assert "one of the two is NAME:PATH" in result.stderr


@pytest.mark.parametrize("verb", ["exec", "run"])
def test_a_command_line_without_the_two_dashes_is_said_how_to_write(cluster: FakeCluster, verb: str) -> None:
    result = cluster.run(verb, "hello", "id")
    assert result.exit_code == 2
    assert (
        f"unexpected extra argument (id): what shall run stands after --, such as: plugin {verb} … -- " in result.stderr
    )
