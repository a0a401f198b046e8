"""restarts.py: a part that ends again and again is begun ever more seldom, and is not taken for well too soon."""

from __future__ import annotations

import pytest

from reaper_operator.restarts import WELL, Restarts
from tests.fakes.time import FakeLoop


@pytest.fixture
def time() -> FakeLoop:
    return FakeLoop()


@pytest.fixture
def restarts(time: FakeLoop) -> Restarts:
    return Restarts(lambda: time.now, lambda: 0.0)


def run(restarts: Restarts, time: FakeLoop, seconds: float) -> float:
    """A run that ends by itself; for how long it was not taken for well."""
    restarts.begun()
    unsure = restarts.unsure
    time.pass_time(seconds)
    restarts.failed()
    return unsure


def test_the_pause_grows_and_has_an_end(restarts: Restarts, time: FakeLoop) -> None:
    pauses = []
    for _ in range(8):
        run(restarts, time, 8)
        pauses.append(restarts.pause())
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]
    for _ in range(2000):
        restarts.failed()
    assert restarts.pause() == 30


def test_it_grows_also_where_nothing_could_begin(restarts: Restarts) -> None:
    pauses = []
    for _ in range(3):
        restarts.failed()
        pauses.append(restarts.pause())
    assert pauses == [1, 2, 4]


def test_after_a_run_that_went_well_it_is_short_again(restarts: Restarts, time: FakeLoop) -> None:
    for _ in range(5):
        run(restarts, time, 8)
    run(restarts, time, WELL)
    assert restarts.pause() == 1


def test_replicas_do_not_come_together(time: FakeLoop) -> None:
    pauses = set()
    for chance in (0.0, 0.5, 1.0):
        restarts = Restarts(lambda: time.now, lambda chance=chance: chance)  # type: ignore[misc]
        restarts.failed()
        pauses.add(restarts.pause())
    assert pauses == {1.0, 1.1, 1.2}


def test_a_run_is_taken_for_well_when_it_has_outlived_those_that_were_not(restarts: Restarts, time: FakeLoop) -> None:
    """The first, and the one after the first end, at once: one end says nothing of the next."""
    assert [run(restarts, time, 8) for _ in range(4)] == [0, 0, 16, 16]
    assert [run(restarts, time, 40) for _ in range(2)] == [16, 80]
    assert run(restarts, time, WELL - 1) == 80
    assert run(restarts, time, WELL) == WELL
    assert [run(restarts, time, 8) for _ in range(2)] == [0, 16]


def test_what_was_refused_before_it_began_says_nothing_of_a_run(restarts: Restarts, time: FakeLoop) -> None:
    for _ in range(5):
        restarts.failed()
    assert [run(restarts, time, 8) for _ in range(3)] == [0, 0, 16]


def test_how_long_it_has_taken_is_told_once(restarts: Restarts, time: FakeLoop) -> None:
    restarts.begun()
    assert restarts.well() == ""
    restarts.failed()
    time.pass_time(3)
    restarts.begun()
    assert restarts.well() == " again, after 1 try in 3 s"
    assert restarts.well() == ""
    for _ in range(34):
        restarts.failed()
        time.pass_time(20)
    assert restarts.well() == " again, after 34 tries in 11 min"


def test_the_first_time_is_not_again(restarts: Restarts, time: FakeLoop) -> None:
    restarts.failed()
    time.pass_time(3)
    restarts.begun()
    assert restarts.well() == ", after 1 try in 3 s"
