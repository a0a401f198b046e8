"""RPR030: what hides a Pod from the other rules, and what is no text."""

from __future__ import annotations

from typing import Any

import pytest

from reaper_api.ruleset.metadata import NOT_TEXT
from reaper_api.ruleset.table import findings


def said(container: dict[str, Any]) -> list[str]:
    whole = {"name": "c", "image": "placeholder", "imagePullPolicy": "Never", "command": ["/bin/true"], **container}
    body = {"kind": "Pod", "metadata": {"name": "p"}, "spec": {"containers": [whole]}}
    return [f"{found.rule.id}: {found.violation.text}" for found in findings(body)]


@pytest.mark.parametrize(
    "container",
    [
        {"args": ["5", ""], "env": [{"name": "A", "value": "5"}, {"name": "B"}, {"name": "C", "value": None}]},
        {"env": None, "args": None},
    ],
)
def test_words_and_variables_that_are_text(container: dict[str, Any]) -> None:
    assert said(container) == []


@pytest.mark.parametrize(
    ("container", "sentence"),
    [
        ({"env": [{"name": "A", "value": 5}]}, f"env[0].value must be text, not 5. {NOT_TEXT}"),
        ({"env": [{"name": True, "value": "5"}]}, f"env[0].name must be text, not true. {NOT_TEXT}"),
        ({"env": [{"name": "A", "value": {}}]}, "env[0].value must be text, not {}"),
        ({"env": ["A"]}, "env[0] must be a mapping, not A"),
        ({"command": ["/bin/true", 5]}, f"command[1] must be text, not 5. {NOT_TEXT}"),
        ({"args": ["a", False]}, f"args[1] must be text, not false. {NOT_TEXT}"),
    ],
)
def test_words_and_variables_that_are_not(container: dict[str, Any], sentence: str) -> None:
    assert said(container) == [f"RPR030: {sentence}"]
