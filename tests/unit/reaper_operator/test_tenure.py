"""tenure.py: the fence."""

import pytest

from reaper_operator.errors import NotLeader
from reaper_operator.lease import Terms
from reaper_operator.tenure import Tenure


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def tenure(clock: Clock) -> Tenure:
    return Tenure(clock, Terms(lease=15, renew=10, retry=2))


def test_nobody_writes_before_he_leads(tenure: Tenure) -> None:
    assert not tenure.leads()
    with pytest.raises(NotLeader, match="not sent: this replica does not lead"):
        tenure.seconds_for_a_write()


def test_a_write_ends_before_another_can_lead(tenure: Tenure, clock: Clock) -> None:
    assert tenure.confirm(clock.now)
    assert tenure.seconds_for_a_write() == 15.0
    clock.now += 9.5
    assert tenure.seconds_left() == 0.5
    assert tenure.seconds_for_a_write() == 5.5


def test_after_the_deadline_no_write_begins(tenure: Tenure, clock: Clock) -> None:
    tenure.confirm(clock.now)
    clock.now += 10
    assert (tenure.leads(), tenure.seconds_left()) == (False, 0.0)
    with pytest.raises(NotLeader, match=r"not sent: the Lease was not renewed for 10\.0 s"):
        tenure.seconds_for_a_write()


def test_a_renewal_counts_from_when_it_was_sent(tenure: Tenure, clock: Clock) -> None:
    tenure.confirm(clock.now)
    clock.now += 4
    tenure.confirm(clock.now - 3)
    assert tenure.seconds_left() == 7


def test_an_answer_that_comes_too_late_makes_no_leader(tenure: Tenure, clock: Clock) -> None:
    assert not tenure.confirm(clock.now - 10)
    assert not tenure.leads()
    assert tenure.confirm(clock.now)


def test_who_has_ceased_to_lead_does_not_begin_anew(tenure: Tenure, clock: Clock) -> None:
    tenure.confirm(clock.now)
    clock.now += 10
    assert not tenure.confirm(clock.now)
    assert not tenure.leads()


def test_an_end_is_at_once(tenure: Tenure, clock: Clock) -> None:
    tenure.confirm(clock.now)
    tenure.end()
    with pytest.raises(NotLeader):
        tenure.seconds_for_a_write()
