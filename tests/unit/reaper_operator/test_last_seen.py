"""last_seen.py: how Pods were seen last, and what of it is news."""

from dataclasses import replace

from reaper_api.vocabulary import Phase
from reaper_operator.key import Key
from reaper_operator.last_seen import LastSeenPods
from reaper_operator.observe import PodObservation

KEY = Key("default", "hello")
POD = PodObservation(name="hello", uid="pod-1", phase=Phase.RUNNING)


def test_what_a_watch_has_told_is_news_once() -> None:
    last_seen = LastSeenPods()
    last_seen.heard(KEY, POD, gone=False)
    assert last_seen.news(KEY, "pod-1") == POD
    assert last_seen.news(KEY, "pod-1") is None
    assert last_seen.get(KEY, "pod-1") == POD


def test_news_of_another_pod_are_none() -> None:
    last_seen = LastSeenPods()
    last_seen.heard(KEY, POD, gone=False)
    assert last_seen.news(KEY, "pod-2") is None
    assert last_seen.news(KEY, None) is None


def test_a_pod_that_is_gone_is_remembered_and_no_news() -> None:
    last_seen = LastSeenPods()
    last_seen.heard(KEY, POD, gone=False)
    last_seen.heard(KEY, replace(POD, phase=Phase.SUCCEEDED), gone=True)
    assert last_seen.news(KEY, "pod-1") is None
    assert last_seen.get(KEY, "pod-1") == replace(POD, phase=Phase.SUCCEEDED)


def test_a_watch_that_lags_behind_shows_no_gate_that_was_taken_off() -> None:
    last_seen = LastSeenPods()
    gated = replace(POD, phase=Phase.PENDING, gated=True)
    last_seen.heard(KEY, gated, gone=False)
    assert last_seen.gated(KEY) == [gated]
    last_seen.started(KEY, "pod-1")
    last_seen.heard(KEY, gated, gone=False)
    assert last_seen.gated(KEY) == []
    assert last_seen.news(KEY, "pod-1") == replace(gated, gated=False)


def test_what_a_watch_told_before_the_gate_was_taken_off_says_nothing_of_one_after_it() -> None:
    last_seen = LastSeenPods()
    gated = replace(POD, phase=Phase.PENDING, gated=True)
    last_seen.heard(KEY, gated, gone=False)
    last_seen.started(KEY, "pod-1")
    assert last_seen.gated(KEY) == []
    assert last_seen.news(KEY, "pod-1") == replace(gated, gated=False)


def test_nothing_is_left_of_a_task_that_is_forgotten() -> None:
    last_seen = LastSeenPods()
    last_seen.heard(KEY, POD, gone=False)
    last_seen.started(KEY, "pod-1")
    last_seen.drop(KEY, "pod-1")
    assert last_seen.news(KEY, "pod-1") is None
    last_seen.forget(KEY)
    assert len(last_seen) == 0
