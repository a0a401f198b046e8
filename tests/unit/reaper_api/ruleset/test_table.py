"""The table: each rule on the judged Pods, and what the table says of itself."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from reaper_api.ruleset.rule import Admission, Rule, Severity, Subject
from reaper_api.ruleset.table import BY_ID, POD_RULES, TABLE, TASK_RULES, findings, runtime_class
from reaper_api.task import ReaperTask
from reaper_api.translate import pod_for
from tests.fakes.judged import JUDGED, Judged
from tests.fakes.specs import GOOD

CHART = Path(__file__).parents[4] / "charts" / "reaper" / "templates"
EVERY_RULE = pytest.mark.parametrize("rule", TABLE, ids=lambda rule: rule.id)
# Kept by the API server before any policy is asked, or about what cannot be created.
WITHOUT_CEL = {"RPR029", "RPR030", "RPR031"}


@pytest.mark.parametrize("judged", JUDGED, ids=lambda judged: judged.id)
def test_the_verdict(judged: Judged) -> None:
    assert sorted({found.rule.id for found in findings(judged.body)}) == judged.rules


def test_there_are_enough_pods_and_each_has_a_name() -> None:
    assert len({judged.id for judged in JUDGED}) == len(JUDGED) >= 80


def test_every_rule_is_broken_by_a_pod_and_kept_by_another() -> None:
    broken = {rule for judged in JUDGED for rule in judged.rules}
    assert broken == {rule.id for rule in POD_RULES} - WITHOUT_CEL
    assert [judged for judged in JUDGED if not judged.rules]


@pytest.mark.parametrize("judged", [judged for judged in JUDGED if judged.rules], ids=lambda judged: judged.id)
def test_a_place_is_in_the_object_or_in_what_is_there(judged: Judged) -> None:
    for found in findings(judged.body):
        node: Any = judged.body
        *above, last = found.violation.path
        for part in above:
            node = node[part]
        if found.rule.id != "RPR002":
            node[last]


def test_ids_are_in_order_and_of_one_kind() -> None:
    ids = [rule.id for rule in TABLE]
    assert ids == sorted(set(ids))
    assert all(re.fullmatch(r"RPR(0|1)\d\d", rule.id) for rule in TABLE)
    assert {rule.id[3] for rule in TASK_RULES} == {"1"}
    assert list(BY_ID) == ids


@EVERY_RULE
def test_a_rule_says_what_to_do_in_whole_sentences(rule: Rule) -> None:
    assert rule.advice.endswith(".")
    assert not rule.message.endswith(".")
    assert '"' not in rule.message + rule.advice


@EVERY_RULE
def test_what_is_refused_or_warned_about_is_no_mere_remark(rule: Rule) -> None:
    assert (rule.severity is Severity.INFO) <= (rule.admission is Admission.NONE)


@EVERY_RULE
def test_a_rule_for_pods_is_a_validation_of_a_policy(rule: Rule) -> None:
    if rule.cel is None:
        assert rule.about is Subject.TASK or rule.id in WITHOUT_CEL
        with pytest.raises(ValueError, match=f"{rule.id} has no CEL"):
            rule.as_validation()
        return
    validation = rule.as_validation()
    assert validation["message"].startswith(f"{rule.id}: {rule.message}. ")
    assert "\n" not in "".join(validation.values())


@EVERY_RULE
def test_what_is_refused_or_warned_about_has_a_policy_that_does_it(rule: Rule) -> None:
    assert (rule.policy is not None) == (rule.cel is None and rule.admission is not Admission.NONE)
    if rule.policy is not None:
        text = (CHART / f"{rule.policy.removeprefix('reaper-')}.yaml").read_text()
        assert "kind: ValidatingAdmissionPolicy\n" in text
        assert f'printf "%s-{rule.policy.removeprefix("reaper-")}"' in text


@pytest.mark.parametrize("spec", GOOD.values(), ids=GOOD)
def test_the_operators_own_pods_break_no_rule(spec: dict[str, object]) -> None:
    metadata = {"name": "hello", "namespace": "default", "uid": "1"}
    pod = pod_for(ReaperTask.parse({"metadata": metadata, "spec": spec}))
    assert [found for found in findings(pod) if found.rule.severity is not Severity.INFO] == []


def test_a_kind_without_pods_is_not_looked_at() -> None:
    assert list(findings({"kind": "Service", "spec": {"hostUsers": False}})) == []
    assert runtime_class({"kind": "Service"}) is None
    assert runtime_class({"kind": ["Pod"]}) is None


def test_the_runtime_class_of_a_pod_and_of_a_template() -> None:
    assert runtime_class({"kind": "Pod"}) == ""
    assert runtime_class({"kind": "Pod", "spec": {"runtimeClassName": "reaper-v2"}}) == "reaper-v2"
    assert {runtime_class(judged.body) for judged in JUDGED} == {"reaper-v2"}
