"""The event loop: futures, timers, descriptors, signals, and that one defect never costs another its turn."""

from __future__ import annotations

import os
import signal
import socket
import time
from typing import TYPE_CHECKING, Any

import pytest

from reaper_runtime.loop import READ, Future, Loop
from tests.fakes.runtime import open_fds, turn

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Run = Callable[..., Any]


@pytest.fixture
def pair() -> Iterator[tuple[socket.socket, socket.socket]]:
    ours, theirs = socket.socketpair()
    yield ours, theirs
    ours.close()
    theirs.close()


async def _value(future: Future) -> object:
    return await future


def test_a_future_gives_its_value_to_all_who_wait(loop: Loop, run: Run) -> None:
    future = Future()
    outcomes = [loop.spawn(_value(future)) for _ in range(3)]
    future.set("value")
    run(turn(loop))
    assert [outcome.result() for outcome in outcomes] == ["value"] * 3


def test_a_future_raises_its_error_for_all_who_wait(loop: Loop, run: Run) -> None:
    future = Future()
    outcome = loop.spawn(_value(future))
    future.fail(ValueError("no"))
    run(turn(loop))
    with pytest.raises(ValueError, match="no"):
        outcome.result()


def test_the_first_setting_of_a_future_counts() -> None:
    future = Future()
    future.set(1)
    future.set(2)
    future.fail(ValueError())
    assert future.result() == 1


def test_a_callback_on_a_done_future_is_called_at_once() -> None:
    future, called = Future(), []
    future.set()
    future.when_done(lambda: called.append(True))
    assert called == [True]


def test_a_coroutine_runs_up_to_its_first_wait_at_once(loop: Loop) -> None:
    steps = []

    async def story() -> None:
        steps.append("before")
        await Future()

    loop.spawn(story())
    assert steps == ["before"]


def test_timers_fire_in_the_order_of_their_times(loop: Loop, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    fired: list[int] = []
    now = time.monotonic()
    with monkeypatch.context() as held:
        held.setattr(time, "monotonic", lambda: now)  # however long it takes to say them
        for number in (3, 1, 2):
            loop.call_later(number / 1000, lambda number=number: fired.append(number))  # type: ignore[misc]
    run(turn(loop, 0.01))
    assert fired == [1, 2, 3]


def test_timers_of_the_same_time_fire_in_the_order_of_their_making(loop: Loop, run: Run) -> None:
    fired: list[int] = []
    for number in range(5):
        loop.call_later(0, lambda number=number: fired.append(number))  # type: ignore[misc]
    run(turn(loop, 0.01))
    assert fired == list(range(5))


def test_a_cancelled_timer_does_not_fire(loop: Loop, run: Run) -> None:
    fired: list[int] = []
    loop.call_later(0, lambda: fired.append(1)).cancel()
    run(turn(loop, 0.005))
    assert fired == []


@pytest.mark.parametrize("seconds", [1e7, 9.2e9, float("inf")])
def test_a_timer_in_the_far_future_does_not_end_the_loop(
    loop: Loop, seconds: float, pair: tuple[socket.socket, socket.socket]
) -> None:
    loop.call_later(seconds, lambda: None)
    loop.readable(pair[0].fileno()).when_done(loop.stop)
    pair[1].send(b"x")
    loop.run()


def test_a_timer_that_sets_itself_again_leaves_others_their_turn(
    loop: Loop, run: Run, pair: tuple[socket.socket, socket.socket]
) -> None:
    again = True

    def restless() -> None:
        if again:
            loop.call_later(0, restless)

    restless()
    pair[1].send(b"x")
    run(_value(loop.readable(pair[0].fileno())))
    again = False


def test_a_descriptor_is_reported_while_it_can_be_read(
    loop: Loop, run: Run, pair: tuple[socket.socket, socket.socket]
) -> None:
    seen = Future()
    pair[1].send(b"x")
    loop.watch(pair[0].fileno(), READ, lambda _events: seen.set(pair[0].recv(8)))
    assert run(_value(seen)) == b"x"
    loop.unwatch(pair[0].fileno())


def test_an_event_is_not_taken_for_one_of_the_next_descriptor_with_its_number(loop: Loop, run: Run) -> None:
    pairs = [socket.socketpair(), socket.socketpair()]
    called: list[int] = []
    idle = socket.socketpair()
    numbers = {pair[0].fileno() for pair in pairs}

    def replace_the_other(mine: int) -> None:
        """Whichever of the two comes first: both are reported in one round."""
        (other,) = numbers - {mine}
        loop.unwatch(mine)
        loop.unwatch(other)
        os.dup2(idle[0].fileno(), other)
        loop.watch(other, READ, called.append)

    for ours, theirs in pairs:
        theirs.send(b"x")
        mine = ours.fileno()
        loop.watch(mine, READ, lambda _, mine=mine: replace_the_other(mine))  # type: ignore[misc]
    run(turn(loop, 0.005))
    assert called == []
    for fd in numbers:
        loop.unwatch(fd)
    for each in (*pairs[0], *pairs[1], *idle):
        each.close()


def test_readable_is_set_when_the_other_end_is_closed(
    loop: Loop, run: Run, pair: tuple[socket.socket, socket.socket]
) -> None:
    ready = loop.readable(pair[0].fileno())
    pair[1].close()
    run(_value(ready))


def test_an_unwatched_descriptor_is_not_reported_any_more(
    loop: Loop, run: Run, pair: tuple[socket.socket, socket.socket]
) -> None:
    called: list[int] = []
    loop.watch(pair[0].fileno(), READ, called.append)
    loop.unwatch(pair[0].fileno())
    loop.unwatch(pair[0].fileno())
    pair[1].send(b"x")
    run(turn(loop, 0.005))
    assert called == []


def test_a_callback_may_unwatch_another_that_is_ready_in_the_same_round(loop: Loop, run: Run) -> None:
    pipes = [os.pipe() for _ in range(2)]
    called = []

    def first_one_wins(fd: int) -> Callable[[int], None]:
        def callback(_events: int) -> None:
            called.append(fd)
            for receive, _ in pipes:
                loop.unwatch(receive)

        return callback

    for receive, send in pipes:
        os.write(send, b"x")
        loop.watch(receive, READ, first_one_wins(receive))
    run(turn(loop, 0.005))
    assert len(called) == 1
    for fd in (*pipes[0], *pipes[1]):
        os.close(fd)


def test_an_error_in_a_callback_is_reported_and_the_loop_goes_on(
    loop: Loop, run: Run, defects: list[Exception]
) -> None:
    loop.call_later(0, lambda: 1 / 0)  # type: ignore[arg-type]
    run(turn(loop, 0.005))
    assert [type(defect) for defect in defects] == [ZeroDivisionError]
    defects.clear()


def test_the_error_of_a_detached_coroutine_is_reported(loop: Loop, run: Run, defects: list[Exception]) -> None:
    async def broken() -> None:
        await turn(loop)
        raise ValueError("broken")

    loop.spawn_detached(broken())
    run(turn(loop, 0.005))
    assert [str(defect) for defect in defects] == ["broken"]
    defects.clear()


def test_a_signal_is_heard_in_the_loop(loop: Loop, run: Run) -> None:
    heard = Future()
    loop.on_signal(signal.SIGUSR1, heard.set)
    os.kill(os.getpid(), signal.SIGUSR1)
    run(_value(heard))


def test_many_signals_at_once_are_heard_at_least_once_each(loop: Loop, run: Run) -> None:
    heard: set[int] = set()
    for number in (signal.SIGUSR1, signal.SIGUSR2):
        loop.on_signal(number, lambda number=number: heard.add(number))  # type: ignore[misc]
    for number in (signal.SIGUSR1, signal.SIGUSR2) * 50:
        os.kill(os.getpid(), number)
    run(turn(loop, 0.005))
    assert heard == {signal.SIGUSR1, signal.SIGUSR2}


def test_close_gives_back_its_descriptors_and_signals() -> None:
    before = open_fds()
    loop = Loop(lambda _error: None)
    loop.on_signal(signal.SIGUSR1, lambda: None)
    loop.close()
    assert open_fds() == before
    assert signal.getsignal(signal.SIGUSR1) is signal.SIG_DFL


def test_stop_ends_run_after_the_callback(loop: Loop) -> None:
    steps = []

    def stop() -> None:
        loop.stop()
        steps.append("rest of the callback")

    loop.call_later(0, stop)
    loop.run()
    assert steps == ["rest of the callback"]
