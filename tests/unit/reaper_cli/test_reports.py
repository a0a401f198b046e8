"""The forms of a report: SARIF by the essentials of its schema, GitHub's commands, JSON, and text."""

from __future__ import annotations

import json
import re

import pytest

from reaper_api.ruleset.table import BY_ID, TABLE
from reaper_cli.linting import Report, Scope, lint
from reaper_cli.reports import as_github, as_json, as_sarif, as_text, explain

TEXT = """\
kind: Deployment
metadata: {name: web, namespace: apps}
spec:
  template:
    spec:
      runtimeClassName: reaper-v2
      hostname: w
      containers:
      - name: a
        image: "nginx:1%"
---
kind: ReaperTask
apiVersion: reaper.io/v1alpha1
metadata: {name: t}
spec: {command: [true], image: x}
"""
LEVELS = {"error", "warning", "note", "none"}


@pytest.fixture
def report() -> Report:
    found = Report()
    lint(TEXT, "some folder/app:1.yaml", Scope(), found)
    found.unreadable.append(("broken.yaml", "line 1, column 2: 100% wrong\nand more"))
    return found


def test_sarif_has_what_its_schema_demands(report: Report) -> None:
    """https://docs.oasis-open.org/sarif/sarif/v2.1.0: 3.13, 3.14, 3.19, 3.27, 3.49."""
    log = json.loads(json.dumps(as_sarif(report, "1.2.3")))
    assert log["version"] == "2.1.0"
    assert log["$schema"].endswith("sarif-2.1.0.json")
    (run,) = log["runs"]
    driver = run["tool"]["driver"]
    assert (driver["name"], driver["semanticVersion"]) == ("reaper-validate", "1.2.3")
    assert [rule["id"] for rule in driver["rules"]] == [rule.id for rule in TABLE]
    for rule in driver["rules"]:
        assert rule["defaultConfiguration"]["level"] in LEVELS
        assert rule["helpUri"].startswith("https://")
        assert rule["shortDescription"]["text"]
        assert rule["fullDescription"]["text"].endswith(".")
        assert re.fullmatch(r"\w+", rule["name"])
    assert len(run["results"]) == 5
    for result in run["results"]:
        assert driver["rules"][result["ruleIndex"]]["id"] == result["ruleId"]
        assert result["level"] in LEVELS
        assert result["message"]["text"]
        (location,) = result["locations"]
        physical = location["physicalLocation"]
        assert physical["artifactLocation"]["uri"] == "some%20folder/app%3A1.yaml"
        assert physical["region"]["startLine"] >= 1
        assert physical["region"]["startColumn"] >= 1
    assert {result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] for result in run["results"]} == {
        "Deployment/web",
        "ReaperTask/t",
    }


def test_sarif_says_that_a_file_was_not_read(report: Report) -> None:
    (invocation,) = as_sarif(report, "1")["runs"][0]["invocations"]
    assert invocation["executionSuccessful"] is False
    (notification,) = invocation["toolExecutionNotifications"]
    assert notification["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "broken.yaml"
    assert as_sarif(Report(), "1")["runs"][0]["invocations"][0]["executionSuccessful"] is True


@pytest.mark.parametrize(
    ("file", "uri"), [("-", "stdin"), ("./a.yaml", "a.yaml"), ("/a b.yaml", "file:///a%20b.yaml"), ("a/b.yaml",) * 2]
)
def test_sarif_names_files_by_uris(file: str, uri: str) -> None:
    found = Report()
    lint(TEXT, file, Scope(), found)
    results = as_sarif(found, "1")["runs"][0]["results"]
    assert {r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for r in results} == {uri}


def test_github_reads_commands(report: Report) -> None:
    lines = list(as_github(report))
    assert lines[0] == (
        "::notice file=some folder/app%3A1.yaml,line=7,col=7,title=RPR010 host name::Field 'hostname: w' will be "
        "ignored. Leave it out, or hand the name to the program in a variable."
    )
    (image,) = (line for line in lines if "RPR001" in line and line.startswith("::"))
    assert image.startswith("::warning file=some folder/app%3A1.yaml,line=10,col=9,title=RPR001 image::Field 'image: ")
    assert "nginx:1%25'" in image
    assert lines[-1] == "::error file=broken.yaml::line 1, column 2: 100%25 wrong%0Aand more"
    assert all("\n" not in line for line in lines)


def test_json_has_every_finding(report: Report) -> None:
    data = as_json(report)
    assert data["summary"] == {"errors": 3, "warnings": 1, "infos": 1}
    deployment, task = data["objects"]
    assert (deployment["kind"], deployment["name"], deployment["namespace"]) == ("Deployment", "web", "apps")
    assert (deployment["valid"], task["valid"]) == (False, False)
    assert {finding["rule"] for finding in deployment["findings"]} == {"RPR001", "RPR002", "RPR010"}
    fields = [finding["field"] for finding in deployment["findings"] if finding["rule"] == "RPR001"]
    assert fields == ["spec.template.spec.containers[0].image"]
    assert data["unreadable"] == [{"file": "broken.yaml", "message": "line 1, column 2: 100% wrong\nand more"}]


def test_advice_that_is_the_same_stands_once() -> None:
    found = Report()
    pod = TEXT.partition("---")[0].replace('image: "nginx:1%"', "resources: {limits: {cpu: 1, memory: 1}}")
    lint(pod, "a.yaml", Scope(ignore=frozenset({"RPR002", "RPR010"})), found)
    assert [line for line in as_text(found) if line.startswith("    ")] == [f"    {BY_ID['RPR006'].advice}"]


def test_an_explanation_has_the_cel_where_there_is_one() -> None:
    limits = BY_ID["RPR006"]
    assert limits.cel is not None
    assert "\n".join(explain(limits)).endswith(limits.cel.holds)
    assert "CEL" not in "\n".join(line for line in explain(BY_ID["RPR102"]))
