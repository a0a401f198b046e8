"""resync.py: every task that is not over gets a look."""

import pytest

from reaper_operator.errors import ClusterError, NotFound, Unavailable
from reaper_operator.health import Vitals
from reaper_operator.key import Key
from reaper_operator.resync import resync_once, resync_until_success
from reaper_operator.workqueue import WorkQueue
from tests.fakes.cluster import FakeCluster
from tests.fakes.time import FakeLoop


@pytest.fixture
def loop() -> FakeLoop:
    return FakeLoop()


@pytest.fixture
def queue(loop: FakeLoop) -> WorkQueue[Key]:
    return WorkQueue(loop.call_later, lambda: None, base=1, limit=1)


@pytest.fixture
def vitals(loop: FakeLoop) -> Vitals:
    vitals = Vitals(lambda: loop.now, interval=1, slack=0)
    vitals.watching = True
    return vitals


async def test_unfinished_tasks_are_queued(loop: FakeLoop, queue: WorkQueue[Key], vitals: Vitals) -> None:
    cluster = FakeCluster()
    keys = {cluster.add_task(name) for name in ("new", "running", "over")}
    cluster.tasks[Key("default", "running")]["status"] = {"phase": "Running"}
    cluster.tasks[Key("default", "over")]["status"] = {"phase": "Failed"}
    loop.pass_time(100)
    assert await resync_once(cluster, queue, vitals)
    assert {queue.take(), queue.take()} == keys - {Key("default", "over")}
    assert queue.take() is None
    assert vitals.unreadiness() is None


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (Unavailable(0, "no route"), "resync failed: no route"),
        (NotFound(404, "x"), "the API server does not know ReaperTasks: install crds/reapertask.yaml"),
    ],
)
async def test_a_failure_is_no_sign_of_life_of_the_api_server(
    loop: FakeLoop,
    queue: WorkQueue[Key],
    vitals: Vitals,
    caplog: pytest.LogCaptureFixture,
    error: ClusterError,
    line: str,
) -> None:
    cluster = FakeCluster()

    def fault(call: str, done: bool) -> None:  # noqa: FBT001 - see Fault
        raise error

    cluster.fault = fault
    loop.pass_time(100)
    assert not await resync_once(cluster, queue, vitals)
    assert caplog.messages == [line]
    assert vitals.sickness() is None
    assert vitals.unreadiness() is not None


async def test_the_first_one_is_repeated_until_it_succeeds(queue: WorkQueue[Key], vitals: Vitals) -> None:
    cluster = FakeCluster()
    cluster.add_task()
    tries = 0

    def fault(call: str, done: bool) -> None:  # noqa: FBT001 - see Fault
        nonlocal tries
        tries += 1
        if tries < 3:
            raise Unavailable(503, "starting")

    cluster.fault = fault
    await resync_until_success(cluster, queue, vitals, pause=0)
    assert tries == 3
    assert len(queue) == 1
