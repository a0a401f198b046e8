"""Events: in the order of what happened, and none is lost while containerd is down."""

from __future__ import annotations

import errno
import os
import time
from typing import TYPE_CHECKING, Any

import pytest

from reaper_runtime.errors import DeadlineExceeded, FailedPrecondition, ResourceExhausted, Unavailable
from reaper_runtime.loop import Future
from reaper_runtime.shim.events import TOPICS, Publisher
from reaper_runtime.wire import messages as m
from tests.fakes.runtime import eventually, settled
from tests.fakes.ttrpc import FakeContainerd

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from reaper_runtime.errors import ReaperError
    from reaper_runtime.loop import Loop
    from reaper_runtime.wire.protobuf import Message

    Run = Callable[..., Any]


@pytest.fixture
def containerd(loop: Loop, tmp_path: Path) -> Iterator[FakeContainerd]:
    made = FakeContainerd(loop, tmp_path / "s")
    yield made
    made.stop()


@pytest.fixture
def log() -> list[str]:
    return []


@pytest.fixture
def publisher(loop: Loop, tmp_path: Path, log: list[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Publisher]:
    monkeypatch.setattr("reaper_runtime.shim.events._FIRST_PAUSE", 0.002)
    made = Publisher(loop, f"unix://{tmp_path}/s", "k8s.io", log.append)
    yield made
    if made._client is not None:
        made._client.close()


def _start(number: int) -> m.TaskStart:
    return m.TaskStart(container_id="c1", pid=number)


def _pids(containerd: FakeContainerd) -> list[int]:
    return [m.TaskStart.decode(_envelope(one).event.value).pid for one in containerd.received]  # type: ignore[union-attr]


def _envelope(request: Message) -> m.Envelope:
    assert isinstance(request, m.ForwardRequest)
    assert request.envelope is not None
    return request.envelope


def test_an_event_has_time_namespace_topic_and_type(run: Run, publisher: Publisher, containerd: FakeContainerd) -> None:
    before = time.time_ns()
    publisher.publish(_start(7))
    run(settled(publisher.sent))
    envelope = _envelope(containerd.received[0])
    assert envelope.timestamp is not None
    assert envelope.event is not None
    at = envelope.timestamp.seconds * m.NANOSECONDS + envelope.timestamp.nanos
    assert before <= at <= time.time_ns()
    assert (envelope.namespace, envelope.topic) == ("k8s.io", "/tasks/start")
    assert envelope.event.type_url == "containerd.events.TaskStart"
    assert m.TaskStart.decode(envelope.event.value) == _start(7)


def test_every_event_that_we_declare_has_a_topic() -> None:
    declared = {name for name in vars(m) if name.startswith("Task") and name != "TaskIO"}
    assert set(TOPICS) == declared


def test_events_arrive_in_order(run: Run, publisher: Publisher, containerd: FakeContainerd) -> None:
    for number in range(1, 101):
        publisher.publish(_start(number))
    assert not publisher.sent.done
    run(settled(publisher.sent))
    assert _pids(containerd) == list(range(1, 101))


def test_the_queue_can_be_empty_and_fill_again(run: Run, publisher: Publisher, containerd: FakeContainerd) -> None:
    for number in (1, 2, 3):
        publisher.publish(_start(number))
        run(settled(publisher.sent))
    assert _pids(containerd) == [1, 2, 3]


def test_events_wait_for_a_containerd_that_is_down_and_keep_their_order(
    run: Run, loop: Loop, publisher: Publisher, containerd: FakeContainerd, log: list[str]
) -> None:
    async def story() -> None:
        publisher.publish(_start(1))
        await settled(publisher.sent)
        containerd.stop()
        for number in range(2, 12):
            publisher.publish(_start(number))
        await eventually(loop, lambda: len(log) >= 2)
        assert not publisher.sent.done
        containerd.start()
        publisher.publish(_start(12))
        await publisher.sent

    run(story())
    assert _pids(containerd) == list(range(1, 13))
    assert log[0].startswith("event waits for containerd")


def test_an_event_whose_answer_was_lost_is_sent_again(
    run: Run, loop: Loop, publisher: Publisher, containerd: FakeContainerd
) -> None:
    async def story() -> None:
        publisher.publish(_start(1))
        await eventually(loop, lambda: containerd.server and containerd.server.connections)
        containerd.stop()  # the request may be on its way
        containerd.start()
        publisher.publish(_start(2))
        await publisher.sent

    run(story())
    assert _pids(containerd) in ([1, 2], [1, 1, 2])


def test_a_containerd_that_never_answers_is_asked_anew(
    run: Run,
    loop: Loop,
    publisher: Publisher,
    containerd: FakeContainerd,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("reaper_runtime.shim.events.ANSWER_SECONDS", 0.02)
    hung = True

    async def forward(request: Message) -> Message:
        if hung:
            await Future()
        containerd.received.append(request)
        return m.Empty()

    monkeypatch.setattr(containerd, "methods", lambda: {"Forward": (m.ForwardRequest, forward)})
    containerd.stop()
    containerd.start()

    async def story() -> None:
        nonlocal hung
        publisher.publish(_start(1))
        await eventually(loop, lambda: publisher._client is not None and publisher._client.closed)
        hung = False
        await publisher.sent

    run(story())
    assert _pids(containerd) == [1]


def test_an_event_that_containerd_refuses_does_not_hold_up_the_next(
    run: Run, publisher: Publisher, containerd: FakeContainerd, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def forward(request: Message) -> Message:
        if not containerd.received:
            containerd.received.append(request)
            raise FailedPrecondition("not that one")
        containerd.received.append(request)
        return m.Empty()

    monkeypatch.setattr(containerd, "methods", lambda: {"Forward": (m.ForwardRequest, forward)})
    containerd.stop()
    containerd.start()
    publisher.publish(_start(1))
    publisher.publish(_start(2))
    run(settled(publisher.sent))
    assert _pids(containerd) == [1, 2]
    assert log == ["event refused by containerd: Forward: not that one (code 9)"]


def _refuse(containerd: FakeContainerd, monkeypatch: pytest.MonkeyPatch, refusals: list[ReaperError]) -> None:
    """From here on the fake containerd answers with these, one a request, before it takes anything."""

    async def forward(request: Message) -> Message:
        if refusals:
            raise refusals.pop(0)
        containerd.received.append(request)
        return m.Empty()

    monkeypatch.setattr(containerd, "methods", lambda: {"Forward": (m.ForwardRequest, forward)})
    containerd.stop()
    containerd.start()


def test_an_event_that_containerd_cannot_take_now_is_sent_again(
    run: Run, publisher: Publisher, containerd: FakeContainerd, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _refuse(containerd, monkeypatch, [Unavailable("later"), DeadlineExceeded("late"), ResourceExhausted("full")])
    publisher.publish(_start(1))
    publisher.publish(_start(2))
    run(settled(publisher.sent))
    assert _pids(containerd) == [1, 2]
    assert log[0] == "event waits for containerd: Forward: later (code 14)"
    assert len(log) == 3


def test_an_event_that_is_never_taken_does_not_hold_up_the_next_for_ever(
    run: Run, publisher: Publisher, containerd: FakeContainerd, log: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _refuse(containerd, monkeypatch, [Unavailable("later") for _ in range(5)])
    publisher.publish(_start(1))
    publisher.publish(_start(2))
    run(settled(publisher.sent))
    assert _pids(containerd) == [2]
    assert log[-1] == "event lost, refused by containerd 5 times: Forward: later (code 14)"


def test_a_node_without_memory_does_not_end_the_sending(
    run: Run,
    loop: Loop,
    publisher: Publisher,
    containerd: FakeContainerd,
    log: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watch, failures = loop.watch, [OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))]

    def fail_once(fd: int, events: int, callback: Callable[[int], None]) -> None:
        if failures:
            raise failures.pop()
        watch(fd, events, callback)

    monkeypatch.setattr(loop, "watch", fail_once)
    publisher.publish(_start(1))
    run(settled(publisher.sent))
    assert _pids(containerd) == [1]
    assert len(log) == 1
    assert log[0].endswith("/s cannot be reached: Cannot allocate memory")


def test_without_an_address_nothing_is_kept(loop: Loop, log: list[str]) -> None:
    publisher = Publisher(loop, "", "k8s.io", log.append)
    publisher.publish(_start(1))
    assert publisher.sent.done
    assert not publisher._queue
