"""The examples do what their comments say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from kubectl import ROOT

if TYPE_CHECKING:
    from kubectl import Kubectl

EXAMPLES = ROOT / "examples"
ENDS = {
    "deadline": ("Failed", None, "DeadlineExceeded", "cleaning up"),
    "env": ("Succeeded", 0, "Completed", "good morning, world, from /tmp"),
    "failing": ("Failed", 42, "Error", "about to fail"),
    "hello": ("Succeeded", 0, "Completed", "hello from a process on node"),
    "node": ("Succeeded", 0, "Completed", "running on"),
    "retry": ("Succeeded", 0, "Completed", "not yet"),
    "secret": ("Succeeded", 0, "Completed", "open sesame has 11 letters\ncolour = green\n"),
    "short-lived": ("Succeeded", 0, "Completed", "read me within five minutes"),
    "user": ("Failed", 1, "Error", "uid=1000"),
}
RUNS = {"ticker"}
PODS = {"pod": "hello-pod"}


def test_every_example_is_tried() -> None:
    assert {path.stem for path in EXAMPLES.glob("*.yaml")} == ENDS.keys() | RUNS | PODS.keys()


@pytest.mark.parametrize("name", ENDS)
def test_a_task_ends_as_it_says(kubectl: Kubectl, name: str) -> None:
    phase, code, reason, output = ENDS[name]
    kubectl.run("apply", "-f", str(EXAMPLES / f"{name}.yaml"))

    status = kubectl.finished(name)["status"]

    assert (status["phase"], status["reason"]) == (phase, reason)
    assert code is None or status["exitCode"] == code
    assert output in kubectl.logs(name)


@pytest.mark.parametrize("name", sorted(RUNS))
def test_a_task_runs_until_it_is_deleted(kubectl: Kubectl, name: str) -> None:
    kubectl.run("apply", "-f", str(EXAMPLES / f"{name}.yaml"))

    kubectl.in_phase("reapertask", name, "Running")

    kubectl.run("delete", "reapertask", name)


@pytest.mark.parametrize(("file", "name"), PODS.items())
def test_a_pod_ends_well(kubectl: Kubectl, file: str, name: str) -> None:
    kubectl.run("apply", "-f", str(EXAMPLES / f"{file}.yaml"))

    kubectl.in_phase("pod", name, "Succeeded")

    assert "hello from a plain Pod" in kubectl.logs(name)


def test_hello_is_in_the_namespaces_of_its_node(kubectl: Kubectl) -> None:
    kubectl.run("apply", "-f", str(EXAMPLES / "hello.yaml"))

    kubectl.finished("hello")

    lines = [line for line in kubectl.logs("hello").splitlines() if "namespace" in line]
    assert len(lines) == 5
    assert all(line.endswith("is the node's") for line in lines)
