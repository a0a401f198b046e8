"""The operator's calls, and what a real API server answers to them."""

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from reaper_api.status import TaskStatus
from reaper_api.task import Metadata
from reaper_api.vocabulary import Phase
from reaper_operator import connection
from reaper_operator.cluster import ApiServer
from reaper_operator.errors import AlreadyExists, Conflict, Forbidden, Invalid
from reaper_operator.events import for_transition
from tests.integration.api import Api

PATIENCE = 20.0  # seconds until an admission policy is in force
POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
BINDINGS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
GATE = "reaper.io/recorded"

Body = dict[str, Any]


@pytest.fixture
def namespace(tasks: str) -> str:
    return tasks.split("/")[-2]


@pytest.fixture
def cluster(kubeconfig: str) -> ApiServer:
    return ApiServer(connection.load(kubeconfig, connections=2), timeout=10)


def pod(namespace: str, name: str, **container: Any) -> Body:
    metadata = {"name": name, "namespace": namespace, "labels": {"reaper.io/task": name}}
    containers = [{"name": "task", "image": "placeholder", **container}]
    return {"metadata": metadata, "spec": {"schedulingGates": [{"name": GATE}], "containers": containers}}


@pytest.fixture
def refusing_policy(api: Api, namespace: str) -> Iterator[None]:
    """A ValidatingAdmissionPolicy that gives no reason, as most do: it is 422 then, as an invalid Pod is."""
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    rule = {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["CREATE"], "resources": ["pods"]}
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": namespace},
        "spec": {
            "matchConstraints": {"resourceRules": [rule], "namespaceSelector": selector},
            "validations": [{"expression": "object.metadata.name != 'refused'", "message": "not here"}],
        },
    }
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": namespace},
        "spec": {"policyName": namespace, "validationActions": ["Deny"]},
    }
    api.apply(f"{POLICIES}/{namespace}", policy)
    api.apply(f"{BINDINGS}/{namespace}", binding)
    path = f"/api/v1/namespaces/{namespace}/pods"
    deadline = time.monotonic() + PATIENCE
    while api.request("POST", path, pod(namespace, "refused"), dryRun="All").status != 422:
        assert time.monotonic() < deadline
    yield
    for path in (BINDINGS, POLICIES):
        api.request("DELETE", f"{path}/{namespace}").ok()


@pytest.mark.usefixtures("refusing_policy")
async def test_a_refusal_by_a_policy_is_not_an_invalid_pod(cluster: ApiServer, namespace: str) -> None:
    with pytest.raises(Forbidden, match="not here"):
        await cluster.create_pod(pod(namespace, "refused"))


async def test_an_invalid_pod(cluster: ApiServer, namespace: str) -> None:
    with pytest.raises(Invalid, match=r"env\[0\]\.name"):
        await cluster.create_pod(pod(namespace, "invalid", env=[{"name": "A=B"}]))


async def test_the_life_of_a_gated_pod(cluster: ApiServer, namespace: str) -> None:
    created = await cluster.create_pod(pod(namespace, "gated"))
    uid = created["metadata"]["uid"]
    with pytest.raises(AlreadyExists):
        await cluster.create_pod(pod(namespace, "gated"))
    assert uid in [found["metadata"]["uid"] async for found in cluster.unfinished_pods()]
    with pytest.raises(Conflict):
        await cluster.remove_gate(namespace, "gated", "another", GATE)
    await cluster.remove_gate(namespace, "gated", uid, GATE)
    with pytest.raises(Conflict):
        await cluster.limit_pod(namespace, "gated", "another", 1)
    await cluster.limit_pod(namespace, "gated", uid, 1)
    free = await cluster.get_pod(namespace, "gated")
    assert free is not None
    assert "schedulingGates" not in free["spec"]
    assert free["spec"]["activeDeadlineSeconds"] == 1
    with pytest.raises(Conflict):
        await cluster.remove_pod(namespace, "gated", "another")
    await cluster.remove_pod(namespace, "gated", uid)


async def test_an_event_that_repeats_is_counted(cluster: ApiServer, api: Api, namespace: str) -> None:
    task = Metadata(name="flapping", namespace=namespace, uid="task-1")
    lost = TaskStatus(phase=Phase.UNKNOWN, message="node-1 is lost")
    for minute in range(3):
        when = datetime(2026, 11, 23, 12, minute, tzinfo=UTC)
        event = for_transition(task, TaskStatus(phase=Phase.RUNNING), lost, when)
        assert event is not None
        await cluster.create_event(event)
    about = "involvedObject.name=flapping"
    (found,) = api.request("GET", f"/api/v1/namespaces/{namespace}/events", fieldSelector=about).ok()["items"]
    assert (found["reason"], found["count"]) == ("Unknown", 3)
    assert (found["firstTimestamp"], found["lastTimestamp"]) == ("2026-11-23T12:00:00Z", "2026-11-23T12:02:00Z")
