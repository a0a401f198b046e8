"""RPR031: fields that Pods and workloads do not have. That a real API server says the same is tests/integration's."""

from __future__ import annotations

from typing import Any

import pytest

from reaper_api.ruleset.pod_fields import FIELDS
from reaper_api.ruleset.schema import fields_of
from reaper_api.ruleset.table import findings
from reaper_api.ruleset.template import WORKLOADS
from tests.fakes.misspelt import MISSPELT, Misspelt


def unknown(body: dict[str, Any]) -> list[tuple[str, str]]:
    """The sentences of RPR031, each with what to do."""
    return [(each.violation.text, each.violation.advice) for each in findings(body) if each.rule.id == "RPR031"]


@pytest.mark.parametrize("misspelt", MISSPELT, ids=lambda misspelt: misspelt.id)
def test_what_does_not_exist_is_named_and_what_was_meant(misspelt: Misspelt) -> None:
    text = f"{misspelt.field} does not exist and would be dropped"
    assert unknown(misspelt.body) == [(text, misspelt.advice)]


def test_a_place_is_that_of_the_key() -> None:
    body = {"kind": "Pod", "spec": {"containers": [{"name": "c"}, {"env": [{"nam": "A"}]}]}}
    (found,) = (each for each in findings(body) if each.rule.id == "RPR031")
    assert found.violation.path == ("spec", "containers", 1, "env", 0, "nam")


@pytest.mark.parametrize(
    "spec",
    [
        {"nodeSelector": {"any.thing/at-all": "x"}},
        {"overhead": {"cpu": "1"}, "containers": [{"resources": {"limits": {"example.com/gpu": 1}}}]},
        {"volumes": [{"csi": {"driver": "d", "volumeAttributes": {"mine": "x"}}}]},
        {"containers": 5, "volumes": ["a", None], "securityContext": []},
    ],
)
def test_keys_of_ones_own_are_no_fields_and_wrong_shapes_have_none(spec: dict[str, Any]) -> None:
    assert unknown({"kind": "Pod", "spec": spec}) == []


def test_what_the_cluster_writes_is_not_looked_at() -> None:
    entry = {"manager": "kubectl", "fieldsV1": {"f:spec": {"f:newer": {}}}}
    assert unknown({"kind": "Pod", "metadata": {"managedFields": [entry]}, "status": {"newer": 1}}) == []


def test_every_type_that_is_named_is_there() -> None:
    assert FIELDS.keys() >= WORKLOADS.keys()
    assert {inner for kind in FIELDS for inner in fields_of(kind).values() if inner} <= FIELDS.keys()
