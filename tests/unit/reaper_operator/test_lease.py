"""lease.py: who may write himself into a Lease, and what he writes."""

from datetime import UTC, datetime, timedelta

import pytest

from reaper_operator import lease
from reaper_operator.lease import Record, Seen, Terms

TERMS = Terms(lease=15, renew=10, retry=2)
NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)
LATER = NOON + timedelta(seconds=5)
OTHERS = Record("other", 15, NOON, NOON, transitions=3)


def test_a_record_that_does_not_change_is_as_old_as_the_first_look_at_it() -> None:
    first = lease.seen(None, OTHERS, 100.0)
    again = lease.seen(first, OTHERS, 110.0)
    assert (again.since, again.expires) == (100.0, 115.0)


def test_a_change_makes_it_young() -> None:
    first = lease.seen(None, OTHERS, 100.0)
    renewed = lease.seen(first, lease.claim(first, "other", TERMS, LATER), 110.0)
    assert renewed.expires == 125.0


@pytest.mark.parametrize(
    ("last", "now", "may"),
    [
        (None, 0.0, True),
        (Seen(OTHERS, 100.0), 114.9, False),
        (Seen(OTHERS, 100.0), 115.0, True),
        (Seen(Record("me", 15, NOON, NOON, 3), 100.0), 100.0, True),
        (Seen(Record("", 1, NOON, NOON, 3), 100.0), 100.0, True),
        (Seen(Record("other", 60, NOON, NOON, 3), 100.0), 159.0, False),
    ],
    ids=["no Lease", "held", "run out", "mine", "released", "the holder's own duration counts"],
)
def test_who_may_claim(last: Seen | None, now: float, may: bool) -> None:  # noqa: FBT001 - a table
    assert lease.may_claim(last, "me", now) is may


@pytest.mark.parametrize("behind", [timedelta(days=-365), timedelta(0), timedelta(days=365)])
def test_times_of_day_decide_nothing(behind: timedelta) -> None:
    record = Record("other", 15, NOON + behind, NOON + behind, 3)
    assert not lease.may_claim(Seen(record, 100.0), "me", 101.0)


def test_the_first_claim() -> None:
    assert lease.claim(None, "me", TERMS, NOON) == Record("me", 15, NOON, NOON, transitions=0)


def test_a_renewal_moves_one_time_only() -> None:
    mine = Record("me", 15, NOON, NOON, transitions=3)
    assert lease.claim(Seen(mine, 0.0), "me", TERMS, LATER) == Record("me", 15, NOON, LATER, transitions=3)


@pytest.mark.parametrize("holder", ["other", ""])
def test_taking_over_counts_as_a_transition(holder: str) -> None:
    before = Record(holder, 15, NOON, NOON, transitions=3)
    assert lease.claim(Seen(before, 0.0), "me", TERMS, LATER) == Record("me", 15, LATER, LATER, transitions=4)


def test_a_released_lease_has_no_holder_and_one_second() -> None:
    assert lease.release(Seen(OTHERS, 0.0), LATER) == Record("", 1, LATER, LATER, transitions=3)
