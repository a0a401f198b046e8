"""resync.py: every task that is not over gets a look."""

from typing import Any

import pytest

from reaper_api.vocabulary import API_VERSION, KIND
from reaper_operator.complaints import Complaints
from reaper_operator.errors import ClusterError, NotFound, Unavailable, Waiting
from reaper_operator.health import Health, Pulse
from reaper_operator.key import Key
from reaper_operator.known import KnownTasks
from reaper_operator.last_seen import LastSeenPods
from reaper_operator.observe import observe
from reaper_operator.reconcile import Reconciler
from reaper_operator.resync import Resync, next_look
from reaper_operator.workqueue import WorkQueue
from tests.fakes.cluster import FakeClock, FakeCluster, container, forbid, no_fault, pod_body, task_body
from tests.fakes.time import FakeLoop


@pytest.fixture
def loop() -> FakeLoop:
    return FakeLoop()


@pytest.fixture
def queue(loop: FakeLoop) -> WorkQueue[Key]:
    return WorkQueue(loop.call_later, lambda: None, base=1, limit=1)


@pytest.fixture
def health(loop: FakeLoop) -> Health:
    health = Health(*(Pulse(lambda: loop.now, interval=1, slack=0) for _ in range(2)))
    health.leading = health.watching = True
    return health


async def test_unfinished_tasks_are_queued(loop: FakeLoop, queue: WorkQueue[Key], health: Health) -> None:
    cluster = FakeCluster()
    keys = {cluster.add_task(name) for name in ("new", "running", "over")}
    cluster.tasks[Key("default", "running")]["status"] = {"phase": "Running"}
    cluster.tasks[Key("default", "over")]["status"] = {"phase": "Failed"}
    loop.pass_time(100)
    assert await Resync(cluster, queue, health, FakeClock()).once()
    assert {queue.take(), queue.take()} == keys - {Key("default", "over")}
    assert queue.take() is None
    assert health.readiness_problem() is None


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (Unavailable(0, "no route"), "resync failed, which is tried again: no route"),
        (NotFound(404, "x"), "the API server does not know ReaperTasks: install crds/reapertask.yaml"),
    ],
)
async def test_a_failure_is_no_sign_of_life_of_the_api_server(
    loop: FakeLoop,
    queue: WorkQueue[Key],
    health: Health,
    caplog: pytest.LogCaptureFixture,
    error: ClusterError,
    line: str,
) -> None:
    cluster = FakeCluster()

    def fault(call: str, done: bool) -> None:  # noqa: FBT001 - see Fault
        raise error

    cluster.fault = fault
    loop.pass_time(100)
    assert not await Resync(cluster, queue, health, FakeClock()).once()
    assert caplog.messages == [line]
    assert health.liveness_problem() is None
    assert health.readiness_problem() is not None


async def test_the_first_one_is_repeated_until_it_succeeds(queue: WorkQueue[Key], health: Health) -> None:
    cluster = FakeCluster()
    cluster.add_task()
    tries = 0

    def fault(call: str, done: bool) -> None:  # noqa: FBT001 - see Fault
        nonlocal tries
        tries += 1
        if tries < 3:
            raise Unavailable(503, "starting")

    cluster.fault = fault
    await Resync(cluster, queue, health, FakeClock()).until_success(pause=0)
    assert tries == 4  # the last one lists the Pods, then the tasks
    assert len(queue) == 1


def running(cluster: FakeCluster, key: Key, since: str) -> dict[str, Any]:
    """The Pod of a task, with a process that runs since then."""
    body = pod_body("Running", name=key.name, containerStatuses=[container(running={"startedAt": since})])
    owner = {"apiVersion": API_VERSION, "kind": KIND, "name": key.name, "controller": True}
    body["metadata"]["ownerReferences"] = [{**owner, "uid": cluster.tasks[key]["metadata"]["uid"]}]
    return body


async def test_one_task_that_it_trips_over_keeps_nobody_from_a_look(queue: WorkQueue[Key], health: Health) -> None:
    """Whoever may write a status may write a date that overflows. It ended the leader, and the next one."""
    cluster = FakeCluster()
    odd, good = cluster.add_task("odd", activeDeadlineSeconds=10), cluster.add_task("good")
    status = {"attempts": 1, "podUID": "pod-1", "podName": "odd", "activeSince": "9999-12-31T23:59:59Z"}
    cluster.tasks[odd]["status"] = {"phase": "Running", **status}
    cluster.pods[odd] = running(cluster, odd, "2026-11-23T12:00:01Z")
    assert await Resync(cluster, queue, health, FakeClock()).once()
    assert {queue.take(), queue.take()} == {odd, good}


async def test_one_pod_that_it_trips_over_keeps_nobody_from_a_look(
    queue: WorkQueue[Key], health: Health, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = FakeCluster()
    good, odd = cluster.add_task("good"), cluster.add_task("odd")
    cluster.pods[odd] = running(cluster, odd, "yesterday")
    assert await Resync(cluster, queue, health, FakeClock()).once()
    assert {queue.take(), queue.take()} == {odd, good}
    (record,) = caplog.records
    assert record.getMessage().startswith("this operator cannot read Pod odd of the task: Invalid isoformat string")
    assert record.__dict__["object"] == "default/odd"
    assert record.exc_info is None


async def test_a_pod_that_cannot_be_read_is_told_once_and_later_how_often_it_was(
    queue: WorkQueue[Key], health: Health, loop: FakeLoop, caplog: pytest.LogCaptureFixture
) -> None:
    """A new version of it, as odd as the last, is no news."""
    cluster = FakeCluster()
    odd = cluster.add_task("odd")
    cluster.pods[odd] = running(cluster, odd, "yesterday")
    resync = Resync(cluster, queue, health, FakeClock(), of_objects=Complaints(lambda: loop.now))
    for version in range(120):
        cluster.pods[odd]["metadata"]["resourceVersion"] = str(version)
        await resync.once()
        loop.pass_time(60)
    first, second = caplog.messages
    assert second == f"{first} (60 times in 60 min)"
    cluster.pods[odd] = running(cluster, odd, "tomorrow")
    await resync.once()
    assert "'tomorrow'" in caplog.messages[2]


async def test_what_is_the_same_for_long_is_said_once(
    queue: WorkQueue[Key], health: Health, caplog: pytest.LogCaptureFixture
) -> None:
    cluster, told = FakeCluster(), []
    resync = Resync(cluster, queue, health, FakeClock(), unserved=lambda: told.append("unserved"))
    faults: list[ClusterError | None] = [
        *(Unavailable(503, "starting"),) * 3,
        *(NotFound(404, "x"),) * 3,
        None,
        NotFound(404, "x"),
    ]
    for error in faults:

        def fault(call: str, done: bool, error: ClusterError | None = error) -> None:  # noqa: FBT001 - see Fault
            if error is not None:
                raise error

        cluster.fault = fault
        await resync.once()
    missing = "the API server does not know ReaperTasks: install crds/reapertask.yaml"
    assert caplog.messages == ["resync failed, which is tried again: starting", missing, missing]
    assert told == ["unserved"] * 4


async def test_and_now_and_then_how_often(
    queue: WorkQueue[Key], health: Health, loop: FakeLoop, caplog: pytest.LogCaptureFixture
) -> None:
    cluster = FakeCluster()
    cluster.fault = forbid("unfinished_pods", "pods is forbidden")
    resync = Resync(cluster, queue, health, FakeClock(), complaints=Complaints(lambda: loop.now))
    for _ in range(11):
        await resync.once()
        loop.pass_time(60)
    once = "resync failed, which is tried again: pods is forbidden"
    assert caplog.messages == [once, f"{once} (10 times in 10 min)"]


async def test_at_rest_no_task_is_looked_at(queue: WorkQueue[Key], health: Health) -> None:
    cluster, clock = FakeCluster(), FakeClock()
    reconcile = Reconciler(cluster, LastSeenPods(), clock, queue.add_later, KnownTasks(limit=0))
    resync = Resync(cluster, queue, health, clock)
    pending, running, over = (cluster.add_task(name) for name in ("pending", "running", "over"))
    for key in (pending, running, over):
        await reconcile(key)
    for key in (running, over):
        cluster.start(key)
    cluster.end(over, 0)
    await resync.once()
    assert {queue.take(), queue.take(), queue.take()} == {running, over, None}
    for key in (running, over):
        await reconcile(key)
        queue.done(key)
    clock.advance(60)
    await resync.once()
    assert queue.take() is None


async def test_a_change_that_the_watch_has_lost_is_found(queue: WorkQueue[Key], health: Health) -> None:
    cluster, clock, known = FakeCluster(), FakeClock(), KnownTasks()
    reconcile = Reconciler(cluster, LastSeenPods(), clock, queue.add_later, known)
    key = cluster.add_task()
    await reconcile(key)
    cluster.start(key)
    await reconcile(key)
    cluster.edit(key, suspend=True)
    await Resync(cluster, queue, health, clock, listed=known.listed).once()
    assert queue.take() == key
    await reconcile(key)
    assert "deletionTimestamp" in cluster.pods[key]["metadata"]


async def test_what_ended_while_there_was_no_operator_is_found_at_once(queue: WorkQueue[Key], health: Health) -> None:
    cluster, clock, known = FakeCluster(), FakeClock(), KnownTasks()
    reconcile = Reconciler(cluster, LastSeenPods(), clock, queue.add_later, KnownTasks(limit=0))
    over, running, finished = (cluster.add_task(name) for name in ("over", "running", "finished"))
    for key in (over, running, finished):
        await reconcile(key)
        cluster.start(key)
        await reconcile(key)
    cluster.end(finished, 0)
    await reconcile(finished)
    cluster.end(over, 0)
    await Resync(cluster, queue, health, clock, listed=known.listed).once()
    assert (queue.take(), queue.take()) == (over, None)
    # And what ends before the watch of Pods has begun is, as the watch knows then which tasks are not over.
    assert [known.under_way(key) for key in (over, running, finished)] == [True, True, False]
    reconcile = Reconciler(cluster, LastSeenPods(), clock, queue.add_later, known)
    await reconcile(over)
    assert not known.under_way(over)


async def test_tasks_are_counted_by_phase(queue: WorkQueue[Key], health: Health) -> None:
    cluster = FakeCluster()
    cluster.add_task("new")
    for phase in ("Sleeping", "Running", "Failed"):
        cluster.tasks[cluster.add_task(phase.lower())]["status"] = {"phase": phase}
    counts: list[object] = []
    await Resync(cluster, queue, health, FakeClock(), counted=counts.append).once()
    assert counts == [{"Pending": 1, "Sleeping": 1, "Running": 1}]


async def test_a_task_that_waits_for_its_back_off_goes_on_waiting(
    queue: WorkQueue[Key], health: Health, loop: FakeLoop
) -> None:
    cluster, clock = FakeCluster(), FakeClock()
    key = cluster.add_task()
    cluster.fault = forbid("create_pod", "quota")
    with pytest.raises(Waiting):
        await Reconciler(cluster, LastSeenPods(), clock, queue.add_later, KnownTasks(limit=0))(key)
    cluster.fault = no_fault
    queue.retry(key)
    await Resync(cluster, queue, health, clock).once()
    assert queue.take() is None
    loop.pass_time(1)
    assert queue.take() == key


@pytest.mark.parametrize("phase", [5, 25, 45])
async def test_the_events_of_a_pod_that_does_not_start_are_read_all_the_same(
    queue: WorkQueue[Key], health: Health, loop: FakeLoop, phase: int
) -> None:
    """Each resync finds the next reading in the future, and a later one than the reconcile had asked for."""
    cluster, clock = FakeCluster(), FakeClock()
    reconcile = Reconciler(cluster, LastSeenPods(), clock, queue.add_later, KnownTasks(limit=0))
    resync = Resync(cluster, queue, health, clock)
    key = cluster.add_task()
    await reconcile(key)
    pod = cluster.pods[key]
    pod["spec"]["nodeName"] = "node-1"
    since = {"type": "PodScheduled", "status": "True", "lastTransitionTime": "2026-11-23T12:00:00Z"}
    pod["status"]["conditions"] = [since]
    queue.add(key)
    readings = []

    def fault(call: str, done: bool) -> None:  # noqa: FBT001 - see Fault
        if call == "events_about":
            readings.append(loop.now)

    cluster.fault = fault
    for second in range(700):
        if second % 60 == phase:
            await resync.once()
        while (due := queue.take()) is not None:
            await reconcile(due)
            queue.done(due)
        loop.pass_time(1)
        clock.advance(1)
    assert readings == [10, 20, 40, 80, 160, 320, 620]


STATUS = {"podUID": "pod-1", "phase": "Running", "podName": "hello", "observedGeneration": 1, "attempts": 1}


@pytest.mark.parametrize(
    ("status", "pod"),
    [
        pytest.param({}, None, id="new"),
        pytest.param({}, pod_body("Pending"), id="not recorded"),
        pytest.param(STATUS, None, id="Pod missing or over"),
        pytest.param(STATUS, pod_body("Running", uid="pod-2"), id="another Pod"),
        pytest.param(STATUS, pod_body("Running", gated=True), id="gated"),
        pytest.param(STATUS, pod_body("Running", node="node-1"), id="moved on"),
        pytest.param({**STATUS, "reason": "PodNotCreated"}, pod_body("Running"), id="said to wait"),
        pytest.param({"phase": "Sleeping"}, pod_body("Running"), id="cannot be read"),
        pytest.param({**STATUS, "nextAttemptTime": "2026-11-23T12:00:00Z"}, None, id="the next attempt is due"),
    ],
)
def test_needs_a_look(status: dict[str, Any], pod: dict[str, Any] | None) -> None:
    now = FakeClock().now
    task = task_body() | {"status": status}
    assert next_look(task, {"pod-1": observe(pod)} if pod else {}, now) == now


async def test_an_operator_that_has_just_started_learns_what_is_going_to_be_due(
    queue: WorkQueue[Key], health: Health, loop: FakeLoop
) -> None:
    cluster, clock = FakeCluster(), FakeClock()
    reconcile = Reconciler(cluster, LastSeenPods(), clock, lambda *_: None, KnownTasks(limit=0))
    failing, limited = (
        cluster.add_task("failing", backoffLimit=1),
        cluster.add_task("limited", activeDeadlineSeconds=60),
    )
    for key in (failing, limited):
        await reconcile(key)
        cluster.start(key)
        await reconcile(key)
    cluster.end(failing, 1)
    await reconcile(failing)
    await Resync(cluster, queue, health, clock).once()
    assert queue.take() is None
    loop.pass_time(10)
    assert (queue.take(), queue.take()) == (failing, None)
    loop.pass_time(50)
    assert (queue.take(), queue.take()) == (limited, None)


@pytest.mark.parametrize(
    ("reason", "generation", "again"), [("InvalidSpec", 1, False), ("InvalidSpec", 0, True), ("PodInvalid", 1, True)]
)
def test_a_spec_that_makes_no_pod_is_not_tried_again_until_it_changes(
    reason: str, generation: int, *, again: bool
) -> None:
    now = FakeClock().now
    stalled = {"type": "Stalled", "status": "True", "reason": reason, "message": "so", "observedGeneration": generation}
    status = {"phase": "Pending", "conditions": [stalled | {"lastTransitionTime": "2026-11-23T12:00:00Z"}]}
    assert (next_look(task_body() | {"status": status}, {}, now) == now) is again
