"""complaints.py: what lasts is told once, and then at a rate that somebody can bear."""

from __future__ import annotations

import logging

import pytest

from reaper_operator.complaints import OF_A_PART, OF_AN_OBJECT, Complaints
from reaper_operator.errors import Unreadable
from tests.fakes.time import FakeLoop


@pytest.fixture
def time() -> FakeLoop:
    return FakeLoop()


@pytest.fixture
def complaints(time: FakeLoop) -> Complaints:
    return Complaints(lambda: time.now)


def test_it_is_told_once_and_later_how_often_it_was(complaints: Complaints, time: FakeLoop) -> None:
    told = []
    for _ in range(3 * int(OF_A_PART) // 10):
        told.append(complaints.due("no answer"))
        time.pass_time(10)
    often = "no answer (60 times in 10 min)"
    assert [text for text in told if text is not None] == ["no answer", often, often]


def test_of_one_object_among_many_it_is_told_more_seldom(complaints: Complaints, time: FakeLoop) -> None:
    assert complaints.due("odd", "default/hello") == "odd"
    time.pass_time(OF_AN_OBJECT - 1)
    assert complaints.due("odd", "default/hello") is None
    time.pass_time(1)
    assert complaints.due("odd", "default/hello") == "odd (2 times in 60 min)"


def test_another_sentence_or_object_is_news(complaints: Complaints) -> None:
    assert complaints.due("a") == "a"
    assert complaints.due("b") == "b"
    assert complaints.due("a", "default/hello") == "a"


def test_two_that_take_turns_are_told_once_each(complaints: Complaints) -> None:
    told = [complaints.due(text) for text in ("a", "b") * 10]
    assert [text for text in told if text is not None] == ["a", "b"]


def test_what_comes_again_after_it_was_over_is_news(complaints: Complaints) -> None:
    for subject in ("", "default/hello"):
        assert complaints.due("a", subject) == "a"
    complaints.over()
    assert complaints.due("a") == "a"
    assert complaints.due("a", "default/hello") is None
    complaints.over("default/never")


def test_what_is_rare_is_told_without_a_count(complaints: Complaints, time: FakeLoop) -> None:
    assert complaints.due("odd") == "odd"
    time.pass_time(OF_A_PART)
    assert complaints.due("odd") == "odd"


def test_not_all_is_remembered_for_ever(time: FakeLoop) -> None:
    complaints = Complaints(lambda: time.now, most=2)
    for subject in ("a", "b", "a", "c"):
        complaints.due("odd", subject)
    assert [complaints.due("odd", subject) for subject in ("a", "c", "b")] == [None, None, "odd"]
    time.pass_time(OF_AN_OBJECT)
    for number in range(2):
        complaints.due(f"a sentence with the number {number}", "c")
    assert complaints.due("odd", "c") == "odd (2 times in 60 min)"
    complaints.due("another", "c")
    assert complaints.due("odd", "c") is None, "what was told last is forgotten last"
    for number in range(100):
        complaints.due(f"a sentence with the number {number}", "c")
    assert complaints.due("odd", "c") == "odd"


def test_a_line_has_its_object_and_what_changes_each_time(
    complaints: Complaints, caplog: pytest.LogCaptureFixture
) -> None:
    """What is not told is there at debug level."""
    caplog.set_level("DEBUG")
    complaints.about("odd", "default/hello", more="; next try in 1 s")
    complaints.about("odd", "default/hello", more="; next try in 2 s")
    complaints.about("no answer", level=logging.INFO)
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", "odd; next try in 1 s"),
        ("DEBUG", "odd; next try in 2 s"),
        ("INFO", "no answer"),
    ]
    assert [record.__dict__.get("object") for record in caplog.records] == ["default/hello", "default/hello", None]


def test_what_cannot_be_read_is_told_and_what_can_is_there(
    complaints: Complaints, caplog: pytest.LogCaptureFixture
) -> None:
    def read() -> int:
        raise Unreadable("it makes no sense")

    assert complaints.unless_unreadable(read, "default/hello") is None
    assert caplog.messages == ["it makes no sense"]
    assert complaints.unless_unreadable(lambda: 1, "default/hello") == 1


def test_the_fault_itself_is_shown_where_it_is_told(complaints: Complaints, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(2):
        complaints.about("it failed", fault=ValueError("why"))
    (record,) = caplog.records
    assert record.exc_info is not None
