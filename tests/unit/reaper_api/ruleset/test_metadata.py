"""Labels and annotations, of tasks, Pods and templates."""

from __future__ import annotations

from typing import Any

import pytest

from reaper_api.ruleset.metadata import NOT_TEXT, pairs
from reaper_api.ruleset.table import findings

BAD_VALUE = (
    "a label's value has up to 63 letters, digits, '-', '_' and '.' and begins and ends with a letter or a digit"
)


def said(metadata: Any) -> list[tuple[Any, str]]:
    return [(found.path[1:], found.text) for found in pairs(metadata, ("metadata",))]


@pytest.mark.parametrize(
    "metadata",
    [
        None,
        "x",
        {},
        {"labels": None, "annotations": {}},
        {"labels": {"app": "x", "example.com/app": "1.0", "empty": "", "nothing": None, 1: "kubectl-makes-text-of-1"}},
        {"annotations": {"example.com/note": "any text: with spaces!", "Example.com/UPPER": "x" * 70}},
    ],
)
def test_what_the_api_server_takes(metadata: Any) -> None:
    assert said(metadata) == []


@pytest.mark.parametrize(
    ("field", "key", "value", "sentence"),
    [
        ("labels", "version", 1.0, f"labels: version must be text. {NOT_TEXT}"),
        ("annotations", "b", True, f"annotations: b must be text. {NOT_TEXT}"),
        ("labels", "a", [], "labels: a must be text"),
        ("labels", "a", "has space", f"labels: a cannot be 'has space': {BAD_VALUE}"),
        ("labels", "a", "x" * 64, f"labels: a cannot be '{'x' * 64}': {BAD_VALUE}"),
        ("labels", True, "x", "labels: true is no text: put quotes around it"),
        ("annotations", None, "x", "annotations: null is no text: put quotes around it"),
    ],
)
def test_what_it_refuses(field: str, key: Any, value: Any, sentence: str) -> None:
    assert said({field: {key: value}}) == [((field, key), sentence)]


@pytest.mark.parametrize("key", ["bad key!", "a/b/c", "/a", "x" * 64])
def test_a_key_that_is_none(key: str) -> None:
    ((place, text),) = said({"annotations": {key: "x"}})
    assert place == ("annotations", key)
    assert text.startswith(f"annotations: {key} is no key: write NAME or PREFIX/NAME; ")


def test_what_is_no_mapping() -> None:
    assert said({"labels": ["a"]}) == [(("labels",), "labels must be a mapping")]


def test_the_place_is_that_of_the_object_or_of_its_template() -> None:
    wrong = {"labels": {"a": 1}}
    task = {"apiVersion": "reaper.io/v1alpha1", "kind": "ReaperTask", "spec": {"command": ["true"]}}
    pods = {"metadata": wrong, "spec": {"containers": [{"name": "c", "command": ["/bin/true"]}]}}
    deployment = {"kind": "Deployment", "metadata": wrong, "spec": {"template": pods}}
    bodies: list[dict[str, Any]] = [{**task, "metadata": {"name": "t", **wrong}}, {"kind": "Pod", **pods}, deployment]
    found = [(each.rule.id, each.violation.path) for body in bodies for each in findings(body)]
    assert [each for each in found if each[1][-1:] == ("a",)] == [
        ("RPR107", ("metadata", "labels", "a")),
        ("RPR030", ("metadata", "labels", "a")),
        ("RPR030", ("metadata", "labels", "a")),
        ("RPR030", ("spec", "template", "metadata", "labels", "a")),
    ]
