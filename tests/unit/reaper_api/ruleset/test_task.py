"""The rules for ReaperTasks, on the tasks that an API server refuses, and on what people bring along from Pods."""

from __future__ import annotations

from typing import Any

import pytest

from reaper_api.ruleset.table import TASK_RULES, findings
from reaper_api.ruleset.task import OF_PODS, parsed
from reaper_api.ruleset.template import dotted
from reaper_api.task import TaskSpec
from tests.fakes.refusals import REFUSALS, task
from tests.fakes.specs import GOOD


def broken(body: dict[str, Any]) -> list[str]:
    return [found.rule.id for found in findings(body)]


def test_every_rule_is_broken_by_an_example() -> None:
    annotated = task({"command": ["true"]})
    annotated["metadata"]["annotations"] = {"reaper.runtime/cgroup": "pod"}
    examples = [
        *(bad.task for bad in REFUSALS),
        annotated,
        task({"command": ["true"]}, "No Name"),
        task({"command": ["true"]}) | {"apiVersion": "v1"},
        task({"command": ["true"]}) | {"metadata": {"name": "t", "labels": {"a": 1.0}}},
    ]
    assert {rule for body in examples for rule in broken(body)} == {rule.id for rule in TASK_RULES}


@pytest.mark.parametrize("spec", GOOD.values(), ids=GOOD)
def test_a_good_task_breaks_none(spec: dict[str, Any]) -> None:
    assert broken(task(spec)) == []


@pytest.mark.parametrize("field", OF_PODS)
def test_a_field_of_pods_has_its_own_advice(field: str) -> None:
    (found,) = findings(task({"command": ["true"], field: "x"}))
    assert found.violation.text == f"spec.{field} does not exist and would be dropped; {OF_PODS[field]}"


def test_no_field_of_a_task_is_said_to_be_of_pods() -> None:
    fields = {field.alias or name for name, field in TaskSpec.model_fields.items()}
    assert fields & set(OF_PODS) == set()


@pytest.mark.parametrize("spec", [None, 5, "x", [], ["a"], {"env": 5}, {"env": [5]}, {"command": {}}])
def test_a_spec_of_any_shape_gives_findings(spec: Any) -> None:
    assert broken({"kind": "ReaperTask", "spec": spec})


@pytest.mark.parametrize("path", [("spec",), ("spec", "env", 0, "name"), ("metadata", "annotations")])
def test_a_path_there_and_back(path: tuple[str | int, ...]) -> None:
    assert parsed(dotted(path)) == path
