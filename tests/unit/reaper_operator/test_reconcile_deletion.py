"""reconcile.py: what becomes of a task that is deleted, and of the finalizer of one that is over."""

import pytest

from reaper_operator.errors import Forbidden, Unavailable
from tests.fakes.cluster import forbid, no_fault
from tests.fakes.world import World

pytestmark = pytest.mark.timeout(20)


@pytest.fixture
def world() -> World:
    return World()


async def test_a_task_that_is_being_deleted_is_not_started(world: World) -> None:
    key = world.cluster.add_task()
    world.cluster.tasks[key]["metadata"]["deletionTimestamp"] = "2026-11-23T12:00:00Z"
    await world.reconcile(key)
    assert world.cluster.writes == []


async def test_the_gate_stays_on_the_pod_of_a_task_that_is_being_deleted(world: World) -> None:
    key = world.cluster.add_task()

    def deleted_meanwhile(call: str, done: bool) -> None:  # noqa: FBT001 - see Fault
        if call == "remove_gate":
            raise Unavailable(0, "the operator's last call")

    world.cluster.fault = deleted_meanwhile
    with pytest.raises(Unavailable):
        await world.reconcile(key)
    world.cluster.fault = no_fault
    world.cluster.tasks[key]["metadata"]["deletionTimestamp"] = "2026-11-23T12:00:00Z"
    await world.reconcile(key)
    assert not world.cluster.start(key)


async def test_a_deleted_task_is_gone_when_its_process_is_gone(world: World) -> None:
    key = await world.running()
    world.cluster.events.clear()
    world.cluster.delete(key)
    await world.reconcile(key)
    status = world.cluster.status(key)
    assert (status["phase"], status["reason"]) == ("Running", "Stopping")
    assert status["message"] == "the task was deleted: it goes when Pod hello is gone"
    assert "deletionTimestamp" in world.cluster.pods[key]["metadata"]
    world.cluster.writes.clear()
    await world.reconcile(key)
    assert world.cluster.writes == []
    world.cluster.tick()
    await world.reconcile(key)
    assert world.cluster.tasks == {}
    assert world.cluster.events == []


async def test_a_deleted_task_leaves_no_pod_that_takes_its_name(world: World) -> None:
    """The process is over, and nobody has written that down yet."""
    key = await world.running()
    world.cluster.end(key, 0)
    world.cluster.delete(key)
    await world.reconcile(key)
    assert world.cluster.pods == {}
    await world.reconcile(key)
    assert world.cluster.tasks == {}


async def test_finalizers_of_others_stay(world: World) -> None:
    key = world.cluster.add_task()
    world.cluster.tasks[key]["metadata"]["finalizers"] = ["example.com/mine"]
    await world.reconcile(key)
    assert world.cluster.tasks[key]["metadata"]["finalizers"] == ["example.com/mine", "reaper.io/process"]
    world.cluster.start(key)
    world.cluster.delete(key)
    await world.reconcile(key)
    world.cluster.tick()
    await world.reconcile(key)
    assert world.cluster.tasks[key]["metadata"]["finalizers"] == ["example.com/mine"]
    status = world.cluster.status(key)
    assert (status["phase"], status["reason"]) == ("Failed", "TaskDeleted")
    world.cluster.writes.clear()
    await world.reconcile(key)
    assert world.cluster.writes == []


async def test_whoever_orphans_keeps_the_pod(world: World) -> None:
    key = await world.running()
    world.cluster.delete(key, orphan=True)
    await world.reconcile(key)
    world.cluster.collect()
    assert world.cluster.tasks == {}
    assert "deletionTimestamp" not in world.cluster.pods[key]["metadata"]
    assert world.cluster.pods[key]["metadata"]["ownerReferences"] == []


async def test_whoever_orphans_keeps_the_pod_also_when_the_garbage_collector_is_faster(world: World) -> None:
    key = await world.running()
    world.cluster.delete(key, orphan=True)
    world.cluster.collect()
    await world.reconcile(key)
    assert world.cluster.tasks == {}
    assert "deletionTimestamp" not in world.cluster.pods[key]["metadata"]


async def test_a_finished_task_is_not_held(world: World) -> None:
    key = await world.running()
    world.cluster.end(key, 0)
    await world.reconcile(key)
    assert world.cluster.tasks[key]["metadata"]["finalizers"] == []


async def test_whoever_wrote_the_end_did_not_live_to_let_go(world: World) -> None:
    key = await world.running()
    world.cluster.end(key, 0)
    world.cluster.fault = forbid("patch_finalizers", "no")
    with pytest.raises(Forbidden):
        await world.reconcile(key)
    world.cluster.fault = no_fault
    world.restart()
    await world.reconcile(key)
    assert world.cluster.tasks[key]["metadata"]["finalizers"] == []
