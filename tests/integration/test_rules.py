"""The rules' CEL, as policies on a real API server, against their Python: the same verdict on every judged object."""

from __future__ import annotations

import copy
import json
import random
import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from reaper_api.ruleset import cel, policy
from reaper_api.ruleset.rule import Admission
from reaper_api.ruleset.table import BY_ID, POD_RULES, TASK_RULES, findings
from reaper_api.ruleset.template import WORKLOADS
from tests.fakes.judged import JUDGED, Judged
from tests.fakes.refusals import task
from tests.integration import planes
from tests.integration.api import MERGE, Answer, Api

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reaper_api.ruleset.rule import Rule

pytestmark = pytest.mark.timeout(180)

ADMISSION = "/apis/admissionregistration.k8s.io/v1"
PATIENCE = 60.0  # seconds until a policy is in force
RULES = [rule for rule in POD_RULES if rule.cel is not None]
TASKS = "/apis/reaper.io/v1alpha1/namespaces/default/reapertasks"


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Api]:
    """An API server with one policy a kind, that warns about each rule."""
    with planes.running(tmp_path_factory.mktemp("plane"), {}) as plane:
        api = Api(str(plane.kubeconfig()))
        runtime_class = {"metadata": {"name": "reaper-v2"}, "handler": "reaper-v2"}
        api.request("POST", "/apis/node.k8s.io/v1/runtimeclasses", runtime_class).ok()
        for kind in WORKLOADS:
            _put_in_force(api, kind)
        _serve_tasks(api)
        planes.until_pods_may_be_in(api, "default")
        for kind in WORKLOADS:
            bad = next(j for j in JUDGED if j.kind == kind and j.rules)
            _until(lambda bad=bad: _judge(_create(api, bad.body)) == bad.rules)
        yield api


def _put_in_force(api: Api, kind: str) -> None:
    workload = WORKLOADS[kind]
    matched = {"apiGroups": [workload.group], "apiVersions": [workload.version], "resources": [workload.resource]}
    more = {
        "matchConditions": [{"name": "class", "expression": cel.match_condition(kind)}],
        "variables": cel.variables(kind),
    }
    _policy(api, f"rules-{kind.lower()}", matched, RULES, more)


def _policy(api: Api, name: str, matched: dict[str, Any], rules: list[Rule], more: dict[str, Any]) -> None:
    """A policy that warns."""
    spec = {
        "failurePolicy": "Fail",
        "matchConstraints": {"resourceRules": [{**matched, "operations": ["CREATE"]}]},
        "validations": [rule.as_validation() for rule in rules],
        **more,
    }
    binding = {"policyName": name, "validationActions": ["Warn"]}
    for resource, body in (("validatingadmissionpolicies", spec), ("validatingadmissionpolicybindings", binding)):
        api.request("POST", f"{ADMISSION}/{resource}", {"metadata": {"name": name}, "spec": body}).ok()


def _serve_tasks(api: Api) -> None:
    planes.install_crd(api)
    matched = {"apiGroups": ["reaper.io"], "apiVersions": ["v1alpha1"], "resources": ["reapertasks"]}
    _policy(api, "rules-task", matched, [rule for rule in TASK_RULES if rule.cel is not None], {})
    _until(lambda: _judge(api.request("POST", TASKS, BAD_TASK, dryRun="All")) == ["RPR104"])


def _until(predicate: Any) -> None:
    deadline = time.monotonic() + PATIENCE
    while not predicate():
        assert time.monotonic() < deadline, "the API server is not as it was asked to be"
        time.sleep(0.2)


def _create(api: Api, body: dict[str, Any]) -> Answer:
    workload = WORKLOADS[body["kind"]]
    root = f"/apis/{workload.group}" if workload.group else "/api"
    path = f"{root}/{workload.version}/namespaces/default/{workload.resource}"
    return api.request("POST", path, body, dryRun="All", fieldValidation="Strict")


def _judge(answer: Answer) -> list[str]:
    """The ids of the rules that a policy has warned about."""
    return sorted({found for text in answer.warnings for found in re.findall(r"': (RPR\d{3}): ", text)})


@pytest.mark.parametrize("judged", JUDGED, ids=lambda judged: judged.id)
def test_the_policy_and_the_linter_agree(api: Api, judged: Judged) -> None:
    answer = _create(api, judged.body)
    assert answer.status == (422 if judged.refused else 201), answer.message
    assert _judge(answer) == judged.rules


@pytest.mark.parametrize("judged", [judged for judged in JUDGED if judged.rules], ids=lambda judged: judged.id)
def test_the_policy_speaks_with_the_linters_words(api: Api, judged: Judged) -> None:
    warnings = json.dumps(_create(api, judged.body).warnings, ensure_ascii=False)
    for found in findings(judged.body):
        if found.rule.cel is not None and found.rule.cel.says is not None and found.rule.id != "RPR001":
            assert f"{found.rule.id}: " in warnings
            assert found.violation.text in warnings, found.rule.id


def test_the_plans_text_names_the_binary(api: Api) -> None:
    judged = next(judged for judged in JUDGED if judged.id == "an image with a tag")
    (warning,) = _create(api, judged.body).warnings
    assert warning.endswith(
        "RPR001: Reaper runtime does not use container images. Set 'image: placeholder' or leave it empty. "
        "The binary at '/bin/true' must exist on the host."
    )


@pytest.mark.parametrize("kind", WORKLOADS)
def test_the_expressions_fit_the_types(api: Api, kind: str) -> None:
    """The API server checks them against the schemas of what they are about, and reports in the status."""
    path = f"{ADMISSION}/validatingadmissionpolicies/rules-{kind.lower()}"
    _until(lambda: "typeChecking" in api.request("GET", path).ok().get("status", {}))
    assert api.request("GET", path).ok()["status"]["typeChecking"] == {}


@pytest.mark.parametrize("kind", WORKLOADS)
def test_other_runtimes_are_left_alone(api: Api, kind: str) -> None:
    judged = next(judged for judged in JUDGED if judged.kind == kind and judged.rules)
    body = json.loads(json.dumps(judged.body).replace('"runtimeClassName": "reaper-v2", ', ""))
    assert _judge(_create(api, body)) == []


BAD_TASK = task({"command": ["true"]})
BAD_TASK["metadata"]["annotations"] = {"reaper.runtime/dns-mode": "host", "example.com/mine": "x"}


@pytest.mark.parametrize("body", [BAD_TASK, task({"command": ["true"]})], ids=["an annotation", "none"])
def test_the_policy_and_the_linter_agree_on_a_task(api: Api, body: dict[str, Any]) -> None:
    answer = api.request("POST", TASKS, body, dryRun="All")
    answer.ok()
    assert _judge(answer) == [found.rule.id for found in findings(body)]


def _both(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """A Pod with the containers, the spec and the annotations of two."""
    pod = copy.deepcopy(one)
    second = copy.deepcopy(other)
    pod["metadata"]["annotations"] |= second["metadata"]["annotations"]
    (container,) = second["spec"].pop("containers")
    pod["spec"]["containers"].append({**container, "name": "other"})
    pod["spec"] |= second["spec"]
    return pod


def test_they_agree_on_pods_of_two_others(api: Api) -> None:
    """As many as there is time for, chosen by chance, but always the same."""
    pods = [judged.body for judged in JUDGED if judged.kind == "Pod"]
    chance = random.Random(6)  # noqa: S311 - no secret
    taken = 0
    for _ in range(300):
        one, other = chance.sample(pods, 2)
        pod = _both(one, other)
        answer = _create(api, pod)
        if answer.status == 201:  # some make no sense together, such as two ports with one number
            taken += 1
            ours = [text for text in answer.warnings if "'rules-pod'" in text]
            assert _judge(replace(answer, warnings=tuple(ours))) == sorted({f.rule.id for f in findings(pod)}), pod
    assert taken > 200


@pytest.fixture(scope="module")
def guarded(api: Api) -> Api:
    """The same API server, with the policies as they are shipped: they refuse."""
    for body in policy.manifests():
        binding = body["kind"].endswith("Binding")
        resource = "validatingadmissionpolicybindings" if binding else "validatingadmissionpolicies"
        api.request("POST", f"{ADMISSION}/{resource}", body).ok()
    bad = next(judged for judged in JUDGED if judged.id == "the plan's mistake")

    def in_force() -> bool:
        answer = _create(api, bad.body)
        return answer.status == 422 and "reaper-rules-warned" in "".join(answer.warnings)

    _until(in_force)
    return api


@pytest.mark.parametrize("judged", [j for j in JUDGED if not j.refused], ids=lambda judged: judged.id)
def test_what_is_shipped_refuses_and_warns(guarded: Api, judged: Judged) -> None:
    answer = _create(guarded, judged.body)
    refused = [name for name in judged.rules if BY_ID[name].admission is Admission.DENY]
    assert answer.status == (422 if refused else 201), answer.message
    if refused:
        assert "reaper-rules-refused" in answer.message
        assert f": {refused[0]}: " in answer.message
    warned = {name for name in judged.rules if BY_ID[name].admission is Admission.WARN}
    shipped = {found for text in answer.warnings for found in re.findall(r"'reaper-rules-warned': (RPR\d{3}): ", text)}
    assert shipped == warned


def test_a_workload_that_was_there_can_be_scaled_but_not_made_worse(api: Api, guarded: Api) -> None:
    judged = next(judged for judged in JUDGED if judged.id == "an annotation of its Pods")
    path = "/apis/apps/v1/namespaces/default/deployments"
    api.request("POST", path, judged.body).ok()
    bad = {"template": {"spec": {"hostUsers": False}}}
    answer = api.request("PATCH", f"{path}/judged", {"spec": bad}, content_type=MERGE)
    assert answer.status == 422
    assert "RPR017: A host process has the node's users" in answer.message
    api.request("PATCH", f"{path}/judged", {"spec": {"replicas": 2}}, content_type=MERGE).ok()
