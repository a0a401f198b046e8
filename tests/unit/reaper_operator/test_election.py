"""election.py: one leader at most, and one again soon, whatever happens to processes, clocks and requests."""

from __future__ import annotations

import logging
from datetime import timedelta

import pytest

from reaper_operator.lease import Terms
from tests.fakes.candidates import TERMS, Candidate, Link, World


@pytest.fixture
def world() -> World:
    return World()


def leader(world: World) -> Candidate:
    (found,) = world.leaders()
    return found


def other(world: World, than: Candidate) -> Candidate:
    return next(candidate for candidate in world.candidates if candidate is not than)


def test_the_first_one_leads_and_the_others_stand_by(world: World) -> None:
    first = world.add()
    world.pass_time(1)
    world.add()
    world.pass_time(60)
    assert leader(world) is first
    assert world.lease.holders == [first.name]
    assert world.lease.record is not None
    assert world.lease.record.transitions == 0


def test_a_leader_that_is_killed_is_replaced_when_its_lease_has_run_out(world: World) -> None:
    first, second = world.add(), world.add()
    world.pass_time(20)
    assert leader(world) is first
    first.kill()
    world.pass_time(TERMS.lease - TERMS.retry)
    assert not world.leaders()
    world.pass_time(TERMS.retry + 1)
    assert leader(world) is second
    assert world.lease.record is not None
    assert world.lease.record.transitions == 1


def test_a_leader_that_is_told_to_end_is_replaced_at_once(world: World) -> None:
    first, second = world.add(), world.add()
    world.pass_time(20)
    first.terminate()
    world.pass_time(TERMS.retry * 2.2)
    assert leader(world) is second


def test_a_standby_that_ends_leaves_the_lease_alone(world: World) -> None:
    first, second = world.add(), world.add()
    world.pass_time(20)
    second.terminate()
    world.pass_time(30)
    assert leader(world) is first
    assert world.lease.holders == [first.name]


def test_a_leader_that_was_stopped_does_not_lead_when_it_wakes(world: World) -> None:
    first, second = world.add(), world.add()
    world.pass_time(20)
    first.stopped = True
    world.pass_time(30)
    assert leader(world) is second
    first.stopped = False
    assert not first.tenure.leads()
    world.pass_time(10)
    assert leader(world) is second
    assert first.lost == "not renewed for 10 s: this process stood still"


def test_alone_it_does_not_lead_when_it_wakes_either(world: World) -> None:
    only = world.add()
    world.pass_time(20)
    only.stopped = True
    world.pass_time(30)
    only.stopped = False
    world.pass_time(30)
    assert not world.leaders()
    assert only.lost is not None


@pytest.mark.parametrize(
    ("link", "why"),
    [
        (Link.REFUSED, "not renewed for 10 s: etcdserver: leader changed"),
        (Link.PUT_OFF, "not renewed for 10 s: too many requests"),
        (Link.ANSWER_LOST, "not renewed for 10 s: timed out"),
        (Link.HELD, "not renewed for 10 s: timed out"),
    ],
)
def test_a_leader_without_answers_ends_before_another_leads(world: World, link: Link, why: str) -> None:
    first, second = world.add(), world.add()
    world.pass_time(20)
    first.link = link
    world.pass_time(TERMS.renew + 1)
    assert not world.leaders()
    assert first.lost == why
    world.pass_time(TERMS.lease + TERMS.renew)
    assert leader(world) is second


@pytest.mark.parametrize("link", [link for link in Link if link is not Link.FINE])
def test_trouble_that_ends_in_time_costs_nothing(world: World, link: Link) -> None:
    first, _ = world.add(), world.add()
    world.pass_time(20)
    first.link = link
    world.pass_time(TERMS.renew / 2 - 1)
    first.link = Link.FINE
    world.pass_time(60)
    assert leader(world) is first


def test_an_api_server_that_refuses_now_and_then_is_told_of_now_and_then(
    world: World, caplog: pytest.LogCaptureFixture
) -> None:
    """One renewal in two fails: the leader goes on, and its log can be read."""
    first = world.add()
    world.pass_time(20)
    for _ in range(300):
        for link in (Link.REFUSED, Link.FINE):
            first.link = link
            world.pass_time(TERMS.retry)
    assert leader(world) is first
    told = [message for message in caplog.messages if "not renewed" in message]
    once = "the Lease is not renewed: etcdserver: leader changed; 8.0 s left"
    assert told == [once, f"{once} (150 times in 10 min)"]


def test_a_standby_that_is_put_off_for_an_hour_looks_again_while_healthz_counts_its_looks(world: World) -> None:
    first, second = world.add(), world.add()
    world.pass_time(20)
    second.link = Link.PUT_OFF
    world.pass_time(TERMS.renew)
    second.link = Link.FINE
    first.terminate()
    world.pass_time(TERMS.renew)
    assert leader(world) is second


def test_a_leader_whose_answers_are_slow_leads_from_when_it_asked(world: World) -> None:
    first, second = world.add(), world.add()
    world.pass_time(20)
    first.back = 4.5
    world.pass_time(20)
    assert leader(world) is first
    first.link = Link.REFUSED
    second.dice = 0.0
    world.pass_time(20)  # world.check: the second does not lead while a write of the first may still be done
    assert leader(world) is second


def test_a_renewal_that_is_executed_late_changes_nothing(world: World) -> None:
    first, second = world.add(), world.add()
    world.pass_time(20)
    first.link = Link.HELD
    world.pass_time(40)
    assert leader(world) is second
    assert world.under_way
    for request in world.under_way:
        request.executes = world.now
    world.pass_time(10)
    assert leader(world) is second


def test_clocks_that_jump_change_nothing(world: World) -> None:
    first, second = world.add(), world.add()
    world.pass_time(20)
    for days in (-400, 400):
        first.skew, second.skew = timedelta(days=days), timedelta(days=-days)
        world.pass_time(40)
        assert leader(world) is first


def test_a_label_on_the_lease_changes_nothing(world: World) -> None:
    first = world.add()
    for _ in range(20):
        world.pass_time(2)
        world.lease.touch()
    assert leader(world) is first


def test_a_lease_that_is_deleted_is_made_anew_by_its_holder(world: World) -> None:
    first, second = world.add(), world.add()
    second.dice = 0.0
    world.pass_time(20)
    for _ in range(8):
        world.lease.record = None
        world.pass_time(0.5)  # the standby looks at another moment than the leader renews
    world.pass_time(10)
    assert leader(world) is first
    assert world.lease.holders == [first.name]


def test_two_that_claim_at_the_same_moment(world: World) -> None:
    candidates = [world.add() for _ in range(5)]
    world.pass_time(30)
    assert leader(world) in candidates
    assert len(world.lease.holders) == 1


def test_a_successor_waits_as_long_as_the_record_says_not_as_long_as_it_would_itself(world: World) -> None:
    patient = world.add(terms=Terms(lease=60, renew=40, retry=5))
    world.pass_time(5)
    hasty = world.add()
    world.pass_time(5)
    patient.kill()
    world.pass_time(50)
    assert not world.leaders()
    world.pass_time(15)
    assert leader(world) is hasty


def test_a_release_whose_renewal_is_still_under_way(world: World) -> None:
    first, second = world.add(), world.add()
    world.pass_time(20)
    first.link = Link.ANSWER_LOST
    world.pass_time(3)  # a renewal was executed, and the leader does not know
    first.link = Link.FINE
    first.terminate()
    world.pass_time(TERMS.retry * 2.2)
    assert leader(world) is second


def test_a_claim_whose_answer_is_lost_is_released_too(world: World) -> None:
    first = world.add()
    first.link = Link.ANSWER_LOST
    first.run()
    world.lease.record = None
    first.link = Link.FINE
    first.terminate()
    world.pass_time(1)
    assert world.lease.record is None


def test_a_release_that_fails_is_said_and_ends_all_the_same(world: World, caplog: pytest.LogCaptureFixture) -> None:
    first, second = world.add(), world.add()
    world.pass_time(20)
    first.link = Link.REFUSED
    first.terminate()
    world.pass_time(1)
    assert not world.leaders()
    assert "the Lease is not released, and runs out: etcdserver: leader changed" in caplog.text
    world.pass_time(TERMS.lease + 1)
    assert leader(world) is second


def test_whoever_waits_says_so_once(world: World, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    world.add()
    world.pass_time(1)
    world.add().link = Link.REFUSED
    world.pass_time(10)
    world.candidates[1].link = Link.FINE
    world.pass_time(60)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("INFO", "leading as candidate-1"),
        ("WARNING", "standing by: the Lease cannot be had, which is tried again: etcdserver: leader changed"),
        ("INFO", "standing by: candidate-1 leads"),
    ]
    assert {record.__dict__["object"] for record in caplog.records} == {"candidate-1", "candidate-2"}


def test_each_try_is_a_sign_of_life(world: World) -> None:
    only = world.add()
    world.pass_time(5)
    only.link = Link.REFUSED
    world.pass_time(4)
    assert only.looks[0] is True
    assert only.looks[-1] is False


def test_somebody_who_changes_the_lease_between_a_look_and_a_claim_costs_a_leader_a_try_and_not_the_lease(
    world: World,
) -> None:
    first = world.add()
    world.pass_time(20)
    first.there = 0.5
    for _ in range(10):
        world.pass_time(0.25)
        world.lease.touch()
    first.there = 0.0
    world.pass_time(20)
    assert leader(world) is first
    assert first.lost is None
