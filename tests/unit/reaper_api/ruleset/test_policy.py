"""The policies as manifests. That an API server takes them, and what they do: tests/integration/test_rules.py."""

from __future__ import annotations

from reaper_api.ruleset.policy import NAMESPACES, manifests, pod_spec
from reaper_api.ruleset.rule import Admission
from reaper_api.ruleset.table import TABLE
from reaper_api.ruleset.template import WORKLOADS


def test_each_policy_has_its_binding() -> None:
    bodies = manifests("mine", Admission.WARN)
    for policy, binding in zip(bodies[::2], bodies[1::2], strict=True):
        assert (policy["kind"], binding["kind"]) == ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding")
        assert policy["metadata"] == binding["metadata"]
        assert binding["spec"] == {
            "policyName": policy["metadata"]["name"],
            "validationActions": ["Warn"],
            "matchResources": {"namespaceSelector": NAMESPACES},
        }


def test_only_what_the_table_refuses_is_refused() -> None:
    bindings = [body["spec"] for body in manifests()[1::2]]
    assert [each["validationActions"] for each in bindings] == [["Deny"], ["Warn"], ["Warn"]]


def test_every_rule_that_has_cel_and_an_answer_is_in_one_policy() -> None:
    validations = [each for body in manifests()[::2] for each in body["spec"]["validations"]]
    ids = [each["message"][:6] for each in validations]
    assert sorted(ids) == [r.id for r in TABLE if r.cel is not None and r.admission is not Admission.NONE]


def test_every_workload_is_matched() -> None:
    matched = {
        name for rule in pod_spec(Admission.DENY)["matchConstraints"]["resourceRules"] for name in rule["resources"]
    }
    assert matched == {workload.resource for workload in WORKLOADS.values()}
