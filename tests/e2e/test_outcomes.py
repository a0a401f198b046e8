"""How a task ends, and what `kubectl get reapertasks` says about it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from manifests import shell, task
from waiting import eventually

if TYPE_CHECKING:
    from kubectl import Kubectl

SLACK = 30


def test_success(kubectl: Kubectl) -> None:
    kubectl.apply(shell("good", "echo to stdout; echo to stderr >&2"))

    finished = kubectl.finished("good")

    status = finished["status"]
    assert (status["phase"], status["exitCode"], status["podName"]) == ("Succeeded", 0, "good")
    assert status["observedGeneration"] == finished["metadata"]["generation"]
    assert finished["metadata"]["creationTimestamp"] <= status["startTime"] <= status["completionTime"]
    assert status["nodeName"] == kubectl.get("pod", "good")["spec"]["nodeName"]
    assert sorted(kubectl.logs("good").splitlines()) == ["to stderr", "to stdout"]


def test_a_life_as_kubectl_waits_for_it_and_describes_it(kubectl: Kubectl) -> None:
    kubectl.apply(shell("good", "sleep 1"))

    kubectl.run("wait", "reapertask/good", "--for=jsonpath={.status.phase}=Running", "--timeout=60s")
    kubectl.run("wait", "rt/good", "--for=jsonpath={.status.phase}=Succeeded", "--timeout=60s")

    def told() -> list[str]:
        """Type, reason and source of each of its Events: the last comes after the status."""
        lines = kubectl.run("describe", "rt", "good").out.partition("Events:")[2].splitlines()[3:]
        return [" ".join((words[0], words[1], words[3])) for words in map(str.split, lines)]

    life = ["Normal Running reaper-operator", "Normal Succeeded reaper-operator"]
    eventually(lambda: told() == life, SLACK, "its Events are those of its life")
    assert "reapertask.reaper.io/good\n" in kubectl.run("get", "reaper", "-o", "name").out  # the category


@pytest.mark.parametrize("code", [1, 42, 127, 255])
def test_exit_code(kubectl: Kubectl, code: int) -> None:
    kubectl.apply(shell("bad", f"exit {code}"))

    status = kubectl.finished("bad")["status"]

    assert (status["phase"], status["exitCode"]) == ("Failed", code)


def test_death_by_a_signal(kubectl: Kubectl) -> None:
    kubectl.apply(shell("shot", "kill -TERM $$$$"))

    status = kubectl.finished("shot")["status"]

    assert (status["phase"], status["exitCode"]) == ("Failed", 128 + 15)


def test_a_missing_program_is_named_with_its_node(kubectl: Kubectl) -> None:
    kubectl.apply(task("missing", "/no/such/program", "--flag"))

    status = kubectl.finished("missing", within=30)["status"]

    assert status["phase"] == "Failed"
    assert "/no/such/program" in status["message"]
    assert status["nodeName"] in status["message"]


def test_a_file_that_is_no_program_is_named(kubectl: Kubectl) -> None:
    kubectl.apply(task("passwd", "/etc/passwd"))

    status = kubectl.finished("passwd", within=30)["status"]

    assert status["phase"] == "Failed"
    assert "/etc/passwd" in status["message"]
    assert "permission denied" in status["message"].lower()


def test_a_working_directory_that_is_none_is_named(kubectl: Kubectl) -> None:
    kubectl.apply(task("nowhere", "/bin/true", workingDir="/etc/passwd"))

    status = kubectl.finished("nowhere", within=30)["status"]

    assert status["phase"] == "Failed"
    assert "working directory /etc/passwd cannot be entered" in status["message"]


def test_the_table_has_what_a_person_asks_for(kubectl: Kubectl) -> None:
    kubectl.apply(shell("bad", "exit 42"))
    node = kubectl.finished("bad")["status"]["nodeName"]

    header, row = (line.split() for line in kubectl.run("get", "rt").out.splitlines())

    assert header == ["NAME", "PHASE", "EXIT", "NODE", "AGE"]
    assert row[:4] == ["bad", "Failed", "42", node]


def test_a_task_runs_once(kubectl: Kubectl) -> None:
    """Its Pod may go, its status stays and nothing runs again."""
    kubectl.apply(shell("once", "exit 3"))
    before = kubectl.finished("once")["status"]

    kubectl.run("delete", "pod", "once")
    kubectl.run("annotate", "reapertask", "once", "looked-at=again")

    # What the operator makes of both comes before what it makes of a later task.
    kubectl.apply(shell("later", "exit 0"))
    kubectl.finished("later")
    assert [pod["metadata"]["name"] for pod in kubectl.list("pods")] == ["later"]
    assert kubectl.get("reapertask", "once")["status"] == before
