"""reconcile.py: tasks whose Pod cannot be made, and what they say."""

import pytest

from reaper_operator.errors import Invalid, Unavailable, Waiting
from tests.fakes.cluster import forbid, no_fault, pod_body
from tests.fakes.world import World

pytestmark = pytest.mark.timeout(20)


@pytest.fixture
def world() -> World:
    return World()


async def test_the_name_taken_by_a_stranger(world: World) -> None:
    key = world.cluster.add_task()
    world.cluster.pods[key] = pod_body("Running", uid="foreign")
    await world.reconcile(key)
    stalled = world.condition(key, "Stalled")
    assert stalled is not None
    assert stalled["reason"] == "PodNameTaken"
    assert "delete that Pod" in stalled["message"]
    assert world.cluster.status(key)["phase"] == "Pending"
    world.cluster.writes.clear()
    await world.reconcile(key)
    assert world.cluster.writes == []

    world.cluster.delete_pod(key, force=True)
    await world.reconcile(key)
    assert world.condition(key, "Stalled") is None
    assert world.cluster.status(key)["podUID"] == world.cluster.pods[key]["metadata"]["uid"]


async def test_the_name_taken_by_an_earlier_task_of_the_same_name(world: World) -> None:
    key = world.cluster.add_task()
    await world.reconcile(key)
    world.cluster.add_task()  # deleted and created anew: another UID, and the Pod is still there
    with pytest.raises(Waiting, match="earlier task of this name"):
        await world.reconcile(key)
    assert "podUID" not in world.cluster.status(key)
    world.cluster.delete_pod(key)
    await world.reconcile(key)
    assert world.cluster.status(key)["phase"] == "Pending"
    assert "reason" not in world.cluster.status(key)


async def test_a_spec_that_got_past_the_schema_stalls(world: World) -> None:
    key = world.cluster.add_task(command=["bin/relative"], user={"uid": 1})
    await world.reconcile(key)
    stalled = world.condition(key, "Stalled")
    assert stalled is not None
    assert stalled["reason"] == "InvalidSpec"
    assert "spec.user.gid: Required value" in stalled["message"]
    assert world.cluster.pods == {}


async def test_a_refused_pod_waits_and_says_why(world: World) -> None:
    key = world.cluster.add_task()
    world.cluster.fault = forbid("create_pod", "exceeded quota: pods")
    with pytest.raises(Waiting):
        await world.reconcile(key)
    status = world.cluster.status(key)
    assert (status["phase"], status["reason"]) == ("Pending", "PodRefused")
    assert status["message"].endswith("exceeded quota: pods; kubectl describe quota -n default")
    assert world.condition(key, "Stalled") is None


async def test_an_invalid_pod_is_asked_for_at_each_look_and_written_about_once(world: World) -> None:
    key = world.cluster.add_task()
    asked = []

    def fault(call: str, done: bool) -> None:  # noqa: FBT001 - see Fault
        if call == "create_pod":
            asked.append(call)
            raise Invalid(422, "spec.containers[0]: Invalid value")

    world.cluster.fault = fault
    for _ in range(3):
        await world.reconcile(key)
    assert len(asked) == 3
    stalled = world.condition(key, "Stalled")
    assert stalled is not None
    assert stalled["message"] == "the API server calls the task's Pod invalid: spec.containers[0]: Invalid value"
    assert world.cluster.writes.count("patch_status") == 1
    world.cluster.fault = no_fault
    await world.reconcile(key)
    assert world.condition(key, "Stalled") is None
    assert "create_pod" in world.cluster.writes


async def test_an_api_server_that_cannot_create_the_pod_is_in_the_status(world: World) -> None:
    key = world.cluster.add_task()

    def fault(call: str, done: bool) -> None:  # noqa: FBT001 - see Fault
        if call == "create_pod" and not done:
            raise Unavailable(500, "failed calling webhook", retry_after=7)

    world.cluster.fault = fault
    with pytest.raises(Waiting) as end:
        await world.reconcile(key)
    assert end.value.retry_after == 7
    status = world.cluster.status(key)
    assert (status["phase"], status["reason"]) == ("Pending", "PodNotCreated")
    assert status["message"].endswith("asked again: failed calling webhook")
    world.cluster.fault = no_fault
    await world.reconcile(key)
    assert "reason" not in world.cluster.status(key)
