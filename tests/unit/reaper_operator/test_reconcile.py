"""reconcile.py: one task, one look. Whole lives with crashes in them: test_lives.py."""

from typing import Any

import pytest

from reaper_operator.errors import Conflict, Forbidden
from reaper_operator.key import Key
from reaper_operator.observe import observe
from tests.fakes.cluster import container, forbid, pod_body, terminated
from tests.fakes.world import World

pytestmark = pytest.mark.timeout(20)


@pytest.fixture
def world() -> World:
    return World()


async def test_a_new_task_gets_one_pod_which_is_recorded_before_it_may_start(world: World) -> None:
    key = world.cluster.add_task()
    await world.reconcile(key)
    assert world.cluster.writes == ["create_pod", "patch_status", "patch_finalizers", "remove_gate"]
    status = world.cluster.status(key)
    assert status["phase"] == "Pending"
    assert status["podName"] == "hello"
    assert status["podUID"] == world.cluster.pods[key]["metadata"]["uid"]
    assert status["observedGeneration"] == 1
    assert world.condition(key, "Finished") == {
        "type": "Finished",
        "status": "False",
        "reason": "Pending",
        "message": "",
        "observedGeneration": 1,
        "lastTransitionTime": "2026-11-23T12:00:00Z",
    }


async def test_a_life(world: World) -> None:
    key = world.cluster.add_task()
    await world.reconcile(key)
    world.cluster.start(key)
    await world.reconcile(key)
    status = world.cluster.status(key)
    assert (status["phase"], status["nodeName"], status["startTime"]) == ("Running", "node-1", "2026-11-23T12:00:01Z")
    assert "exitCode" not in status
    world.clock.advance(5)
    world.cluster.end(key, 0)
    await world.reconcile(key)
    status = world.cluster.status(key)
    assert (status["phase"], status["exitCode"], status["reason"]) == ("Succeeded", 0, "Completed")
    assert status["completionTime"] == "2026-11-23T12:00:05Z"
    assert [event["reason"] for event in world.cluster.events] == ["Running", "Succeeded"]


async def test_at_rest_nothing_is_written(world: World) -> None:
    key = world.cluster.add_task()
    await world.reconcile(key)
    world.cluster.start(key)
    await world.reconcile(key)
    world.cluster.writes.clear()
    for _ in range(3):
        world.clock.advance(60)
        await world.reconcile(key)
    assert world.cluster.writes == []


async def test_a_failure_shows_its_exit_code(world: World) -> None:
    key = world.cluster.add_task()
    await world.reconcile(key)
    world.cluster.start(key)
    world.cluster.end(key, 42)
    await world.reconcile(key)
    status = world.cluster.status(key)
    assert (status["phase"], status["exitCode"]) == ("Failed", 42)
    assert status["message"] == "the process ended with exit code 42"
    finished = world.condition(key, "Finished")
    assert finished is not None
    assert (finished["status"], finished["reason"]) == ("True", "Error")


async def test_a_pod_deleted_while_it_ran_ends_the_task_without_an_exit_code(world: World) -> None:
    key = world.cluster.add_task()
    await world.reconcile(key)
    world.cluster.start(key)
    await world.reconcile(key)
    world.cluster.delete_pod(key, force=True)
    for _ in range(2):
        await world.reconcile(key)
    status = world.cluster.status(key)
    assert (status["phase"], status["reason"]) == ("Failed", "PodDeleted")
    assert "exitCode" not in status
    assert status["message"].startswith("Pod hello was deleted before its process was seen to end; how it ended")
    assert status["nodeName"] == "node-1"
    assert world.cluster.pods == {}


async def test_a_pod_deleted_after_the_end_changes_nothing(world: World) -> None:
    key = world.cluster.add_task()
    await world.reconcile(key)
    world.cluster.start(key)
    world.cluster.end(key, 0)
    await world.reconcile(key)
    before = world.cluster.status(key)
    world.cluster.delete_pod(key)
    world.restart()
    await world.reconcile(key)
    assert world.cluster.status(key) == before
    assert world.cluster.pods == {}


async def test_the_last_watch_event_tells_how_a_pod_ended_that_is_gone(world: World) -> None:
    key = world.cluster.add_task()
    await world.reconcile(key)
    world.cluster.start(key)
    world.cluster.end(key, 3)
    world.last_seen.record(key, observe(world.cluster.pods[key]))
    world.cluster.delete_pod(key)
    await world.reconcile(key)
    assert world.cluster.status(key)["exitCode"] == 3
    assert len(world.last_seen) == 0


async def test_a_pod_lost_while_the_operator_was_down(world: World) -> None:
    key = world.cluster.add_task()
    await world.reconcile(key)
    world.cluster.start(key)
    world.cluster.delete_pod(key, force=True)
    world.restart()
    await world.reconcile(key)
    assert world.cluster.status(key)["reason"] == "PodDeleted"


async def test_why_a_pod_does_not_start_is_looked_up_after_a_while(world: World) -> None:
    key = world.cluster.add_task()
    await world.reconcile(key)
    pod = world.cluster.pods[key]
    pod["spec"]["nodeName"] = "node-1"
    scheduled = {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-11-23T12:00:00Z"}
    pod["status"]["conditions"] = [scheduled]
    await world.reconcile(key)
    assert world.looks[key] == 10
    world.cluster.events_of[pod["metadata"]["uid"]] = [
        {"type": "Warning", "reason": "FailedMount", "message": 'secret "tls" not found', "lastTimestamp": "2026"}
    ]
    world.clock.advance(10)
    await world.reconcile(key)
    status = world.cluster.status(key)
    assert (status["phase"], status["reason"], status["message"]) == (
        "Pending",
        "FailedMount",
        'secret "tls" not found',
    )
    world.cluster.writes.clear()
    world.clock.advance(10)
    await world.reconcile(key)
    assert world.cluster.writes == []
    assert world.looks[key] == 20


async def test_a_task_of_an_operator_that_knew_no_finalizer(world: World) -> None:
    key = world.cluster.add_task()
    await world.reconcile(key)
    world.cluster.start(key)
    del world.cluster.tasks[key]["metadata"]["finalizers"]
    del world.cluster.status(key)["attempts"]
    await world.reconcile(key)
    assert world.cluster.tasks[key]["metadata"]["finalizers"] == ["reaper.io/process"]
    assert world.cluster.status(key)["attempts"] == 1


async def test_a_task_that_is_gone(world: World) -> None:
    key = Key("default", "gone")
    world.last_seen.record(key, observe(pod_body(containerStatuses=[container(terminated=terminated(0))])))
    await world.reconcile(key)
    assert len(world.last_seen) == 0


async def test_somebody_wrote_first(world: World) -> None:
    key = world.cluster.add_task()

    def fault(call: str, done: bool) -> None:  # noqa: FBT001 - see Fault
        if call == "create_pod" and done:
            world.cluster.touch(key)

    world.cluster.fault = fault
    with pytest.raises(Conflict):
        await world.reconcile(key)
    assert not world.cluster.start(key)
    await world.reconcile(key)
    assert world.cluster.start(key)
    assert world.cluster.writes.count("create_pod") == 1


async def test_a_lost_event_is_no_fault(world: World) -> None:
    key = world.cluster.add_task()
    await world.reconcile(key)
    world.cluster.start(key)
    world.cluster.fault = forbid("create_event", "no")
    await world.reconcile(key)
    assert world.cluster.status(key)["phase"] == "Running"


# What the API server has shown already is not asked for


@pytest.fixture
def asked(world: World) -> list[str]:
    """The reads that were made."""
    calls: list[str] = []

    def fault(call: str, done: bool) -> None:  # noqa: FBT001 - see Fault
        if call.startswith("get_") and not done:
            calls.append(call)

    world.cluster.fault = fault
    return calls


def hear(world: World, key: Key) -> None:
    """The watches tell of the task and its Pod as they are."""
    world.known.heard(key, world.cluster.tasks[key])
    if key in world.cluster.pods:
        world.last_seen.heard(key, observe(world.cluster.pods[key]), gone=False)


async def test_a_life_that_a_watch_tells_of_needs_no_read(world: World, asked: list[str]) -> None:
    key = world.cluster.add_task()
    hear(world, key)
    await world.knowing(key)
    for turn in (world.cluster.start, lambda key: world.cluster.end(key, 0)):
        turn(key)
        world.last_seen.heard(key, observe(world.cluster.pods[key]), gone=False)
        await world.knowing(key)
    assert world.cluster.status(key)["phase"] == "Succeeded"
    assert world.cluster.tasks[key]["metadata"]["finalizers"] == []
    assert asked == []
    assert (len(world.known), len(world.last_seen)) == (0, 0)


async def test_a_look_without_news_asks_for_the_pod(world: World, asked: list[str]) -> None:
    """As that of the resync: the watch may have lost the Pod's end."""
    key = world.cluster.add_task()
    await world.knowing(key)
    world.cluster.start(key)
    hear(world, key)
    await world.knowing(key)
    asked.clear()
    world.cluster.end(key, 7)
    await world.knowing(key)
    assert asked == ["get_pod"]
    assert world.cluster.status(key)["exitCode"] == 7


async def test_what_is_not_there_any_more_is_asked_for_and_done_as_it_is(world: World, asked: list[str]) -> None:
    key = world.cluster.add_task()
    hear(world, key)
    world.cluster.edit(key, suspend=True)
    await world.knowing(key)
    assert world.cluster.status(key)["phase"] == "Suspended"
    assert asked == ["get_task"]
    assert world.cluster.starts == []


async def test_a_task_that_is_gone_is_known_no_more(world: World, asked: list[str]) -> None:
    key = world.cluster.add_task()
    hear(world, key)
    del world.cluster.tasks[key]
    await world.knowing(key)
    assert asked == ["get_task"]
    assert len(world.known) == 0


async def test_after_a_failure_everything_is_asked_for(world: World, asked: list[str]) -> None:
    key = world.cluster.add_task()
    hear(world, key)
    count, world.cluster.fault = world.cluster.fault, forbid("remove_gate", "not now")
    with pytest.raises(Forbidden):
        await world.knowing(key)
    assert world.known.get(key) is None
    world.cluster.fault = count
    await world.knowing(key)
    assert asked == ["get_task", "get_pod"]
    assert world.cluster.writes[-1] == "remove_gate"


async def test_a_gate_is_taken_off_once_however_late_the_watch_is(world: World) -> None:
    key = world.cluster.add_task()
    hear(world, key)
    created: list[Any] = []

    def remember(call: str, done: bool) -> None:  # noqa: FBT001 - see Fault
        if call == "create_pod" and done:
            created.append(observe(world.cluster.pods[key]))

    world.cluster.fault = remember
    await world.knowing(key)
    world.last_seen.heard(key, created[0], gone=False)
    await world.knowing(key)
    assert world.cluster.writes.count("remove_gate") == 1
