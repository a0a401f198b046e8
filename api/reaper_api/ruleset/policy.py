"""The rules as ValidatingAdmissionPolicies, which the chart makes its own of.

Two policies for Pods and workloads, of what is refused and of what is warned about, and one for ReaperTasks. An object
that a rule trips over is let pass (failurePolicy Ignore): they are advice, and no fence. So a namespace can do without.
"""

from collections.abc import Iterator
from typing import Any

from reaper_api import vocabulary as v
from reaper_api.ruleset import cel
from reaper_api.ruleset.rule import Admission, Rule
from reaper_api.ruleset.table import POD_RULES, TASK_RULES
from reaper_api.ruleset.template import WORKLOADS

API_VERSION = "admissionregistration.k8s.io/v1"
# The namespaces in which they speak.
NAMESPACES = {"matchExpressions": [{"key": v.LABEL_RULES, "operator": "NotIn", "values": [v.NO_RULES]}]}
Object = dict[str, Any]


def pod_spec(admission: Admission) -> Object:
    """The spec of the policy with the rules of one kind of answer, for Pods and everything that has a template."""
    rules = [rule for rule in POD_RULES if rule.admission is admission and rule.cel is not None]
    pods = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    return {
        "failurePolicy": "Ignore",
        "matchConstraints": {"resourceRules": [pods, *_workloads()]},
        # One condition, so that of what is not ours no more than a name is looked at. Whoever scales a workload that is
        # there already need not mend it first.
        "matchConditions": [
            {
                "name": "of-the-runtime-and-new-or-changed",
                "expression": f"{cel.match_condition()} && "
                f"(oldObject == null || {cel.template_of('object')} != {cel.template_of('oldObject')})",
            }
        ],
        "variables": cel.variables(),
        "validations": [rule.as_validation() for rule in rules],
    }


def _workloads() -> Iterator[Object]:
    groups: dict[tuple[str, str], list[str]] = {}
    for workload in WORKLOADS.values():
        if workload.template:
            groups.setdefault((workload.group, workload.version), []).append(workload.resource)
    for (group, version), resources in groups.items():
        operations = ["CREATE", "UPDATE"]
        yield {"apiGroups": [group], "apiVersions": [version], "operations": operations, "resources": resources}


def task_spec() -> Object:
    """The spec of the policy for ReaperTasks."""
    rules: list[Rule] = [rule for rule in TASK_RULES if rule.cel is not None]
    tasks = {"apiGroups": [v.GROUP], "apiVersions": [v.VERSION], "operations": ["CREATE"], "resources": [v.PLURAL]}
    return {
        "failurePolicy": "Ignore",
        "matchConstraints": {"resourceRules": [tasks]},
        "validations": [rule.as_validation() for rule in rules],
    }


def specs() -> dict[str, Object]:
    """The specs of all policies, by what becomes of what they find."""
    return {"refused": pod_spec(Admission.DENY), "warned": pod_spec(Admission.WARN), "tasks": task_spec()}


def manifests(prefix: str = "reaper-rules", action: Admission = Admission.DENY) -> list[Object]:
    """All policies with their bindings. `action`: what becomes of what the table refuses, Deny or Warn."""
    return [
        each
        for name, spec in specs().items()
        for each in _pair(f"{prefix}-{name}", spec, action if name == "refused" else Admission.WARN)
    ]


def _pair(name: str, spec: Object, action: Admission) -> tuple[Object, Object]:
    head = {"apiVersion": API_VERSION, "metadata": {"name": name}}
    binding = {
        "policyName": name,
        "validationActions": [str(action)],
        "matchResources": {"namespaceSelector": NAMESPACES},
    }
    return (
        {**head, "kind": "ValidatingAdmissionPolicy", "spec": spec},
        {**head, "kind": "ValidatingAdmissionPolicyBinding", "spec": binding},
    )
