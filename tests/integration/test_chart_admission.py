"""The policies of the chart, as they are rendered. What they refuse: test_access.py, test_rule_policies.py."""

from __future__ import annotations

import re

import pytest
import yaml

from reaper_api import vocabulary as v
from tests.integration.charts import Object, render, rights


def policies(objects: dict[tuple[str, str], Object]) -> set[str]:
    """Those of who may run host processes."""
    return {name for kind, name in objects if kind == "ValidatingAdmissionPolicy" and "-access-" in name}


def test_who_may_run_host_processes_is_asked_unless_somebody_switches_it_off() -> None:
    off = render("admission.access.enabled=false")

    assert len(policies(render())) == 8
    assert policies(off) == set()
    assert policies(render("admission.access.exec=false")) == policies(render()) - {"reaper-access-exec"}
    assert ("ClusterRoleBinding", "reaper-host-processes-controllers") not in off
    assert ("ClusterRole", "reaper-host-processes") in off  # who has bound it need not know


@pytest.mark.parametrize(("action", "actions"), [("Deny", ["Deny"]), ("Warn", ["Warn", "Audit"]), ("Audit", ["Audit"])])
def test_an_introduction_may_begin_with_warnings(action: str, actions: list[str]) -> None:
    objects = render(f"admission.access.action={action}")

    for name in policies(objects):
        assert objects["ValidatingAdmissionPolicyBinding", name]["spec"] == {
            "policyName": name,
            "validationActions": actions,
        }


@pytest.mark.parametrize(("action", "changed"), [("Deny", True), ("Warn", False), ("Audit", False)])
def test_and_an_introduction_changes_no_pod(action: str, *, changed: bool) -> None:
    """Nor is one refused because the change failed: its failurePolicy is Fail. And none is asked for the change."""
    has = ["admissionregistration.k8s.io/v1/MutatingAdmissionPolicy"]
    objects = render(f"admission.access.action={action}", has=has)
    kinds = {kind for kind, name in objects if kind.startswith("Mutating") and name == "reaper-access-pods"}
    validations = objects["ValidatingAdmissionPolicy", "reaper-access-pods"]["spec"]["validations"]
    (asked,) = [each["expression"] for each in validations if "allowPrivilegeEscalation" in each["expression"]]

    assert kinds == ({"MutatingAdmissionPolicy", "MutatingAdmissionPolicyBinding"} if changed else set())
    assert ("request.kind.kind == 'Pod'" in asked) is changed


def test_the_clusters_own_roles_get_tasks_but_not_host_processes() -> None:
    def aggregated(*settings: str) -> dict[str, set[tuple[str, str, str]]]:
        into: dict[str, set[tuple[str, str, str]]] = {}
        for (kind, _), item in render(*settings).items():
            for label in item["metadata"].get("labels", {}) if kind == "ClusterRole" else ():
                if "aggregate-to-" in label:
                    into.setdefault(label.rpartition("-")[2], set()).update(rights(item))
        return into

    view = {("reaper.io", "reapertasks", verb) for verb in ("get", "list", "watch")}
    edit = {("reaper.io", "reapertasks", verb) for verb in ("create", "update", "patch", "delete", "deletecollection")}
    assert aggregated() == {"view": view, "edit": edit, "admin": edit}
    # To make a task is to run a process, where nobody asks for more.
    assert aggregated("admission.access.enabled=false") == aggregated("admission.access.action=Warn") == {"view": view}
    objects = render()
    assert rights(objects["ClusterRole", "reaper-host-processes"]) == {("reaper.io", v.RESOURCE_ACCESS, v.VERB_USE)}
    assert rights(objects["ClusterRole", "reaper-open-namespaces"]) == {("reaper.io", v.RESOURCE_ACCESS, v.VERB_ALLOW)}


def test_the_policies_speak_the_vocabulary() -> None:
    objects = render()
    names = policies(objects)
    text = yaml.safe_dump_all(item for (_, name), item in objects.items() if name in names)

    assert {v.LABEL_ALLOW, v.ANNOTATION_UIDS, v.ANNOTATION_GIDS} <= set(re.findall(r"reaper\.io/\w+", text))
    assert f"'{v.RUNTIME_CLASS}'" in text
    assert f"'{v.RUNTIME_PREFIX}/'" in text


def test_policies_match_nothing_but_what_is_ours() -> None:
    """Each has a condition, or a selector of namespaces that have our label; none is in the way of a deletion."""
    objects = render()

    for name in policies(objects):
        spec = objects["ValidatingAdmissionPolicy", name]["spec"]
        constraints = spec["matchConstraints"]
        assert spec.get("matchConditions") or constraints["namespaceSelector"] == {
            "matchExpressions": [{"key": v.LABEL_ALLOW, "operator": "Exists"}]
        }
        assert "paramKind" not in spec  # nothing that could be missing
        for rule in constraints["resourceRules"]:
            assert not {"*", "DELETE"} & {*rule["apiGroups"], *rule["operations"], *rule["resources"]}


@pytest.mark.parametrize(
    ("apis", "version"),
    [((), None), (("v1alpha1",), "v1alpha1"), (("v1alpha1", "v1beta1"), "v1beta1"), (("v1beta1", "v1"), "v1")],
)
def test_defaults_for_pods_where_the_cluster_can(apis: tuple[str, ...], version: str | None) -> None:
    group = "admissionregistration.k8s.io"
    objects = render(has=[f"{group}/{each}/MutatingAdmissionPolicy" for each in apis])
    found = {item["apiVersion"] for (kind, _), item in objects.items() if kind.startswith("MutatingAdmissionPolicy")}

    assert found == ({f"{group}/{version}"} if version else set())


def test_defaults_can_be_left_out() -> None:
    has = ["admissionregistration.k8s.io/v1/MutatingAdmissionPolicy"]
    name = ("MutatingAdmissionPolicy", "reaper-defaults")

    assert name in render(has=has)
    assert name not in render("admission.defaults.enabled=false", has=has)
