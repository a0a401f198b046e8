"""What is due when."""

from __future__ import annotations

from reaper_node.agenda import LONGEST_RETRY, Agenda


def test_the_earliest_first_and_nothing_before_its_time() -> None:
    agenda = Agenda()
    assert (agenda.take(0.0), agenda.wait(0.0)) == (None, None)
    agenda.add("late", 9.0)
    agenda.add("early", 3.0)
    assert (agenda.take(2.0), agenda.wait(2.0)) == (None, 1.0)
    assert [agenda.take(10.0), agenda.take(10.0), agenda.take(10.0)] == ["early", "late", None]
    assert not agenda.has("early")


def test_a_failure_is_tried_again_later_and_later() -> None:
    agenda = Agenda()
    delays = [agenda.retry("one", 0.0) for _ in range(9)]
    assert delays == [0.5, 1, 2, 4, 8, 16, 32, LONGEST_RETRY, LONGEST_RETRY]
    assert agenda.wait(0.0) == LONGEST_RETRY
    agenda.add("other", 1.0)
    assert agenda.take(1.0) == "other"


def test_success_and_news_end_the_delays() -> None:
    agenda = Agenda()
    for _ in range(3):
        agenda.retry("one", 0.0)
    agenda.done("one")
    assert agenda.retry("one", 0.0) == 0.5
    agenda.add("one", 0.0)
    assert agenda.retry("one", 0.0) == 0.5
