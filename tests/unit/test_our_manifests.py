"""Manifests that we show and that our e2e tests apply, by the table of rules: the chart's policies let them in."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

import test_attributes
import test_convert
import test_network
import test_node_configuration
import test_tracking
import test_volumes
from kubectl import Node
from manifests import container, pod, shell, task
from reaper_api.ruleset.rule import Admission
from reaper_api.ruleset.table import findings
from reaper_api.task import ReaperTask
from reaper_api.translate import pod_for
from tests.fakes.cluster import task_body

Body = dict[str, Any]

ROOT = Path(__file__).parents[2]
EXAMPLES = sorted((ROOT / "examples").glob("*.yaml"))
NODE = Node("here")
SLEEP = ("/bin/sleep", "600")
# As short as a manifest of these modules can be: more is in their arguments, which are scripts and volumes.
E2E: dict[str, tuple[Body, list[str]]] = {
    "pod": (pod("p", container("main", *SLEEP), nodeName="here", initContainers=[container("first", *SLEEP)]), []),
    "a bare name": (pod("p", container("main", "env")), []),
    "task": (task("t", *SLEEP), []),
    "shell": (shell("t", "exit 3", backoffLimit=1), []),
    "attributes": (test_attributes.shell("p", "true", {"allowPrivilegeEscalation": False}), []),
    "a profile": (test_attributes.shell("p", "true", {"seccompProfile": {"type": "RuntimeDefault"}}), ["RPR014"]),
    "its own network": (test_network.networked("p", "pod", *SLEEP, readinessProbe={"tcpSocket": {"port": 1}}), []),
    "the node's network": (test_network.networked("p", "host", *SLEEP, livenessProbe={"httpGet": {"port": 1}}), []),
    "the node's settings": (test_node_configuration.on(NODE, "p", *SLEEP), ["RPR011"]),
    "limits": (test_tracking.limited("p", {"memory": "64Mi"}, *SLEEP), []),
    "volumes": (test_volumes.mounted("p", "true", ("/c", {"configMap": {"name": "c"}}), readOnly=True), []),
    **{
        f"converted {name}": ({"kind": "Pod", "metadata": {"name": name}, "spec": spec}, [])
        for name, spec, _ in test_convert.ALIKE
    },
}


def said(body: Body) -> list[str]:
    """The ids of the rules that a policy of the chart speaks of."""
    return sorted({found.rule.id for found in findings(body) if found.rule.admission is not Admission.NONE})


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_an_example_passes_without_a_word(path: Path) -> None:
    bodies = [body for body in yaml.safe_load_all(path.read_text()) if body]
    assert bodies
    assert [said(body) for body in bodies] == [[]] * len(bodies)


@pytest.mark.parametrize("name", E2E)
def test_what_the_e2e_tests_apply_is_not_refused(name: str) -> None:
    body, warned = E2E[name]
    assert said(body) == warned
    assert not [f for f in findings(body) if f.rule.admission is Admission.DENY]


@pytest.mark.parametrize("path", EXAMPLES, ids=lambda path: path.stem)
def test_the_operators_pods_are_good_by_themselves(path: Path) -> None:
    """Nobody asks about them in the cluster; they are what `kubectl reaper convert` gives people to apply."""
    for body in yaml.safe_load_all(path.read_text()):
        if body and body["kind"] == "ReaperTask":
            of_task = task_body(**body["spec"])
            assert said(pod_for(ReaperTask.parse(of_task))) == []


def test_the_one_that_is_refused_first_is_known() -> None:
    """test_attributes.py labels its namespace for it."""
    assert said(pod("mapped", container("main", "true"), hostUsers=False, hostNetwork=False)) == ["RPR017"]
