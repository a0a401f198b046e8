"""health.py: alive is that the loops turn, ready is that the operator is at work."""

import pytest

from reaper_operator.health import Vitals


class Monotonic:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Monotonic:
    return Monotonic()


@pytest.fixture
def vitals(time: Monotonic) -> Vitals:
    vitals = Vitals(time, interval=60, slack=30)
    vitals.watching = True
    return vitals


def test_a_fresh_operator_is_alive_and_not_ready(time: Monotonic) -> None:
    vitals = Vitals(time, interval=60, slack=30)
    assert vitals.sickness() is None
    assert vitals.unreadiness() == "not watching yet"


def test_an_api_server_that_is_away_makes_it_unready_and_not_sick(vitals: Vitals, time: Monotonic) -> None:
    for _ in range(10):
        time.now += 60
        vitals.resynced(succeeded=False)
    assert vitals.sickness() is None
    assert vitals.unreadiness() == "the API server has not answered a resync for 600 s"
    vitals.resynced(succeeded=True)
    assert vitals.unreadiness() is None


def test_a_loop_that_stands_still_makes_it_sick(vitals: Vitals, time: Monotonic) -> None:
    time.now = 210
    assert vitals.sickness() is None
    time.now = 211
    assert vitals.sickness() == "no resync was even tried for 211 s"


def test_stopping(vitals: Vitals) -> None:
    vitals.stopping = True
    assert vitals.unreadiness() == "stopping"
    assert vitals.sickness() is None
