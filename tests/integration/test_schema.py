"""What a real API server makes of the CRD: it takes it as structural, and good tasks. Bad ones: test_refusals.py."""

import time
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from reaper_api.task import ReaperTask
from reaper_api.translate import pod_for
from tests.fakes.refusals import task
from tests.fakes.specs import GOOD
from tests.fakes.strategies import specs
from tests.integration.api import MERGE, Answer, Api

PATIENCE = 10.0  # seconds for a write that an operator at work may make us repeat

SERVICE_ACCOUNT = {"apiVersion": "v1", "kind": "ServiceAccount"}

Body = dict[str, Any]


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


@pytest.mark.parametrize("spec", GOOD.values(), ids=GOOD)
def test_pods_of_good_specs_are_taken(api: Api, tasks: str, spec: Body) -> None:
    namespace = f"/api/v1/namespaces/{tasks.split('/')[-2]}"
    if "serviceAccountName" in spec:
        account = {"metadata": {"name": spec["serviceAccountName"]}}
        api.apply(f"{namespace}/serviceaccounts/{spec['serviceAccountName']}", account | SERVICE_ACCOUNT)
    created = create(api, tasks, task(spec)).ok()
    pod = pod_for(ReaperTask.parse(created))
    del pod["spec"]["runtimeClassName"]  # which may not be there
    api.request("POST", f"{namespace}/pods", pod, dryRun="All").ok()


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(spec=specs)
def test_what_the_models_take_the_api_server_takes_and_its_pod_too(api: Api, tasks: str, spec: Body) -> None:
    created = create(api, tasks, task(spec)).ok()
    namespace = tasks.split("/")[-2]
    read = ReaperTask.parse(created | {"metadata": {"name": "hello", "namespace": namespace, "uid": "u"}})
    pod = pod_for(read)
    del pod["spec"]["runtimeClassName"]  # which may not be there
    pod["metadata"]["ownerReferences"] = []
    api.request("POST", f"/api/v1/namespaces/{namespace}/pods", pod, dryRun="All", fieldValidation="Strict").ok()


def test_the_longest_name_is_taken(api: Api, tasks: str) -> None:
    create(api, tasks, task(GOOD["least"], name="a" * 253)).ok()


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
        assert "status.podUID is recorded once for each attempt, so that none runs twice" in answer.message
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
    assert 'supported values: "Pending", "Running", "Suspended", "Succeeded", "Failed", "Unknown"' in answer.message


def test_tasks_can_be_selected_by_field(api: Api, tasks: str) -> None:
    api.request("POST", tasks, task({"command": ["true"], "nodeName": "nowhere"}, "pinned")).ok()
    found = api.request("GET", tasks, fieldSelector="spec.nodeName=nowhere").ok()["items"]
    assert [item["metadata"]["name"] for item in found] == ["pinned"]
    for selector in ("status.phase!=Succeeded,status.phase!=Failed", "status.nodeName=node-1"):
        api.request("GET", tasks, fieldSelector=selector).ok()


def test_names_and_columns(crd: Body) -> None:
    assert crd["status"]["acceptedNames"]["shortNames"] == ["rt"]
    assert crd["status"]["acceptedNames"]["categories"] == ["reaper"]
