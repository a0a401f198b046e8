"""verdict.py: what the webhooks say. The same against a real API server: tests/integration/test_webhooks.py."""

import copy
import re
from typing import Any

import pytest

from reaper_api.ruleset.rule import Admission
from reaper_api.ruleset.table import BY_ID
from reaper_api.ruleset.template import WORKLOADS, get
from reaper_operator.webhooks.verdict import Verdict, defaulted, filled, judge
from tests.fakes.judged import JUDGED, Judged


def ids(sentences: list[str]) -> set[str]:
    return {found for text in sentences for found in re.findall(r"^(RPR\d{3}): ", text)}


@pytest.mark.parametrize("judged", JUDGED, ids=lambda judged: judged.id)
def test_a_verdict_is_the_tables(judged: Judged) -> None:
    refused = {name for name in judged.rules if BY_ID[name].admission is Admission.DENY}
    warned = {name for name in judged.rules if BY_ID[name].admission is Admission.WARN}
    verdict = judge(judged.body, Admission.DENY)
    assert (ids(verdict.refused), ids(verdict.warned)) == (refused, warned)
    verdict = judge(judged.body, Admission.WARN)
    assert (verdict.refused, ids(verdict.warned)) == ([], refused | warned)


def test_other_kinds_are_none_of_our_business() -> None:
    assert judge({"kind": "Secret"}, Admission.DENY) == Verdict([], [])


@pytest.mark.parametrize("kind", ["Pod", "Deployment", "CronJob"])
def test_nobody_is_blamed_for_what_will_be_filled_in(kind: str) -> None:
    found = next(j for j in JUDGED if j.kind == kind)
    workload = WORKLOADS[kind]
    body = copy.deepcopy(found.body)
    spec = get(body, *workload.template, "spec")
    spec["containers"] = [
        {"name": "main", "image": "placeholder", "imagePullPolicy": "Always", "command": ["/bin/true"]}
    ]
    assert ids(judge(body, Admission.DENY).warned) == {"RPR005"}
    before = copy.deepcopy(body)
    assert judge(defaulted(body), Admission.DENY) == Verdict([], [])
    assert body == before
    spec["containers"][0]["image"] = "busybox"
    assert ids(judge(defaulted(body), Admission.DENY).warned) == {"RPR005"}


def test_only_what_has_pods_is_filled_in() -> None:
    task = {"kind": "ReaperTask", "spec": {"command": ["x"]}}
    assert defaulted(task) == task


def test_what_needs_no_filling_stays() -> None:
    container = {"image": "busybox", "imagePullPolicy": "Always"}
    assert filled({"containers": [container], "initContainers": [container]}, {}) == {}
    full: dict[str, Any] = {"containers": [{"image": "placeholder", "imagePullPolicy": "IfNotPresent"}]}
    assert filled({**full, "hostNetwork": True}, {"reaper.runtime/network": "host"}) == {}


def test_only_what_is_open_is_filled_in() -> None:
    spec = {"containers": [{"name": "a", "command": ["x"]}, {"name": "b", "image": "busybox"}]}
    assert filled(spec, {"reaper.runtime/network": "Host"}) == {
        "containers": [
            {"name": "a", "command": ["x"], "image": "placeholder", "imagePullPolicy": "IfNotPresent"},
            {"name": "b", "image": "busybox"},
        ],
        "hostNetwork": True,
    }
