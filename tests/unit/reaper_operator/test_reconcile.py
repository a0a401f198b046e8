"""reconcile.py: one task, one look; and never two runs, whatever crashes when."""

import asyncio
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reaper_api.vocabulary import FINAL_PHASES
from reaper_operator.errors import Conflict, Invalid, Unavailable, Waiting
from reaper_operator.key import Key
from reaper_operator.observe import observe
from reaper_operator.reconcile import Reconciler
from reaper_operator.sightings import Sightings
from tests.fakes.cluster import FakeClock, FakeCluster, container, forbid, no_fault, pod_body, terminated

pytestmark = pytest.mark.timeout(20)


class World:
    """A cluster and one life of the operator."""

    def __init__(self) -> None:
        self.cluster = FakeCluster()
        self.clock = FakeClock()
        self.restart()

    def restart(self) -> None:
        """A new operator process: it remembers nothing."""
        self.sightings = Sightings()
        self.reconcile = Reconciler(self.cluster, self.sightings, self.clock)

    def condition(self, key: Key, kind: str) -> dict[str, Any] | None:
        conditions = self.cluster.status(key).get("conditions", [])
        return next((condition for condition in conditions if condition["type"] == kind), None)


@pytest.fixture
def world() -> World:
    return World()


async def test_a_new_task_gets_one_pod_which_is_recorded_before_it_may_start(world: World) -> None:
    key = world.cluster.add_task()
    await world.reconcile(key)
    assert world.cluster.writes == ["create_pod", "patch_status", "remove_gate"]
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
    world.cluster.delete_pod(key)
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
    world.sightings.note(key, observe(world.cluster.pods[key]))
    world.cluster.delete_pod(key)
    await world.reconcile(key)
    assert world.cluster.status(key)["exitCode"] == 3
    assert len(world.sightings) == 0


async def test_a_pod_lost_while_the_operator_was_down(world: World) -> None:
    key = world.cluster.add_task()
    await world.reconcile(key)
    world.cluster.start(key)
    world.cluster.delete_pod(key)
    world.restart()
    await world.reconcile(key)
    assert world.cluster.status(key)["reason"] == "PodDeleted"


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

    world.cluster.delete_pod(key)
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
    assert "spec.user.gid: Field required" in stalled["message"]
    assert world.cluster.pods == {}


async def test_a_refused_pod_waits_and_says_why(world: World) -> None:
    key = world.cluster.add_task()
    world.cluster.fault = forbid("create_pod", "exceeded quota: pods")
    with pytest.raises(Waiting):
        await world.reconcile(key)
    status = world.cluster.status(key)
    assert (status["phase"], status["reason"]) == ("Pending", "PodRefused")
    assert status["message"].endswith("exceeded quota: pods")
    assert world.condition(key, "Stalled") is None


async def test_an_invalid_pod_is_asked_for_once_in_each_life_of_the_operator(world: World) -> None:
    key = world.cluster.add_task()
    asked = []

    def fault(call: str, done: bool) -> None:  # noqa: FBT001 - see Fault
        if call == "create_pod":
            asked.append(call)
            raise Invalid(422, "spec.containers[0]: Invalid value")

    world.cluster.fault = fault
    for _ in range(3):
        await world.reconcile(key)
    assert len(asked) == 1
    stalled = world.condition(key, "Stalled")
    assert stalled is not None
    assert stalled["message"] == "the API server calls the task's Pod invalid: spec.containers[0]: Invalid value"
    assert world.cluster.writes.count("patch_status") == 1
    world.restart()
    await world.reconcile(key)
    assert len(asked) == 2


async def test_a_task_that_is_being_deleted_is_not_started(world: World) -> None:
    key = world.cluster.add_task()
    world.cluster.tasks[key]["metadata"]["deletionTimestamp"] = "2026-11-23T12:00:00Z"
    await world.reconcile(key)
    assert world.cluster.writes == []


async def test_a_task_that_is_gone(world: World) -> None:
    key = Key("default", "gone")
    world.sightings.note(key, observe(pod_body(containerStatuses=[container(terminated=terminated(0))])))
    await world.reconcile(key)
    assert len(world.sightings) == 0


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


class Crash(BaseException):
    """kill -9 in the middle of a call."""


steps = st.one_of(
    st.just(("reconcile",)),
    st.tuples(st.just("crash"), st.integers(2, 5), st.booleans()),
    st.tuples(st.just("unavailable"), st.integers(0, 5), st.booleans()),
    st.just(("start",)),
    st.just(("delete pod",)),
    st.sampled_from([("end", 0), ("end", 1), ("user writes",), ("restart",)]),
)


@settings(max_examples=400, deadline=None)
@given(st.lists(steps, max_size=12))
def test_no_task_ever_runs_twice_whatever_happens_when(story: list[tuple[Any, ...]]) -> None:
    asyncio.run(_tell(story))


async def _tell(story: list[tuple[Any, ...]]) -> None:
    world = World()
    key = world.cluster.add_task()
    final: dict[str, Any] | None = None
    for step in story:
        await _live(world, key, step)
        status = world.cluster.status(key)
        assert len(world.cluster.starts) <= 1
        assert final is None or status == final
        if status.get("phase") in FINAL_PHASES:
            final = status
    # And whatever has happened: left alone, the task comes to its end.
    world.restart()
    await world.reconcile(key)
    world.cluster.start(key)
    world.cluster.end(key, 0)
    await world.reconcile(key)
    assert world.cluster.status(key)["phase"] in FINAL_PHASES
    assert len(world.cluster.starts) <= 1


async def _live(world: World, key: Key, step: tuple[Any, ...]) -> None:
    match step:
        case ("reconcile",):
            await world.reconcile(key)
        case ("crash" | "unavailable" as kind, int(at), bool(after)):
            await _interrupted(world, key, Crash() if kind == "crash" else Unavailable(500, "down"), at, after=after)
        case ("start",):
            world.cluster.start(key)
        case ("end", int(code)):
            world.cluster.end(key, code)
        case ("delete pod",):
            world.cluster.delete_pod(key)
        case ("user writes",):
            world.cluster.touch(key)
        case ("restart",):
            world.restart()


async def _interrupted(world: World, key: Key, error: BaseException, at: int, *, after: bool) -> None:
    """A reconcile whose `at`-th call fails: before it has an effect, or after."""
    calls = 0

    def fault(call: str, done: bool) -> None:  # noqa: FBT001 - see Fault
        nonlocal calls
        calls += not done
        if calls > at and done == after:
            raise error

    world.cluster.fault = fault
    try:
        await world.reconcile(key)
    except Crash:
        world.restart()
    except Unavailable:
        pass
    finally:
        world.cluster.fault = no_fault
