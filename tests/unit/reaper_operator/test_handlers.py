"""handlers.py: what Kopf may do, and that it may do no more. Its events: tests/integration/test_operator.py."""

from typing import Any

import kopf
import pytest

from reaper_api.task import ReaperTask
from reaper_operator import handlers
from reaper_operator.complaints import Complaints
from reaper_operator.key import Key
from reaper_operator.known import KnownTasks
from reaper_operator.last_seen import LastSeenPods
from reaper_operator.workqueue import WorkQueue
from tests.fakes.cluster import FakeClock, container, pod_body, task_body, terminated
from tests.fakes.time import FakeLoop


def test_kopf_writes_nothing_and_looks_at_nothing_else() -> None:
    settings = handlers.settings(instance="reaper-operator-0")
    assert settings.scanning.disabled
    assert settings.peering.standalone
    assert not settings.posting.enabled
    assert settings.admission.managed is None
    body = kopf.Body({"metadata": {"labels": {"a": "b"}}, "spec": {}})
    assert settings.persistence.diffbase_storage.build(body=body) == {}, "nothing is copied to be compared"
    assert settings.persistence.diffbase_storage.fetch(body=body) is None
    assert settings.watching.label_selectors["v1/pods"] == "reaper.io/task"


def test_only_events_are_handled() -> None:
    """Any other kind of handler would write annotations or finalizers."""
    registry = kopf.OperatorRegistry()
    queue = WorkQueue[Key](FakeLoop().call_later, lambda: None, base=1, limit=1)
    handlers.register(registry, queue, LastSeenPods(), FakeClock(), KnownTasks(limit=0), Complaints(lambda: 0.0))
    kinds = {name: len(vars(registry)[name].get_all_handlers()) for name in vars(registry) if name != "_activities"}
    assert {name: count for name, count in kinds.items() if count} == {"_watching": 2}


@pytest.mark.parametrize(
    ("change", "metadata", "status", "news"),
    [
        ("ADDED", {}, {}, True),
        ("MODIFIED", {}, {"phase": "Pending", "observedGeneration": 1}, False),
        (None, {}, {"phase": "Pending", "observedGeneration": 1}, False),
        ("MODIFIED", {"generation": 2}, {"phase": "Pending", "observedGeneration": 1}, True),
        ("MODIFIED", {"deletionTimestamp": "2026-11-23T12:00:00Z"}, {"observedGeneration": 1}, True),
        ("DELETED", {}, {"phase": "Pending", "observedGeneration": 1}, True),
        ("MODIFIED", {"generation": 2}, {"phase": "Failed", "observedGeneration": 1}, True),
        ("MODIFIED", {}, {"phase": "Failed", "observedGeneration": 1}, False),
        ("MODIFIED", {"finalizers": ["reaper.io/process"]}, {"phase": "Failed", "observedGeneration": 1}, False),
        (None, {"finalizers": ["reaper.io/process"]}, {"phase": "Failed", "observedGeneration": 1}, True),
        ("MODIFIED", {"deletionTimestamp": "2026-11-23T12:00:00Z"}, {"phase": "Failed"}, False),
        (
            "MODIFIED",
            {"deletionTimestamp": "2026-11-23T12:00:00Z", "finalizers": ["reaper.io/process"]},
            {"phase": "Failed"},
            True,
        ),
    ],
)
def test_what_the_operator_wrote_itself_is_no_news(
    change: str | None,
    metadata: dict[str, Any],
    status: dict[str, Any],
    news: bool,  # noqa: FBT001
) -> None:
    body = task_body()
    assert handlers.is_news(change, body | {"metadata": body["metadata"] | metadata, "status": status}) is news


def test_the_end_of_a_finished_task_is_known_without_asking() -> None:
    clock = FakeClock()
    finished = {
        "type": "Finished",
        "status": "True",
        "reason": "Completed",
        "message": "",
        "lastTransitionTime": "2026-11-23T11:59:50Z",
    }
    over = {"phase": "Succeeded", "conditions": [finished]}
    assert handlers.until_expiry(task_body(ttlSecondsAfterFinished=60) | {"status": over}, clock()) == 50
    assert handlers.until_expiry(task_body(ttlSecondsAfterFinished=5) | {"status": over}, clock()) == 0
    assert handlers.until_expiry(task_body() | {"status": over}, clock()) is None
    assert handlers.until_expiry(task_body(ttlSecondsAfterFinished=60), clock()) is None


class Watching:
    """The handlers, and what they note; called as Kopf calls them."""

    def __init__(self) -> None:
        self.queue = WorkQueue[Key](FakeLoop().call_later, lambda: None, base=1, limit=1)
        self.last_seen, self.known = LastSeenPods(), KnownTasks()
        registry = kopf.OperatorRegistry()
        handlers.register(registry, self.queue, self.last_seen, FakeClock(), self.known, Complaints(lambda: 0.0))
        self._handlers: dict[str, Any] = {
            str(handler.id).rpartition(".")[2]: handler.fn for handler in registry._watching.get_all_handlers()
        }

    async def tell(self, handler: str, change: str | None, body: dict[str, Any]) -> None:
        await self._handlers[handler](event={"type": change, "object": body})


TASK = Key("default", "hello")


async def test_a_task_is_known_from_its_watch_while_it_is_there_and_not_over() -> None:
    on, body = Watching(), task_body()
    await on.tell("task_changed", "ADDED", body)
    assert on.known.get(TASK) == body
    assert on.queue.take() == TASK
    await on.tell("task_changed", "MODIFIED", body | {"status": {"phase": "Succeeded"}})
    assert on.known.get(TASK) is None
    await on.tell("task_changed", None, body)
    await on.tell("task_changed", "DELETED", body)
    assert on.known.get(TASK) is None


async def test_a_pod_is_news_from_its_watch_while_it_is_there() -> None:
    on, pod = Watching(), pod_body("Running", uid="pod-1")
    pod["metadata"]["ownerReferences"] = [ReaperTask.parse(task_body()).owner_reference]
    await on.tell("pod_changed", "MODIFIED", pod)
    assert on.queue.take() == TASK
    assert on.last_seen.news(TASK, "pod-1") is not None
    await on.tell("pod_changed", "MODIFIED", pod)
    await on.tell("pod_changed", "DELETED", pod)
    assert on.last_seen.news(TASK, "pod-1") is None
    assert on.last_seen.get(TASK, "pod-1") is not None


def over(uid: str = "pod-1") -> dict[str, Any]:
    pod = pod_body("Succeeded", uid=uid, containerStatuses=[container(terminated=terminated(0))])
    pod["metadata"]["ownerReferences"] = [ReaperTask.parse(task_body()).owner_reference]
    return pod


async def test_a_pod_that_was_over_when_the_watch_began_is_no_news() -> None:
    """There is one for each task that has finished: each new leader would ask for them all."""
    on = Watching()
    await on.tell("task_changed", None, task_body() | {"status": {"phase": "Succeeded", "observedGeneration": 1}})
    await on.tell("pod_changed", None, over())
    assert on.queue.take() is None
    assert len(on.last_seen) == 0
    await on.tell("pod_changed", "MODIFIED", over())
    assert on.queue.take() == TASK


async def test_what_ended_while_nobody_watched_is_news() -> None:
    on, running = Watching(), task_body() | {"status": {"phase": "Running", "observedGeneration": 1}}
    await on.tell("task_changed", None, running)
    assert on.queue.take() is None
    await on.tell("pod_changed", None, over())
    assert on.queue.take() == TASK
    assert on.last_seen.news(TASK, "pod-1") is not None


async def test_also_where_the_list_of_pods_comes_first() -> None:
    """Or the task is one of more than are known: the resync has listed it before anything is watched."""
    on = Watching()
    on.known.listed(TASK, task_body() | {"status": {"phase": "Running"}})
    await on.tell("pod_changed", None, over())
    assert on.queue.take() == TASK


def odd() -> dict[str, Any]:
    """A Pod of the task that nobody can read."""
    pod = pod_body("Running", uid="pod-1", containerStatuses=[container(running={"startedAt": "yesterday"})])
    pod["metadata"]["ownerReferences"] = [ReaperTask.parse(task_body()).owner_reference]
    return pod


async def test_a_pod_that_cannot_be_read_is_a_sentence(caplog: pytest.LogCaptureFixture) -> None:
    """Kopf would print a traceback for each event of it."""
    on = Watching()
    for change in (None, "MODIFIED", "MODIFIED"):
        await on.tell("pod_changed", change, odd())
    (record,) = caplog.records
    assert record.getMessage().startswith("this operator cannot read Pod hello of the task: Invalid isoformat string")
    assert (record.__dict__["object"], record.exc_info) == ("default/hello", None)
    assert on.queue.take() is None, "a reconcile could not read it either"


async def test_a_pod_that_could_not_be_read_is_news_when_it_is_gone() -> None:
    on = Watching()
    await on.tell("pod_changed", "DELETED", odd())
    assert on.queue.take() == TASK


@pytest.mark.parametrize(
    ("end", "text"),
    [
        ("sometime", "this operator cannot read the task, which a newer one may have written: status.completionTime: "),
        ("9999-12-31T23:59:59Z", "this operator cannot read the task: status.completionTime is 9999-12-31T23:59:59Z, "),
    ],
)
async def test_a_finished_task_that_cannot_be_read_is_a_sentence(
    end: str, text: str, caplog: pytest.LogCaptureFixture
) -> None:
    on = Watching()
    status = {"phase": "Succeeded", "observedGeneration": 1, "completionTime": end}
    for change in (None, "MODIFIED"):
        await on.tell("task_changed", change, task_body(ttlSecondsAfterFinished=60) | {"status": status})
    (record,) = caplog.records
    assert record.getMessage().startswith(text)
    assert (record.__dict__["object"], record.exc_info) == ("default/hello", None)
