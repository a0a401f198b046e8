"""The table of the fields of Pods and workloads, against a real API server: it has all that the API server has, and
both name the same fields as unknown."""

import re
from typing import Any

import pytest

from reaper_api.ruleset.schema import fields_of
from reaper_api.ruleset.table import findings
from reaper_api.ruleset.template import WORKLOADS
from tests.fakes.judged import JUDGED, Judged
from tests.fakes.misspelt import MISSPELT, Misspelt
from tests.integration.api import Answer, Api

Body = dict[str, Any]


def root(kind: str) -> str:
    """Where the API server has the kind's group and version."""
    workload = WORKLOADS[kind]
    return f"apis/{workload.group}/{workload.version}" if workload.group else f"api/{workload.version}"


def create(api: Api, body: Body) -> Answer:
    path = f"/{root(body['kind'])}/namespaces/default/{WORKLOADS[body['kind']].resource}"
    return api.request("POST", path, body, dryRun="All", fieldValidation="Strict")


def linted(body: Body) -> list[str]:
    """The fields that the linter says do not exist."""
    texts = (found.violation.text for found in findings(body) if found.rule.id == "RPR031")
    return [text.removesuffix(" does not exist and would be dropped") for text in texts]


@pytest.mark.parametrize("misspelt", MISSPELT, ids=lambda misspelt: misspelt.id)
def test_the_api_server_names_the_same_field(api: Api, misspelt: Misspelt) -> None:
    answer = create(api, misspelt.body)
    assert answer.status == 400, answer.message
    assert re.findall(r'unknown field "([^"]*)"', answer.message) == linted(misspelt.body) == [misspelt.field]


@pytest.mark.parametrize("judged", JUDGED, ids=lambda judged: judged.id)
def test_neither_finds_one_where_there_is_none(api: Api, judged: Judged) -> None:
    assert "unknown field" not in create(api, judged.body).message
    assert linted(judged.body) == []


@pytest.mark.parametrize("kind", WORKLOADS)
def test_every_field_that_the_api_server_has_is_in_the_table(api: Api, kind: str) -> None:
    schemas = api.request("GET", f"/openapi/v3/{root(kind)}").ok()["components"]["schemas"]
    missing: list[str] = []
    seen: set[str] = set()

    def compare(name: str, ours: str) -> None:
        if ours in seen:
            return
        seen.add(ours)
        fields = fields_of(ours)
        for field, schema in schemas[name].get("properties", {}).items():
            below = re.search(r"#/components/schemas/([\w.-]+)", str(schema))
            if field not in fields:
                missing.append(f"{ours}.{field}")
            elif below and fields[field]:
                compare(below[1], fields[field])

    compare(f"io.k8s.api.{WORKLOADS[kind].group or 'core'}.{WORKLOADS[kind].version}.{kind}", kind)
    assert missing == []
    assert {"Container", "Volume", "ObjectMeta"} <= seen
