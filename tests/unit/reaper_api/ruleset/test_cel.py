"""The variables of a policy, and what rules are written with. Whether the CEL is right is for an API server to say:
tests/integration/test_rules.py."""

from __future__ import annotations

import re

import pytest

from reaper_api.ruleset import cel
from reaper_api.ruleset.table import POD_RULES
from reaper_api.ruleset.template import WORKLOADS


def test_the_variables_of_a_pod_and_of_a_template() -> None:
    assert {each["name"]: each["expression"] for each in cel.variables("Pod")}["spec"] == "object.spec"
    cron = {each["name"]: each["expression"] for each in cel.variables("CronJob")}
    assert cron["spec"] == "object.spec.jobTemplate.spec.template.spec"
    assert cron["annotations"] == "object.spec.jobTemplate.spec.template.?metadata.?annotations.orValue({})"
    with pytest.raises(KeyError):
        cel.variables("Service")


@pytest.mark.parametrize("kind", WORKLOADS)
def test_rules_stand_on_these_variables_only(kind: str) -> None:
    names = {each["name"] for each in cel.variables(kind)}
    for rule in POD_RULES:
        if rule.cel is not None:
            assert set(re.findall(r"variables\.(\w+)", f"{rule.cel.holds} {rule.cel.says}")) <= names


def test_the_condition_names_the_runtime_class() -> None:
    assert cel.match_condition("Pod") == "object.?spec.?runtimeClassName.orValue('') == 'reaper-v2'"
