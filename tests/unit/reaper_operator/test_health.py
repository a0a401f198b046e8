"""health.py: alive is that the loops turn, ready is that a replica does its part."""

import pytest

from reaper_operator.health import Health, Pulse


class Monotonic:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def time() -> Monotonic:
    return Monotonic()


@pytest.fixture
def standby(time: Monotonic) -> Health:
    return Health(Pulse(time, interval=4, slack=10), Pulse(time, interval=60, slack=30))


@pytest.fixture
def leader(standby: Health) -> Health:
    standby.lead()
    standby.watching = True
    return standby


def test_a_fresh_operator_is_alive_and_not_ready(standby: Health) -> None:
    assert standby.liveness_problem() is None
    assert standby.readiness_problem() == "the Lease was not seen yet"


def test_a_standby_that_sees_the_lease_is_ready(standby: Health, time: Monotonic) -> None:
    for _ in range(100):
        time.now += 4
        standby.lease.beat(True)
    assert standby.liveness_problem() is None
    assert standby.readiness_problem() is None


def test_a_standby_that_does_not_see_the_lease_is_unready_and_not_sick(standby: Health, time: Monotonic) -> None:
    standby.lease.beat(True)
    for _ in range(10):
        time.now += 10
        standby.lease.beat(False)
    assert standby.liveness_problem() is None
    assert standby.readiness_problem() == "the Lease was not seen for 100 s"


def test_a_standby_that_does_not_even_look_is_sick(standby: Health, time: Monotonic) -> None:
    standby.lease.beat(True)
    time.now = 22
    assert standby.liveness_problem() is None
    time.now = 23
    assert standby.liveness_problem() == "no look at the Lease was even tried for 23 s"


def test_a_new_leader_is_ready_when_it_watches(standby: Health, time: Monotonic) -> None:
    time.now = 100_000
    standby.lead()
    assert standby.liveness_problem() is None
    assert standby.readiness_problem() == "not watching yet"
    standby.watching = True
    assert standby.readiness_problem() is None


def test_an_api_server_that_is_away_makes_a_leader_unready_and_not_sick(leader: Health, time: Monotonic) -> None:
    for _ in range(10):
        time.now += 60
        leader.resync.beat(False)
    assert leader.liveness_problem() is None
    assert leader.readiness_problem() == "the API server has not answered a resync for 600 s"
    leader.resync.beat(True)
    assert leader.readiness_problem() is None


def test_a_loop_that_stands_still_makes_a_leader_sick(leader: Health, time: Monotonic) -> None:
    time.now = 210
    assert leader.liveness_problem() is None
    time.now = 211
    assert leader.liveness_problem() == "no resync was even tried for 211 s"


def test_webhooks_that_are_not_served_make_a_replica_unready_and_not_sick(standby: Health) -> None:
    standby.lease.beat(True)
    standby.webhooks = "the webhooks are not served yet"
    assert standby.readiness_problem() == "the webhooks are not served yet"
    assert standby.liveness_problem() is None
    standby.webhooks = None
    assert standby.readiness_problem() is None


def test_stopping(leader: Health) -> None:
    leader.stopping = True
    assert leader.readiness_problem() == "stopping"
    assert leader.liveness_problem() is None
