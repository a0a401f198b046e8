"""crd.py: the CRD is what the models say, structural, and the file in crds/ is it."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from reaper_api.crd import crd, to_yaml
from reaper_api.status import TaskStatus
from reaper_api.vocabulary import Reason

FILE = Path(__file__).parents[3] / "crds" / "reapertask.yaml"
VERSION: dict[str, Any] = crd()["spec"]["versions"][0]
SCHEMA: dict[str, Any] = VERSION["schema"]["openAPIV3Schema"]


def nodes(schema: dict[str, Any], path: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every schema node below `schema`, with its path."""
    yield path, schema
    for name, child in schema.get("properties", {}).items():
        yield from nodes(child, f"{path}.{name}")
    for keyword in ("items", "additionalProperties"):
        if isinstance(schema.get(keyword), dict):
            yield from nodes(schema[keyword], f"{path}[]")


def test_the_file_is_up_to_date() -> None:
    assert FILE.read_text() == to_yaml(), "run: make generate"


def test_the_yaml_says_what_the_models_say() -> None:
    assert yaml.safe_load(to_yaml()) == crd()


@pytest.mark.parametrize(
    "keyword",
    [
        "$ref",
        "$defs",
        "anyOf",
        "allOf",
        "oneOf",
        "const",
        "title",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "prefixItems",
        "uniqueItems",
    ],
)
def test_nothing_that_a_structural_schema_may_not_say(keyword: str) -> None:
    assert [path for path, node in nodes(SCHEMA) if keyword in node] == []


def test_every_node_has_one_type_and_every_field_a_description() -> None:
    for path, node in nodes(SCHEMA):
        assert isinstance(node["type"], str), path
        if "properties" in node:
            assert "additionalProperties" not in node, path
            for name, child in node["properties"].items():
                if path or name in {"spec", "status"}:
                    assert child.get("description"), f"{path}.{name}"


def test_descriptions_are_sentences_without_line_breaks() -> None:
    for path, node in nodes(SCHEMA):
        text = node.get("description", "")
        assert "\n" not in text, path
        assert not text or text.endswith("."), path


def test_everything_has_a_bound_so_that_rules_stay_cheap() -> None:
    for path, node in nodes(SCHEMA):
        if path == ".metadata" or path in {".apiVersion", ".kind"}:
            continue
        match node["type"]:
            case "array":
                assert "maxItems" in node, path
            case "string":
                assert {"maxLength", "enum", "format"} & set(node), path
            case "object" if "additionalProperties" in node:
                assert "maxProperties" in node, path


def test_defaults_are_in_the_schema() -> None:
    spec = SCHEMA["properties"]["spec"]["properties"]
    assert {name: field["default"] for name, field in spec.items() if "default" in field} == {
        "suspend": False,
        "backoffLimit": 0,
        "restartPolicy": "Never",
        "terminal": False,
        "stdin": False,
        "stdout": True,
        "stderr": True,
        "terminationGracePeriodSeconds": 30,
    }


def test_a_status_that_nobody_wrote_says_so() -> None:
    """The API server fills it in: nobody else is there."""
    default = SCHEMA["properties"]["status"]["default"]
    assert TaskStatus.model_validate(default).reason == Reason.NOT_SEEN
    assert "no operator has looked at this task yet" in default["message"]


def test_a_toleration_has_no_default_of_its_own() -> None:
    assert "default" not in SCHEMA["properties"]["spec"]["properties"]["env"]


def test_columns() -> None:
    columns = VERSION["additionalPrinterColumns"]
    assert [column["name"] for column in columns if not column.get("priority")] == ["Phase", "Exit", "Node", "Age"]
    assert [column["name"] for column in columns if column.get("priority")] == ["Pod", "Attempts", "PID", "Reason"]


def test_columns_and_selectable_fields_name_fields_that_exist() -> None:
    paths = {path for path, _ in nodes(SCHEMA)}
    named = [column["jsonPath"] for column in VERSION["additionalPrinterColumns"]]
    named += [field["jsonPath"] for field in VERSION["selectableFields"]]
    assert {path for path in named if not path.startswith(".metadata")} <= paths


def test_names() -> None:
    names = crd()["spec"]["names"]
    assert (names["plural"], names["shortNames"], names["categories"]) == ("reapertasks", ["rt"], ["reaper"])


def test_every_rule_has_a_message_that_a_person_can_act_on() -> None:
    rules = [rule for _, node in nodes(SCHEMA) for rule in node.get("x-kubernetes-validations", [])]
    assert len(rules) >= 13
    for rule in rules:
        assert len(rule["message"]) > 30
        assert not rule["message"].endswith(".")
