"""What a real API server makes of the CRD: it takes it as structural, and refuses bad tasks in words that help."""

import time
from typing import Any

import pytest

from tests.fakes.specs import BAD, GOOD, Bad
from tests.integration.api import MERGE, Answer, Api

PATIENCE = 10.0  # seconds for a write that an operator at work may make us repeat

Body = dict[str, Any]


def task(spec: Body, name: str = "hello") -> Body:
    return {"apiVersion": "reaper.io/v1alpha1", "kind": "ReaperTask", "metadata": {"name": name}, "spec": spec}


def create(api: Api, tasks: str, body: Body) -> Answer:
    """As `kubectl create --dry-run=server` asks, strictly."""
    return api.request("POST", tasks, body, dryRun="All", fieldValidation="Strict")


def test_the_crd_is_established_and_structural(crd: Body) -> None:
    conditions = {condition["type"]: condition["status"] for condition in crd["status"]["conditions"]}
    assert conditions["NamesAccepted"] == conditions["Established"] == "True"
    assert conditions.get("NonStructuralSchema", "False") == "False"
    assert conditions.get("KubernetesAPIApprovalPolicyConformant", "True") == "True"


@pytest.mark.parametrize("spec", GOOD.values(), ids=GOOD)
def test_good_specs_are_taken(api: Api, tasks: str, spec: Body) -> None:
    created = create(api, tasks, task(spec)).ok()
    assert created["spec"]["restartPolicy"] == spec.get("restartPolicy", "Never")
    assert created["spec"]["stdout"] is spec.get("stdout", True)


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: bad.id)
def test_bad_specs_are_refused_with_a_message_that_helps(api: Api, tasks: str, bad: Bad) -> None:
    answer = create(api, tasks, task(bad.spec))
    assert answer.status in {400, 422}, answer.body
    assert bad.message in answer.message


def test_there_are_enough_bad_examples() -> None:
    assert len({bad.id for bad in BAD}) == len(BAD) >= 20


def test_the_longest_name_is_taken(api: Api, tasks: str) -> None:
    create(api, tasks, task(GOOD["least"], name="a" * 253)).ok()


def test_the_spec_cannot_be_changed(api: Api, tasks: str) -> None:
    api.request("POST", tasks, task(GOOD["least"], "immutable")).ok()
    change = {"spec": {"command": ["/bin/false"]}}
    answer = api.request("PATCH", f"{tasks}/immutable", change, content_type=MERGE)
    assert answer.status == 422
    assert "spec cannot be changed: delete the task and create it anew" in answer.message
    labels = {"metadata": {"labels": {"mine": "yes"}}}
    api.request("PATCH", f"{tasks}/immutable", labels, content_type=MERGE).ok()


def test_the_status_keeps_its_word(api: Api, tasks: str) -> None:
    """podUID is written once, and a finished task stays finished; whether or not an operator is at work here too."""
    path = f"{tasks}/finished"
    api.request("POST", tasks, task(GOOD["least"], "finished")).ok()

    def write(status: Body) -> Answer:
        return api.request("PATCH", f"{path}/status", {"status": status}, content_type=MERGE)

    write({"podUID": "first"})  # refused if an operator was faster
    recorded = api.request("GET", path).ok()["status"]["podUID"]
    for other in ("other", None):
        answer = write({"podUID": other})
        assert answer.status == 422
        assert "status.podUID is recorded once, so that a task never runs twice" in answer.message
    deadline = time.monotonic() + PATIENCE
    while api.request("GET", path).ok()["status"].get("phase") not in {"Succeeded", "Failed"}:
        assert time.monotonic() < deadline
        write({"phase": "Succeeded"})
    phase = api.request("GET", path).ok()["status"]["phase"]
    for other in ("Running", "Unknown", None):
        answer = write({"phase": other})
        assert answer.status == 422
        assert "a finished task never changes its phase" in answer.message
    status = api.request("GET", path).ok()["status"]
    assert (status["podUID"], status["phase"]) == (recorded, phase)


def test_a_status_of_another_kind_is_refused(api: Api, tasks: str) -> None:
    api.request("POST", tasks, task(GOOD["least"], "phases")).ok()
    answer = api.request("PATCH", f"{tasks}/phases/status", {"status": {"phase": "Done"}}, content_type=MERGE)
    assert 'supported values: "Pending", "Running", "Succeeded", "Failed", "Unknown"' in answer.message


def test_tasks_can_be_selected_by_field(api: Api, tasks: str) -> None:
    api.request("POST", tasks, task({"command": ["true"], "nodeName": "nowhere"}, "pinned")).ok()
    found = api.request("GET", tasks, fieldSelector="spec.nodeName=nowhere").ok()["items"]
    assert [item["metadata"]["name"] for item in found] == ["pinned"]
    for selector in ("status.phase!=Succeeded,status.phase!=Failed", "status.nodeName=node-1"):
        api.request("GET", tasks, fieldSelector=selector).ok()


def test_names_and_columns(crd: Body) -> None:
    assert crd["status"]["acceptedNames"]["shortNames"] == ["rt"]
    assert crd["status"]["acceptedNames"]["categories"] == ["reaper"]
