"""workers.py: one bad task never holds up another, and nothing ends a worker."""

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from reaper_operator.errors import Conflict, NotFound, Unavailable, Unreadable, Waiting
from reaper_operator.key import Key
from reaper_operator.logs import Subject
from reaper_operator.telemetry import Silent, Telemetry, Told
from reaper_operator.workers import Reconcile, Workers
from reaper_operator.workqueue import WorkQueue

A, B, C = (Key("default", name) for name in "abc")


def make(reconcile: Reconcile, *, count: int, telemetry: Telemetry | None = None) -> tuple[WorkQueue[Key], Workers]:
    available = asyncio.Event()
    loop = asyncio.get_running_loop()
    queue: WorkQueue[Key] = WorkQueue(loop.call_later, available.set, base=0.001, limit=0.01)
    return queue, Workers(queue, reconcile, available, count=count, telemetry=telemetry)


@pytest.mark.parametrize(
    "error",
    [Waiting("Why", "so"), Conflict(409, "late"), NotFound(404, "gone"), Unavailable(503, "down"), ZeroDivisionError()],
)
async def test_a_failing_task_is_tried_again_and_the_others_are_handled(
    error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    tries: list[Key] = []
    recovered = asyncio.Event()

    async def reconcile(key: Key) -> None:
        tries.append(key)
        if key == A and tries.count(A) < 3:
            raise error
        if key == A:
            recovered.set()

    with caplog.at_level(logging.CRITICAL):
        queue, workers = make(reconcile, count=1)
        running = asyncio.create_task(workers.run())
        for key in (A, B, C):
            queue.add(key)
        await asyncio.wait_for(recovered.wait(), 5)
        workers.stop()
        await asyncio.wait_for(running, 5)
    assert tries[:3] == [A, B, C]
    assert tries.count(A) == 3


async def test_a_task_that_hangs_leaves_the_other_workers_free() -> None:
    hang, done = asyncio.Event(), asyncio.Event()

    async def reconcile(key: Key) -> None:
        if key == A:
            await hang.wait()
        else:
            done.set()

    queue, workers = make(reconcile, count=2)
    running = asyncio.create_task(workers.run())
    queue.add(A)
    queue.add(B)
    await asyncio.wait_for(done.wait(), 5)
    hang.set()
    workers.stop()
    await asyncio.wait_for(running, 5)


async def test_stop_finishes_what_is_in_hand_and_takes_no_more() -> None:
    entered, leave = asyncio.Event(), asyncio.Event()
    finished: list[Key] = []

    async def reconcile(key: Key) -> None:
        entered.set()
        await leave.wait()
        finished.append(key)

    queue, workers = make(reconcile, count=1)
    running = asyncio.create_task(workers.run())
    queue.add(A)
    queue.add(B)
    await asyncio.wait_for(entered.wait(), 5)
    workers.stop()
    leave.set()
    await asyncio.wait_for(running, 5)
    assert finished == [A]


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (Unavailable(503, "the server is starting", retry_after=1), "the server is starting; next try in 1.0 s"),
        (Waiting("Why", "so", retry_after=2), "Why: so; next look in 2.0 s"),
    ],
)
async def test_a_line_in_the_log_names_the_task_and_the_delay_that_the_server_wants(
    error: Exception, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    caplog.handler.addFilter(Subject())
    seen = asyncio.Event()

    async def reconcile(key: Key) -> None:
        seen.set()
        raise error

    queue, workers = make(reconcile, count=1)
    running = asyncio.create_task(workers.run())
    queue.add(A)
    await asyncio.wait_for(seen.wait(), 5)
    workers.stop()
    await asyncio.wait_for(running, 5)
    (record,) = caplog.records
    assert record.__dict__["object"] == "default/a"
    assert record.getMessage() == line


@pytest.mark.parametrize(
    ("error", "level", "line"),
    [
        (Unavailable(503, "down"), "WARNING", "down; next try in "),
        (Unreadable("it makes no sense"), "WARNING", "it makes no sense; next try in "),
        (Waiting("Why", "so"), "INFO", "Why: so; next look in "),
        (KeyError("a fault of ours"), "ERROR", "reconcile failed by KeyError('a fault of ours'); next try in "),
    ],
)
async def test_what_fails_for_long_is_told_once(
    error: Exception, level: str, line: str, caplog: pytest.LogCaptureFixture
) -> None:
    """And again when it has been well in between."""
    caplog.set_level(logging.INFO)
    over = asyncio.Event()
    outcomes: list[Exception | None] = [*(error,) * 5, None, *(error,) * 5, None]

    async def reconcile(key: Key) -> None:
        outcome = outcomes.pop(0)
        if outcome is not None:
            raise outcome
        over.set()

    queue, workers = make(reconcile, count=1)
    running = asyncio.create_task(workers.run())
    for left in (6, 0):
        over.clear()
        queue.add(A)
        await asyncio.wait_for(over.wait(), 5)
        assert len(outcomes) == left
    workers.stop()
    await asyncio.wait_for(running, 5)
    assert [record.levelname for record in caplog.records] == [level] * 2
    assert all(message.startswith(line) for message in caplog.messages)
    assert [record.exc_info is not None for record in caplog.records] == [level == "ERROR"] * 2


@pytest.mark.parametrize(
    ("error", "result"),
    [
        (None, "success"),
        (Waiting("Why", "so"), "requeue_after"),
        (Conflict(409, "late"), "requeue"),
        (Unavailable(503, "down"), "error"),
        (ZeroDivisionError(), "error"),
    ],
)
async def test_how_a_reconcile_went_is_told(
    error: Exception | None, result: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    telemetry = Results()

    async def reconcile(key: Key) -> None:
        if error is not None:
            raise error

    queue, workers = make(reconcile, count=1, telemetry=telemetry)
    running = asyncio.create_task(workers.run())
    queue.add(A)
    await asyncio.wait_for(telemetry.heard.wait(), 5)
    workers.stop()
    await asyncio.wait_for(running, 5)
    assert telemetry.results[0] == (A, result)


class Results(Silent):
    """A Telemetry that keeps how reconciles went."""

    def __init__(self) -> None:
        self.results: list[tuple[Key, str]] = []
        self.heard = asyncio.Event()

    @contextmanager
    def reconcile(self, key: Key) -> Iterator[Told]:
        def told(result: str) -> None:
            self.results.append((key, result))
            self.heard.set()

        yield told
