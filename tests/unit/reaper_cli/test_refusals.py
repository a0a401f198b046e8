"""reaper-validate finds what the API server refuses, and says what our own rules say in their words."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from reaper_api.crd import crd
from reaper_api.ruleset.table import findings as judge
from reaper_cli.linting import Report, Scope, lint
from tests.fakes.refusals import REFUSALS, Refusal
from tests.fakes.specs import GOOD

if TYPE_CHECKING:
    from collections.abc import Iterator


def rules(node: Any) -> Iterator[str]:
    """The message of each CEL rule of the CRD."""
    if isinstance(node, dict):
        yield from (rule["message"] for rule in node.get("x-kubernetes-validations", []))
        for child in node.values():
            yield from rules(child)
    elif isinstance(node, list):
        for child in node:
            yield from rules(child)


RULES = set(rules(crd()))
VALUE = re.compile(r""": Invalid value: (?:(?:"(?:[^"\\]|\\.)*"|-?\d+): )?""")  # what comes before the sentence


def findings(task: dict[str, Any]) -> list[str]:
    report = Report()
    lint(json.dumps(task), "task.yaml", Scope(), report)
    (verdict,) = report.verdicts
    assert len(verdict.findings) == len(list(judge(task)))
    return sorted(finding.text for finding in verdict.findings)


@pytest.mark.parametrize("bad", REFUSALS, ids=lambda bad: bad.id)
def test_what_the_api_server_refuses(bad: Refusal) -> None:
    assert findings(bad.task) == sorted(bad.validate)


@pytest.mark.parametrize("bad", REFUSALS, ids=lambda bad: bad.id)
def test_a_rule_says_the_same_to_everybody(bad: Refusal) -> None:
    for line in bad.answer:
        path, *rest = VALUE.split(line, maxsplit=1)
        sentence = "".join(rest)
        too_short = any(other.startswith(f"{path}: must not be empty") for other in bad.validate)
        assert sentence not in RULES or too_short or f"{path}: {sentence}" in bad.validate


def test_every_rule_about_a_spec_is_broken_by_an_example() -> None:
    broken = {VALUE.split(line, maxsplit=1)[-1] for bad in REFUSALS for line in bad.answer}
    spec = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    assert {rule for rule in set(rules(spec)) - broken if "cannot be changed" not in rule} == set()


@pytest.mark.parametrize("spec", GOOD.values(), ids=GOOD)
def test_what_it_takes(spec: dict[str, Any]) -> None:
    task = {"apiVersion": "reaper.io/v1alpha1", "kind": "ReaperTask", "metadata": {"name": "hello"}, "spec": spec}
    assert findings(task) == []
