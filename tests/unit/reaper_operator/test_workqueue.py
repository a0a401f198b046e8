"""workqueue.py: at most once in the queue, never twice in hand, back-off by key."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaper_operator.workqueue import WorkQueue
from tests.fakes.time import FakeLoop


@pytest.fixture
def loop() -> FakeLoop:
    return FakeLoop()


@pytest.fixture
def queue(loop: FakeLoop) -> WorkQueue[str]:
    return WorkQueue(loop.call_later, lambda: None, base=0.5, limit=300)


def test_once_however_often_it_is_added(queue: WorkQueue[str]) -> None:
    for key in ("a", "b", "a", "a"):
        queue.add(key)
    assert [queue.take(), queue.take(), queue.take()] == ["a", "b", None]


def test_a_key_in_hand_is_not_given_out_again_until_it_is_done(queue: WorkQueue[str]) -> None:
    queue.add("a")
    assert queue.take() == "a"
    queue.add("a")
    assert queue.take() is None
    queue.done("a")
    assert queue.take() == "a"
    queue.done("a")
    assert queue.take() is None


def test_back_off_doubles_by_key_and_ends_with_success(queue: WorkQueue[str]) -> None:
    assert [queue.retry("a") for _ in range(4)] == [0.5, 1, 2, 4]
    assert queue.retry("b") == 0.5
    queue.succeeded("a")
    assert queue.retry("a") == 0.5


def test_back_off_has_a_limit_for_ever(queue: WorkQueue[str]) -> None:
    assert [queue.retry("a") for _ in range(2000)][-1] == 300


def test_what_is_going_to_be_due_comes_then(queue: WorkQueue[str], loop: FakeLoop) -> None:
    queue.add_later("a", 10)
    queue.add_later("a", 5)
    loop.pass_time(4)
    assert queue.take() is None
    loop.pass_time(1)
    assert queue.take() == "a"
    queue.done("a")
    loop.pass_time(100)
    assert queue.take() is None


def test_what_has_not_looked_at_a_key_only_brings_its_timer_forward(queue: WorkQueue[str], loop: FakeLoop) -> None:
    queue.add_by("a", 10)
    loop.pass_time(5)
    queue.add_by("a", 10)
    loop.pass_time(4)
    assert queue.take() is None
    loop.pass_time(1)
    assert queue.take() == "a"
    queue.done("a")
    queue.add_later("a", 60)
    queue.add_by("a", 3)
    loop.pass_time(3)
    assert queue.take() == "a"
    queue.done("a")
    loop.pass_time(100)
    assert queue.take() is None


def test_whoever_looks_at_a_key_sets_its_timer_anew(queue: WorkQueue[str], loop: FakeLoop) -> None:
    queue.add_later("a", 5)
    queue.add("a")
    assert queue.take() == "a"
    queue.done("a")
    loop.pass_time(5)
    assert queue.take() is None


def test_a_back_off_does_not_hide_what_is_due_nor_the_other_way_round(queue: WorkQueue[str], loop: FakeLoop) -> None:
    queue.retry("a", at_least=60)
    queue.add_later("a", 5)
    queue.add_unless_waiting("a")
    assert queue.take() is None
    loop.pass_time(5)
    assert queue.take() == "a"
    queue.done("a")
    queue.add_later("a", 3600)
    queue.add_unless_waiting("a")
    assert queue.take() == "a"


def test_the_end_forgets_what_is_due(queue: WorkQueue[str], loop: FakeLoop) -> None:
    queue.add_later("a", 5)
    queue.close()
    loop.pass_time(5)
    assert queue.take() is None


def test_the_server_may_ask_for_more(queue: WorkQueue[str]) -> None:
    assert queue.retry("a", at_least=7) == 7


def test_a_retry_comes_when_it_is_due_and_holds_up_nobody(queue: WorkQueue[str], loop: FakeLoop) -> None:
    queue.retry("bad")
    queue.add("good")
    assert queue.take() == "good"
    assert queue.take() is None
    loop.pass_time(0.5)
    assert queue.take() == "bad"


def test_news_come_before_the_end_of_a_back_off_and_replace_it(queue: WorkQueue[str], loop: FakeLoop) -> None:
    queue.retry("a")
    queue.add("a")
    assert queue.take() == "a"
    queue.done("a")
    loop.pass_time(10)
    assert queue.take() is None


def test_what_is_no_news_leaves_a_back_off_alone(queue: WorkQueue[str], loop: FakeLoop) -> None:
    queue.retry("a")
    for key in ("a", "b"):
        queue.add_unless_waiting(key)
    assert [queue.take(), queue.take()] == ["b", None]
    queue.add_unless_waiting("b")
    queue.done("b")
    assert queue.take() is None
    loop.pass_time(0.5)
    assert queue.take() == "a"


def test_no_news_brings_forward_what_is_held(queue: WorkQueue[str], loop: FakeLoop) -> None:
    queue.add("a")
    assert queue.take() == "a"
    queue.add("a")  # news while it is in hand
    queue.retry("a", at_least=7, hold=True)
    queue.done("a")
    queue.add("a")
    queue.add_later("a", 1)
    loop.pass_time(6)
    assert queue.take() is None
    loop.pass_time(1)
    assert queue.take() == "a"
    queue.done("a")
    loop.pass_time(100)
    assert queue.take() is None
    queue.add("a")
    assert queue.take() == "a", "it is held once"


def test_what_is_held_comes_once(queue: WorkQueue[str], loop: FakeLoop) -> None:
    queue.add("a")
    assert queue.take() == "a"
    queue.retry("a", at_least=7, hold=True)
    loop.pass_time(8)
    assert queue.take() is None, "it is in hand"
    queue.done("a")
    assert [queue.take(), queue.take()] == ["a", None]


def test_close_drops_everything(queue: WorkQueue[str], loop: FakeLoop) -> None:
    queue.add("a")
    queue.add("b")
    assert queue.take() == "a"
    queue.add("a")
    queue.retry("c", hold=True)
    queue.close()
    queue.done("a")
    loop.pass_time(10)
    assert queue.take() is None


def test_whoever_waits_is_woken_for_each_key() -> None:
    woken: list[int] = []
    queue: WorkQueue[str] = WorkQueue(FakeLoop().call_later, lambda: woken.append(1), base=1, limit=1)
    queue.add("a")
    queue.take()
    queue.add("a")
    assert len(woken) == 1
    queue.done("a")
    assert len(woken) == 2


@given(st.lists(st.tuples(st.sampled_from(["add", "take", "done", "retry", "hold", "tick"]), st.sampled_from("abc"))))
def test_a_key_that_was_added_is_always_handled_after_that(story: list[tuple[str, str]]) -> None:
    loop = FakeLoop()
    queue: WorkQueue[str] = WorkQueue(loop.call_later, lambda: None, base=1, limit=8)
    in_hand: set[str] = set()
    owed: set[str] = set()
    for verb, key in story:
        match verb:
            case "add":
                queue.add(key)
                owed.add(key)
            case "take":
                taken = queue.take()
                if taken is not None:
                    assert taken not in in_hand
                    in_hand.add(taken)
                    owed.discard(taken)
            case "done" if key in in_hand:
                in_hand.discard(key)
                queue.done(key)
            case "retry" | "hold" if key in in_hand:
                queue.retry(key, hold=verb == "hold")
                owed.add(key)
            case "tick":
                loop.pass_time(1)
    for key in in_hand:
        queue.done(key)
    loop.pass_time(100)
    rest = set()
    while (taken := queue.take()) is not None:
        rest.add(taken)
    assert rest >= owed
