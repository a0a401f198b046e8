"""Manifests against the table: which objects, in which places, and what comments pass over; and any YAML at all."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml.error import YAMLError

from reaper_cli.linting import Report, Scope, dotted, lint, printable
from tests.fakes.judged import JUDGED, Judged

POD = """\
apiVersion: v1
kind: Pod
metadata: {name: p}
spec:
  runtimeClassName: reaper-v2
  containers:
  - name: one
    image: busybox:1
    command: [/bin/true]
    resources:
      limits:
        cpu: 1
        memory: 1Gi
  - name: two
    image: busybox:1
    command: [/bin/true]
"""
EVERYTHING = Scope(everything=True)


def found(text: str, scope: Scope = EVERYTHING) -> list[str]:
    """Rule and line of each finding."""
    report = look(text, scope)
    return [f"{finding.rule.id}:{finding.line}" for verdict in report.verdicts for finding in verdict.findings]


def look(text: str, scope: Scope = EVERYTHING) -> Report:
    report = Report()
    lint(text, "f.yaml", scope, report)
    return report


def said(text: str) -> str:
    """How many objects there are, or what is wrong with the text."""
    try:
        return f"{len(look(text).verdicts)} objects"
    except YAMLError as error:
        return str(error)


def with_line(number: int, addition: str) -> str:
    """POD with something at the end of a line."""
    lines = POD.splitlines()
    lines[number - 1] += addition
    return "\n".join(lines)


@pytest.mark.parametrize("judged", JUDGED, ids=lambda judged: judged.id)
def test_the_verdict_on_a_manifest_is_that_on_the_object(judged: Judged) -> None:
    report = look(json.dumps(judged.body), Scope())
    (verdict,) = report.verdicts
    assert sorted({finding.rule.id for finding in verdict.findings}) == judged.rules
    assert (verdict.kind, verdict.name) == (judged.kind, "judged")


def test_without_comments() -> None:
    assert found(POD) == ["RPR001:8", "RPR006:12", "RPR006:13", "RPR001:15"]


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (with_line(8, "  # reaper: ignore=RPR001"), ["RPR006:12", "RPR006:13", "RPR001:15"]),
        (with_line(8, "  # reaper: ignore=RPR006"), ["RPR001:8", "RPR006:12", "RPR006:13", "RPR001:15"]),
        (with_line(12, " # reaper: ignore=RPR006, RPR001 it is known"), ["RPR001:8", "RPR006:13", "RPR001:15"]),
        (with_line(10, "  #reaper:ignore=RPR006"), ["RPR001:8", "RPR001:15"]),
        (with_line(7, "  # reaper: ignore=RPR001,RPR006"), ["RPR001:15"]),
        (with_line(6, "  # reaper: ignore=RPR001"), ["RPR006:12", "RPR006:13"]),
        (f"# reaper: ignore=RPR001\n# and more\n\n{POD}", ["RPR006:15", "RPR006:16"]),
        (f"---\n# reaper: ignore=RPR001\n---\n{POD}", ["RPR006:15", "RPR006:16"]),
        (with_line(13, "\n  # reaper: ignore=RPR001"), ["RPR001:8", "RPR006:12", "RPR006:13"]),
        (f"# reaper: ignore=RPR001\n---\n{POD}", ["RPR006:14", "RPR006:15"]),
        (with_line(8, "  # reaper: ignore=rpr001"), ["RPR006:12", "RPR006:13", "RPR001:15"]),
        (f"{POD}---\n{POD}# reaper: ignore=RPR001\n", None),
    ],
)
def test_a_comment_passes_over_its_line_and_what_is_below_it(text: str, left: list[str] | None) -> None:
    twice = ["RPR001:8", "RPR006:12", "RPR006:13", "RPR001:15", "RPR001:25", "RPR006:29", "RPR006:30", "RPR001:32"]
    assert found(text) == (twice if left is None else left)


def test_a_comment_at_the_end_of_a_document_says_nothing_of_the_next() -> None:
    assert found(f"{POD}# reaper: ignore=RPR001\n---\n{POD}").count("RPR001:26") == 1
    assert found(f"{POD}---\n# reaper: ignore=RPR001\n---\n{POD}").count("RPR001:27") == 0


@pytest.mark.parametrize("kind", ["Reapertask", "reapertask", "ReaperTasks", "Task", "Pod", 5])
def test_a_misspelled_kind_is_said(kind: object) -> None:
    body = {"apiVersion": "reaper.io/v1alpha1", "kind": kind, "metadata": {"name": "t"}, "spec": {"command": ["true"]}}
    (verdict,) = look(json.dumps(body), Scope()).verdicts
    (finding,) = verdict.findings
    assert finding.rule.id == "RPR101"
    assert finding.text == f"there is no kind {kind} in reaper.io: write kind: ReaperTask"


@pytest.mark.parametrize("key", ["runtimeClass", "runtimeclassname", "runtime"])
def test_a_pod_whose_runtime_class_is_misspelled_is_looked_at(key: str) -> None:
    """It would run in a container, and nobody would be told."""
    (verdict,) = look(POD.replace("runtimeClassName", key), Scope()).verdicts
    assert f"spec.{key} does not exist and would be dropped" in [finding.text for finding in verdict.findings]


def test_a_pod_with_the_name_of_the_runtime_class_somewhere_else_is_another_runtimes() -> None:
    report = look(POD.replace("runtimeClassName", "hostname"), Scope())
    assert (report.verdicts, report.others) == ([], 1)


def test_an_empty_list_of_tasks_is_nothing_to_look_at() -> None:
    assert look("apiVersion: reaper.io/v1alpha1\nkind: ReaperTaskList\nitems: []\n", Scope()).verdicts == []
    assert look("apiVersion: reaper.io/v1alpha1\nkind: ReaperTaskList\n", Scope()).verdicts == []


def test_a_kind_of_the_same_name_in_another_api_has_no_pods() -> None:
    report = look("apiVersion: batch.volcano.sh/v1alpha1\nkind: Job\nspec: {tasks: []}\n", EVERYTHING)
    assert (report.verdicts, report.others) == ([], 0)
    assert len(look(POD).verdicts) == 1


def test_what_is_passed_over_is_counted() -> None:
    (verdict,) = look(with_line(6, "  # reaper: ignore=RPR001")).verdicts
    assert verdict.passed_over == 2
    assert verdict.refused_by == ()


def test_a_comment_with_an_unknown_rule_is_remarked_on() -> None:
    assert look(with_line(8, " # reaper: ignore=RPR01")).remarks == ["f.yaml:8: there is no rule RPR01 to ignore"]


def test_a_value_from_a_merge_key_has_the_place_of_the_mapping_it_is_merged_into() -> None:
    text = (
        "kind: Pod\nx: &x {image: 'nginx:1', command: [/bin/true]}\nspec:\n  containers:\n  - <<: *x\n    name: one\n"
        "  - *x\n"
    )
    assert found(text) == ["RPR031:2", "RPR001:2", "RPR001:5"]


def test_lists_and_streams() -> None:
    assert found(f"kind: List\nitems:\n- {json.dumps(JUDGED[5].body)}\n---\n{POD}")[:2] == ["RPR001:3", "RPR005:3"]


def test_other_objects_are_counted_only_where_they_have_pods() -> None:
    report = look(f"kind: Service\n---\n{POD.replace('reaper-v2', 'kata')}---\n- 1\n---\nhello\n---\n", Scope())
    assert (report.verdicts, report.others) == ([], 1)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        (("spec", "containers", 0, "image"), "spec.containers[0].image"),
        (("metadata", "annotations", "a.b/c"), "metadata.annotations['a.b/c']"),
        ((), ""),
    ],
)
def test_a_path_as_text(path: tuple[str | int, ...], text: str) -> None:
    assert dotted(path) == text


def test_what_a_terminal_would_obey_is_not_printed() -> None:
    assert printable("\x1b[31mred\ud800\n") == "\ufffd[31mred\ufffd\ufffd"


@pytest.mark.parametrize(
    "text",
    [
        "&a [*a]",
        "kind: List\nitems: &a\n- {kind: List, items: *a}\n",
        "[" * 5000,
        "? [a, {b: c}]\n: d",
        "!!int x",
        "!!timestamp x",
        "!!python/object:os.system {}",
        "!!set {a: 1}",
        "<<: 1",
        "a: 1\na: 2",
        "\x00",
        "*nowhere",
        "0b",
        "kind: !x Pod",
        "kind: Pod\nspec: &s {containers: [*s]}",
        "kind: ReaperTask\nspec: &s {command: [*s], env: *s}",
        'kind: "\\uD800"',
    ],
)
def test_strange_yaml_gives_findings_or_a_sentence(text: str) -> None:
    assert said(text)


SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8)
KINDS = ["Pod", "Deployment", "CronJob", "List", "ReaperTask"]
WORDS = st.sampled_from(
    [
        "reaper-v2",
        "kind",
        "spec",
        "metadata",
        "containers",
        "initContainers",
        "template",
        "jobTemplate",
        "items",
        "command",
        "image",
        "env",
        "name",
        "annotations",
        "securityContext",
        "resources",
        "limits",
        "volumeMounts",
        "ports",
        "livenessProbe",
        "httpGet",
        "reaper.runtime/network",
        "hostNetwork",
        "dnsConfig",
        "volumes",
        "runtimeClassName",
        "imagePullPolicy",
        "lifecycle",
        "preStop",
        "claims",
        "seLinuxOptions",
        "sysctls",
        "user",
        "envFrom",
        "affinity",
        "tolerations",
    ]
)
VALUES = st.recursive(
    SCALARS | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS | st.text(max_size=4), inner, max_size=5),
    max_leaves=25,
)


@given(kind=st.sampled_from(KINDS), body=VALUES, spec=VALUES, meta=VALUES)
@settings(max_examples=300)
def test_any_object_gives_findings(kind: str, body: Any, spec: Any, meta: Any) -> None:
    whole = {**(body if isinstance(body, dict) else {}), "kind": kind, "spec": spec, "metadata": meta}
    report = look(json.dumps(whole))
    for verdict in report.verdicts:
        for finding in verdict.findings:
            assert finding.text.isprintable()
            assert finding.line >= 1
            assert finding.column >= 1


@given(text=st.text(alphabet="ab:-?[]{}&*!|>'\"#%@,\n \t0.~<\\", max_size=40) | st.text(max_size=30))
@settings(max_examples=300)
def test_any_text_gives_a_report_or_a_sentence(text: str) -> None:
    assert said(text)
