"""Each of the likely mistakes has a cause in plain words and something to do about it."""

from __future__ import annotations

import string
from dataclasses import replace
from typing import Any

import pytest

from reaper_cli.diagnosis import REMEDIES, diagnose
from reaper_cli.installation import Node, Workload
from reaper_cli.task import Task


def task(**fields: Any) -> Task:
    return Task("t", "ops", "u", **{"seen": True, "pod": "t-2", "node": "n1", **fields})


def node(name: str = "n1", runtime: str = "ready", error: str = "", *, healthy: bool = True) -> Node:
    return Node(name, runtime, "1", error, healthy=healthy, cordoned=False, containerd="", system="")


@pytest.mark.parametrize(
    ("reason", "message", "remedy"),
    [
        ("StartError", 'program "/x" does not exist on node n1: install it there', "install the program on node n1"),
        (
            "StartError",
            'program "/x" on node n1 may not be executed by user 5: permission denied',
            "spec.user the right",
        ),
        ("StartError", "cannot become user 5:6 on node n1", "spec.user"),
        ("StartError", "working directory /x cannot be entered", "spec.workingDir"),
        ("StartError", "the overlay of namespace ops cannot be made", "The overlay"),
        ("StartError", "dns-mode kubernetes: no name server", "spec.dnsMode: host"),
        ("StartError", "something else", "kubectl describe pod t-2 -n ops"),
        ("PlaceholderMissing", "no image", "kubectl reaper nodes"),
        ("RuntimeMissing", "no runtime", "kubectl reaper nodes n1"),
        ("NodeLost", "gone", "kubectl reaper retry t -n ops"),
        ("BackoffLimitExceeded", "3 attempts: the process ended with exit code 3", "kubectl reaper logs t -n ops"),
        ("ImagePullBackOff", "back-off pulling image", "kubectl reaper nodes"),
        ("CreateContainerConfigError", 'secret "s" not found', "in namespace ops"),
        ("PodRefused", "exceeded quota: pods=1", "kubectl describe quota -n ops"),
        ("PodRefused", "namespace needs the label reaper.io/allow", "kubectl label namespace ops reaper.io/allow=true"),
        ("PodRefused", 'violates PodSecurity "baseline:latest"', "pod-security.kubernetes.io/enforce=privileged"),
        ("PodRefused", "a webhook said no", "kubectl reaper doctor"),
        ("PodNameTaken", "Pod t does not belong to this task", "kubectl delete pod t -n ops"),
        ("InvalidSpec", "spec.command: wrong", "kubectl replace --force"),
        ("NodeUnreachable", "n1 has stopped reporting", "kubectl describe node n1"),
        ("Evicted", "the node was low on memory", "kubectl reaper retry t -n ops"),
        ("DeadlineExceeded", "was active too long", "spec.activeDeadlineSeconds"),
        ("PodDeleted", "Pod t was deleted", "kubectl reaper retry t -n ops"),
        ("Error", "the process ended with exit code 127", "a shell did not find a program"),
        ("Error", "the process ended with exit code 137 (128+9: as a rule ended by SIGKILL)", "killed:"),
        ("Error", "the process ended with exit code 1", "kubectl reaper logs t -n ops"),
    ],
)
def test_a_reason_has_a_remedy(reason: str, message: str, remedy: str) -> None:
    found = diagnose(task(phase="Failed", reason=reason, message=message), nodes=None, operators=None)
    assert found is not None
    assert found.sentence == message
    assert remedy in "; ".join(found.remedies)


@pytest.mark.parametrize("remedy", REMEDIES, ids=lambda remedy: f"{sorted(remedy.reasons)} {remedy.pattern}")
def test_a_remedy_can_be_filled_in(remedy: Any) -> None:
    for text in remedy.advice:
        names = {name for _, name, _, _ in string.Formatter().parse(text) if name}
        assert names <= {"name", "namespace", "node", "pod"}


@pytest.mark.parametrize(
    "fields",
    [
        {"phase": "Succeeded", "reason": "Completed"},
        {"phase": "Running"},
        {"phase": "Pending"},
        {"phase": "Pending", "reason": "ContainerCreating"},
    ],
)
def test_where_all_is_well_there_is_no_cause(fields: dict[str, Any]) -> None:
    assert diagnose(task(**fields), nodes=[], operators=[]) is None


def test_a_node_that_is_cordoned_is_named_with_the_way_back() -> None:
    pending = task(phase="Pending", reason="Unschedulable", message="0/1 nodes", node="")
    found = diagnose(pending, nodes=[replace(node(), cordoned=True)], operators=None, wanted_node="n1")
    assert found is not None
    assert (found.sentence, found.remedies) == ("node n1 is cordoned", ("kubectl uncordon n1",))


def test_a_suspended_task_says_how_to_resume_it() -> None:
    found = diagnose(task(phase="Suspended", suspended=True, reason="Suspended"), nodes=None, operators=None)
    assert found is not None
    assert found.remedies == ("kubectl reaper resume t -n ops",)


def operator(ready: int) -> Workload:
    return Workload("reaper-operator", "reaper-system", "1", "image", ready, 1)


@pytest.mark.parametrize(
    ("operators", "sentence"),
    [
        (None, "no operator has looked at the task yet"),
        ([], "no operator is installed in this cluster: nobody looks at tasks"),
        (
            [operator(0)],
            "the operator is not at work: Deployment reaper-operator in reaper-system has 0 of 1 Pods ready",
        ),
    ],
)
def test_a_task_that_nobody_has_seen(operators: list[Workload] | None, sentence: str) -> None:
    found = diagnose(task(seen=False), nodes=None, operators=operators)
    assert found is not None
    assert found.sentence == sentence


def test_a_task_that_an_operator_at_work_has_not_seen() -> None:
    found = diagnose(task(seen=False), nodes=None, operators=[operator(1)])
    assert found is not None
    assert found.remedies == ("kubectl logs deployment/reaper-operator -n reaper-system",)


@pytest.mark.parametrize(
    ("nodes", "wanted", "sentence"),
    [
        ([node()], "n9", "there is no node n9 in this cluster"),
        ([node("n9", "failed", "NoExec: no")], "n9", "node n9 does not have the runtime: NoExec: no"),
        ([node("n9", "")], "n9", "node n9 does not have the runtime"),
        ([node("n9", healthy=False)], "n9", "node n9 is not ready"),
        (
            [node("n1", "failed"), node("n2", "")],
            "",
            "no node of this cluster has the runtime (label reaper.io/runtime=ready)",
        ),
        ([node()], "", "0/1 nodes"),
        ([node()], "n1", "0/1 nodes"),
        (None, "n9", "0/1 nodes"),
    ],
)
def test_a_task_that_is_not_scheduled(nodes: list[Node] | None, wanted: str, sentence: str) -> None:
    pending = task(phase="Pending", reason="Unschedulable", message="0/1 nodes", node="")
    found = diagnose(pending, nodes=nodes, operators=None, wanted_node=wanted)
    assert found is not None
    assert found.sentence == sentence
