"""Plain Pods on the same runtime: several containers, init containers, exec."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from manifests import container, pod
from waiting import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kubectl import Kubectl


@pytest.fixture
def running(kubectl: Kubectl) -> Iterator[Kubectl]:
    """A Pod that runs."""
    kubectl.apply(pod("busy", container("main", "/bin/sleep", "600"), terminationGracePeriodSeconds=1))
    kubectl.in_phase("pod", "busy", "Running")
    yield kubectl
    kubectl.run("delete", "pod", "busy", "--wait=false")


def codes(pod: dict[str, object], field: str) -> dict[str, int]:
    status = pod["status"]
    assert isinstance(status, dict)
    return {s["name"]: s["state"]["terminated"]["exitCode"] for s in status[field]}


def test_an_init_container_and_two_containers(kubectl: Kubectl) -> None:
    manifest = pod(
        "trio",
        container("one", "/bin/sh", "-c", "echo one; exit 0"),
        container("two", "/bin/sh", "-c", "echo two; exit 3"),
        initContainers=[container("first", "/bin/sh", "-c", "echo first")],
    )
    kubectl.apply(manifest)

    done = kubectl.in_phase("pod", "trio", "Failed")

    assert codes(done, "initContainerStatuses") == {"first": 0}
    assert codes(done, "containerStatuses") == {"one": 0, "two": 3}
    assert [kubectl.logs("trio", "-c", name) for name in ("first", "one", "two")] == ["first\n", "one\n", "two\n"]
    ended = done["status"]["initContainerStatuses"][0]["state"]["terminated"]["finishedAt"]
    assert all(s["state"]["terminated"]["startedAt"] >= ended for s in done["status"]["containerStatuses"])


def test_containers_end_independently(kubectl: Kubectl) -> None:
    kubectl.apply(
        pod(
            "pair",
            container("short", "/bin/true"),
            container("long", "/bin/sleep", "600"),
            terminationGracePeriodSeconds=1,
        )
    )

    def short_is_over() -> bool:
        found = kubectl.get("pod", "pair")["status"].get("containerStatuses", [])
        states = {status["name"]: set(status["state"]) for status in found}
        return states == {"short": {"terminated"}, "long": {"running"}}

    eventually(short_is_over, 30, "one container is over, the other runs")


def test_a_failing_init_container_keeps_the_rest_from_starting(kubectl: Kubectl) -> None:
    manifest = pod("stuck", container("main", "/bin/true"), initContainers=[container("first", "/bin/false")])
    kubectl.apply(manifest)

    done = kubectl.in_phase("pod", "stuck", "Failed")

    assert codes(done, "initContainerStatuses") == {"first": 1}
    assert "terminated" not in done["status"]["containerStatuses"][0]["state"]


def test_restarts_follow_the_policy(kubectl: Kubectl) -> None:
    kubectl.apply(
        pod("again", container("main", "/bin/false"), restartPolicy="OnFailure", terminationGracePeriodSeconds=1)
    )

    def restarted() -> bool:
        statuses = kubectl.get("pod", "again")["status"].get("containerStatuses", [])
        return bool(statuses) and statuses[0]["restartCount"] >= 1

    eventually(restarted, 60, "the container was started again")


@pytest.mark.parametrize(("command", "code"), [("true", 0), ("false", 1), ("exit 42", 42)])
def test_exec_gives_the_exit_code(running: Kubectl, command: str, code: int) -> None:
    assert running.execute("busy", "sh", "-c", command).code == code


def test_exec_of_a_program(running: Kubectl) -> None:
    assert running.execute("busy", "false").code == 1


def test_exec_carries_three_streams(running: Kubectl) -> None:
    done = running.execute("busy", "sh", "-c", "cat; echo error >&2; exit 3", stdin="through\n")

    assert (done.code, done.out) == (3, "through\n")
    assert "error" in done.err


def test_exec_of_a_missing_program_is_named(running: Kubectl) -> None:
    done = running.execute("busy", "/no/such/program")

    assert done.code != 0
    assert "/no/such/program" in done.err
