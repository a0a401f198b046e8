"""record.py: each write on top of what was read, and nobody's write lost."""

import pytest

from reaper_api.vocabulary import Phase
from reaper_operator import status as statuses
from reaper_operator.complaints import Complaints
from reaper_operator.errors import Conflict, Unreadable
from reaper_operator.key import Key
from reaper_operator.observe import PodObservation
from reaper_operator.record import Record
from tests.fakes.cluster import FakeClock, FakeCluster, forbid


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def key(cluster: FakeCluster) -> Key:
    return cluster.add_task()


async def read(cluster: FakeCluster, key: Key) -> Record:
    body = await cluster.get_task(key)
    assert body is not None
    return Record(cluster, key, body, FakeClock())


async def test_one_write_after_another(cluster: FakeCluster, key: Key) -> None:
    record = await read(cluster, key)
    pod = PodObservation("hello", "pod-1", Phase.RUNNING)
    assert await record.write(statuses.begun(record.head.status, pod, record.at))
    assert record.head.status.pod_uid == "pod-1"
    assert not await record.write(record.head.status)
    await record.hold()
    assert record.head.metadata.finalizers == ("reaper.io/process",)
    await record.release()
    await record.delete()
    assert cluster.tasks == {}
    assert cluster.writes == ["patch_status", "create_event", *["patch_finalizers"] * 2, "delete_task"]


async def test_somebody_else_wrote_first(cluster: FakeCluster, key: Key) -> None:
    record = await read(cluster, key)
    cluster.touch(key)
    for write in (record.hold(), record.release(), record.delete()):
        with pytest.raises(Conflict):
            await write
    assert cluster.writes == []


async def test_news_that_cannot_be_told_are_no_fault(
    cluster: FakeCluster, key: Key, caplog: pytest.LogCaptureFixture
) -> None:
    record = await read(cluster, key)
    cluster.fault = forbid("create_event", "no")
    await record.write(statuses.begun(record.head.status, PodObservation("h", "p", Phase.RUNNING), record.at))
    assert cluster.status(key)["phase"] == "Running"
    assert "no Event Running: no" in caplog.messages


async def test_news_that_can_never_be_told_are_told_of_once(
    cluster: FakeCluster, caplog: pytest.LogCaptureFixture
) -> None:
    """Without the right to make Events there would be a line for each turn of each task."""
    cluster.fault = forbid("create_event", "events is forbidden")
    complaints = Complaints(lambda: 0.0)
    for number in range(3):
        key = cluster.add_task(f"task-{number}")
        record = Record(cluster, key, cluster.tasks[key], FakeClock(), complaints)
        await record.write(statuses.begun(record.head.status, PodObservation("h", "p", Phase.RUNNING), record.at))
    assert caplog.messages == ["no Event Running: events is forbidden"]


async def test_a_namespace_that_goes_takes_no_news(
    cluster: FakeCluster, key: Key, caplog: pytest.LogCaptureFixture
) -> None:
    """It may go with ten thousand tasks in it: a warning for each would be noise."""
    caplog.set_level("INFO")
    record = await read(cluster, key)
    cluster.fault = forbid("create_event", "unable to create new content in namespace x because it is being terminated")
    await record.write(statuses.begun(record.head.status, PodObservation("h", "p", Phase.RUNNING), record.at))
    assert [line for line in caplog.messages if "no Event" in line] == []


async def test_what_a_newer_operator_wrote_is_a_sentence(cluster: FakeCluster, key: Key) -> None:
    """After a way back to an older release."""
    cluster.tasks[key]["status"] = {"phase": "Sleeping"}
    with pytest.raises(Unreadable, match=r"^this operator cannot read the task, which a newer one may have written: "):
        await read(cluster, key)
