"""reconcile.py: attempts, suspension, deadlines and the time to live."""

import pytest

from reaper_api.translate import pod_name
from reaper_operator.errors import Forbidden
from reaper_operator.key import Key
from reaper_operator.observe import observe
from tests.fakes.cluster import forbid, no_fault
from tests.fakes.world import World

pytestmark = pytest.mark.timeout(20)


@pytest.fixture
def world() -> World:
    return World()


async def test_a_failed_attempt_is_followed_by_another(world: World) -> None:
    key = world.cluster.add_task(backoffLimit=2)
    await world.reconcile(key)
    names = []
    for number in (1, 2, 3):
        pod = Key("default", pod_name("hello", number))
        assert world.cluster.start(pod)
        await world.reconcile(key)
        names.append(world.cluster.status(key)["podName"])
        world.cluster.end(pod, 7)
        await world.reconcile(key)
        if number == 3:
            break
        assert world.cluster.status(key)["reason"] == "BackOff"
        assert world.looks[key] == 10 * 2 ** (number - 1)
        world.clock.advance(world.looks[key] - 1)
        world.cluster.writes.clear()
        await world.reconcile(key)
        assert world.cluster.writes == []
        assert world.looks[key] == 1
        world.clock.advance(1)
        world.restart()
        await world.reconcile(key)
    status = world.cluster.status(key)
    assert names == ["hello", "hello-2", "hello-3"]
    assert (status["phase"], status["reason"], status["exitCode"]) == ("Failed", "BackoffLimitExceeded", 7)
    assert (status["attempts"], status["failures"], status["lastFailure"]["attempt"]) == (3, 3, 3)
    assert [event["reason"] for event in world.cluster.events if event["type"] == "Warning"] == [
        "BackOff",
        "BackOff",
        "Failed",
    ]


async def test_the_next_attempt_does_not_begin_while_the_pod_of_the_last_one_is_there(world: World) -> None:
    """Its node is lost: nobody knows whether its process runs."""
    key = await world.running(backoffLimit=1)
    world.cluster.delete_pod(key)  # as the control plane does; kubelet does not answer
    for _ in range(3):
        world.clock.advance(600)
        await world.reconcile(key)
    assert list(world.cluster.pods) == [key]
    world.cluster.delete_pod(key, force=True)
    await world.reconcile(key)
    assert world.cluster.status(key)["interruptions"] == 1
    world.clock.advance(10)
    await world.reconcile(key)
    assert list(world.cluster.pods) == [Key("default", "hello-2")]


async def test_nor_without_a_grace_period(world: World) -> None:
    key = await world.running(backoffLimit=1, terminationGracePeriodSeconds=0)
    world.cluster.delete_pod(key)  # as the taint manager does, from a node that is cut off
    await world.reconcile(key)
    assert world.cluster.status(key)["phase"] == "Running"
    world.cluster.tick()
    await world.reconcile(key)
    assert world.cluster.status(key)["reason"] == "BackOff"


async def test_a_pod_that_was_made_and_not_recorded_is_taken_up(world: World) -> None:
    key = await world.running(backoffLimit=1)
    world.cluster.end(key, 1)
    await world.reconcile(key)
    world.clock.advance(10)
    world.cluster.fault = forbid("patch_status", "no")
    with pytest.raises(Forbidden):
        await world.reconcile(key)
    world.cluster.fault = no_fault
    second = Key("default", "hello-2")
    world.last_seen.record(key, observe(world.cluster.pods[second]))
    await world.reconcile(key)
    assert world.cluster.writes.count("create_pod") == 2
    assert world.cluster.start(second)


async def test_a_pod_of_the_right_name_that_is_not_the_recorded_one_never_starts(world: World) -> None:
    """Another operator made it when the recorded one was deleted by force, and nobody's watch has told of it."""
    key = world.cluster.add_task()
    await world.reconcile(key)
    recorded = world.cluster.pods.pop(key)
    stray = {**recorded, "metadata": {**recorded["metadata"], "uid": "stray"}}
    stray["spec"]["schedulingGates"] = [{"name": "reaper.io/recorded"}]
    world.cluster.pods[key] = stray
    world.restart()
    await world.reconcile(key)
    assert world.cluster.status(key)["reason"] == "PodDeleted"
    assert world.cluster.pods == {}
    assert world.cluster.starts == []


async def test_a_suspended_task_does_not_start(world: World) -> None:
    key = world.cluster.add_task(suspend=True, activeDeadlineSeconds=5)
    await world.reconcile(key)
    status = world.cluster.status(key)
    assert (status["phase"], status.get("attempts"), status.get("activeSince")) == ("Suspended", None, None)
    assert world.cluster.pods == {}
    world.clock.advance(3600)
    world.cluster.edit(key, suspend=False)
    await world.reconcile(key)
    assert world.cluster.start(key)
    status = world.cluster.status(key)
    assert (status["phase"], status["activeSince"], status["observedGeneration"]) == (
        "Pending",
        "2026-11-23T13:00:00Z",
        2,
    )


async def test_suspend_and_resume(world: World) -> None:
    key = await world.running()
    world.cluster.edit(key, suspend=True)
    await world.reconcile(key)
    assert world.cluster.status(key)["reason"] == "Stopping"
    assert "deletionTimestamp" in world.cluster.pods[key]["metadata"]
    world.cluster.edit(key, suspend=False)  # and taken back at once: the Pod goes all the same
    await world.reconcile(key)
    world.cluster.tick()
    await world.reconcile(key)
    assert world.cluster.status(key)["attempts"] == 2
    assert world.cluster.start(Key("default", "hello-2"))
    world.cluster.edit(key, suspend=True)
    await world.reconcile(key)
    world.cluster.tick()
    await world.reconcile(key)
    status = world.cluster.status(key)
    assert (status["phase"], status["reason"], status.get("failures")) == ("Suspended", "Suspended", None)
    suspended = world.condition(key, "Suspended")
    assert suspended is not None
    assert suspended["status"] == "True"
    world.cluster.writes.clear()
    await world.reconcile(key)
    assert world.cluster.writes == []
    world.cluster.edit(key, suspend=False)
    await world.reconcile(key)
    assert world.cluster.start(Key("default", "hello-3"))
    world.cluster.end(Key("default", "hello-3"), 0)
    await world.reconcile(key)
    assert world.cluster.status(key)["phase"] == "Succeeded"


async def test_the_deadline_ends_the_process_and_keeps_its_pod(world: World) -> None:
    key = await world.running(activeDeadlineSeconds=60, backoffLimit=5)
    assert world.looks[key] == 60
    world.clock.advance(60)
    await world.reconcile(key)
    assert world.cluster.pods[key]["spec"]["activeDeadlineSeconds"] == 1
    assert world.cluster.status(key)["reason"] == "Stopping"
    world.cluster.writes.clear()
    await world.reconcile(key)
    assert world.cluster.writes == []
    world.cluster.tick(exit_code=0)
    await world.reconcile(key)
    status = world.cluster.status(key)
    assert (status["phase"], status["reason"], status["exitCode"]) == ("Failed", "DeadlineExceeded", 0)
    assert status["message"].startswith("the task was not over after 60 s (activeDeadlineSeconds); Pod was active")
    assert key in world.cluster.pods


async def test_the_deadline_can_be_moved_while_the_process_runs(world: World) -> None:
    key = await world.running(activeDeadlineSeconds=60)
    world.clock.advance(59)
    world.cluster.edit(key, activeDeadlineSeconds=90)
    await world.reconcile(key)
    assert world.looks[key] == 31
    world.clock.advance(30)
    await world.reconcile(key)
    assert world.cluster.status(key)["phase"] == "Running"
    world.cluster.edit(key, activeDeadlineSeconds=1)
    await world.reconcile(key)
    assert world.cluster.pods[key]["spec"]["activeDeadlineSeconds"] == 1


async def test_the_deadline_is_over_all_attempts(world: World) -> None:
    key = await world.running(activeDeadlineSeconds=15, backoffLimit=5)
    world.cluster.end(key, 1)
    world.clock.advance(6)
    await world.reconcile(key)  # the next attempt would begin at 16 s
    assert world.looks[key] == 9
    world.clock.advance(9)
    await world.reconcile(key)
    status = world.cluster.status(key)
    assert (status["phase"], status["reason"], status["attempts"]) == ("Failed", "DeadlineExceeded", 1)
    assert status["message"].endswith("attempt 1: the process ended with exit code 1")
    assert world.cluster.tasks[key]["metadata"]["finalizers"] == []


async def test_a_pod_without_a_node_is_deleted_at_the_deadline(world: World) -> None:
    key = world.cluster.add_task(activeDeadlineSeconds=60)
    await world.reconcile(key)
    world.clock.advance(60)
    await world.reconcile(key)
    assert world.cluster.pods == {}
    await world.reconcile(key)
    status = world.cluster.status(key)
    assert (status["phase"], status["reason"]) == ("Failed", "DeadlineExceeded")


async def test_a_finished_task_goes_after_its_time_to_live(world: World) -> None:
    key = await world.running(ttlSecondsAfterFinished=60)
    world.cluster.end(key, 0)
    await world.reconcile(key)
    assert world.looks[key] == 60
    world.clock.advance(59)
    await world.reconcile(key)
    assert key in world.cluster.tasks
    world.clock.advance(1)
    await world.reconcile(key)
    assert world.cluster.tasks == {}


async def test_a_finished_task_goes_at_once(world: World) -> None:
    key = await world.running(ttlSecondsAfterFinished=0)
    world.cluster.end(key, 0)
    await world.reconcile(key)
    assert world.cluster.tasks == {}


async def test_a_time_to_live_that_is_given_later(world: World) -> None:
    key = await world.running()
    world.cluster.end(key, 0)
    await world.reconcile(key)
    before = world.cluster.status(key)
    world.clock.advance(3600)
    world.cluster.edit(key, ttlSecondsAfterFinished=7200)
    await world.reconcile(key)
    assert world.cluster.status(key) == before | {"observedGeneration": 2}
    assert world.looks[key] == 3600
