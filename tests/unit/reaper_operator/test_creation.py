"""creation.py: one Pod for each attempt, and nobody else's."""

from typing import Any

import pytest

from reaper_operator.creation import pod_of_attempt
from reaper_operator.errors import AlreadyExists, Stalled, Waiting
from reaper_operator.key import Key
from tests.fakes.cluster import FakeCluster, no_fault, pod_body


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


async def test_it_is_made_once_and_then_found(cluster: FakeCluster) -> None:
    key = cluster.add_task()
    made = await pod_of_attempt(cluster, key, cluster.tasks[key], 2)
    assert made["metadata"]["name"] == "hello-2"
    assert (await pod_of_attempt(cluster, key, cluster.tasks[key], 2))["metadata"]["uid"] == made["metadata"]["uid"]
    assert cluster.writes == ["create_pod"]


async def test_a_pod_that_goes_while_it_is_looked_for(cluster: FakeCluster) -> None:
    key = cluster.add_task()
    await pod_of_attempt(cluster, key, cluster.tasks[key], 1)

    def fault(call: str, done: bool) -> None:  # noqa: FBT001 - see Fault
        if call == "get_pod":
            cluster.delete_pod(key, force=True)

    cluster.fault = fault
    with pytest.raises(AlreadyExists):
        await pod_of_attempt(cluster, key, cluster.tasks[key], 1)
    cluster.fault = no_fault
    await pod_of_attempt(cluster, key, cluster.tasks[key], 1)


async def test_whose_it_is(cluster: FakeCluster) -> None:
    key = cluster.add_task()
    await pod_of_attempt(cluster, key, cluster.tasks[key], 1)
    cluster.add_task()  # of the same name, with another UID
    with pytest.raises(Waiting, match="belongs to an earlier task of this name"):
        await pod_of_attempt(cluster, key, cluster.tasks[key], 1)
    cluster.pods[Key("default", "hello-2")] = pod_body(name="hello-2")
    with pytest.raises(Stalled, match="Pod hello-2 does not belong to this task"):
        await pod_of_attempt(cluster, key, cluster.tasks[key], 2)


@pytest.mark.parametrize(
    ("metadata", "spec"),
    [
        pytest.param({}, {"schedulingGates": []}, id="may have run"),
        pytest.param({}, {"schedulingGates": [{"name": "example.com/mine"}]}, id="another gate"),
        pytest.param({}, {"runtimeClassName": None}, id="may be made without the right to host processes"),
        pytest.param({"labels": {"reaper.io/task": "hello", "reaper.io/attempt": "1"}}, {}, id="another attempt"),
        pytest.param({"labels": None}, {}, id="no labels"),
    ],
)
async def test_an_owner_reference_proves_nothing(
    cluster: FakeCluster, metadata: dict[str, Any], spec: dict[str, Any]
) -> None:
    key = cluster.add_task()
    pod = await pod_of_attempt(cluster, key, cluster.tasks[key], 2)
    forged = {**pod, "metadata": pod["metadata"] | metadata, "spec": pod["spec"] | spec}
    cluster.pods[Key("default", "hello-2")] = forged
    with pytest.raises(Stalled, match="Pod hello-2 names this task as its owner, but the operator did not") as stalled:
        await pod_of_attempt(cluster, key, cluster.tasks[key], 2)
    assert stalled.value.reason == "PodNameTaken"
