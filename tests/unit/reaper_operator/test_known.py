"""known.py: what is remembered of tasks, and what is not."""

import json
from typing import Any

import pytest

from reaper_operator.key import Key
from reaper_operator.known import KnownTasks

KEY = Key("default", "hello")


def body(version: int, **metadata: Any) -> dict[str, Any]:
    return {"metadata": {"name": "hello", "resourceVersion": str(version), **metadata}, "spec": {}}


def test_a_watch_that_lags_behind_our_writes_takes_nothing_back() -> None:
    known = KnownTasks()
    known.heard(KEY, body(10))
    known.heard(KEY, body(9))
    assert known.get(KEY) == body(10)
    known.heard(KEY, body(11))  # not "9" < "10" as text would have it
    assert known.get(KEY) == body(11)


def test_what_nobody_reads_is_not_kept() -> None:
    known = KnownTasks()
    shown = body(1, managedFields=[{"manager": "kubectl"}])
    known.heard(KEY, shown)
    assert known.get(KEY) == body(1)
    assert "managedFields" in shown["metadata"], "the object is somebody else's"


def test_the_tasks_that_were_heard_of_last_are_known() -> None:
    known = KnownTasks(limit=2 * len(json.dumps(body(1), separators=(",", ":"))))
    keys = [Key("default", name) for name in "abc"]
    known.heard(keys[0], body(1))
    known.heard(keys[1], body(2))
    known.heard(keys[0], body(3))
    known.heard(keys[2], body(4))
    assert [known.get(key) is not None for key in keys] == [True, False, True]
    known.forget(keys[0])
    known.forget(keys[0])
    assert len(known) == 1
    known.heard(keys[1], body(5))
    assert [known.get(key) is not None for key in keys] == [False, True, True], "what is forgotten takes no room"


def test_what_is_known_is_nobodys_to_change() -> None:
    known = KnownTasks()
    known.heard(KEY, body(1))
    got = known.get(KEY)
    assert got is not None
    got["spec"]["suspend"] = True
    assert known.get(KEY) == body(1)


def test_a_list_corrects_what_is_known_and_adds_nothing() -> None:
    known = KnownTasks()
    known.listed(KEY, body(1))
    assert len(known) == 0
    known.heard(KEY, body(1))
    known.listed(KEY, body(2))
    assert known.get(KEY) == body(2)


def test_none_are_known_where_none_may_be() -> None:
    known = KnownTasks(limit=0)
    known.heard(KEY, body(1))
    assert known.get(KEY) is None


@pytest.mark.parametrize("known", [KnownTasks(), KnownTasks(limit=0)])
def test_which_tasks_are_not_over_is_known_of_all(known: KnownTasks) -> None:
    known.listed(KEY, body(1))
    known.forget(KEY)
    assert known.under_way(KEY), "what is forgotten is how it is, not that it is"
    known.over(KEY)
    assert not known.under_way(KEY)
    known.heard(KEY, body(1))
    assert known.under_way(KEY)
    known.over(KEY)
    assert known.get(KEY) is None
    assert not known.under_way(KEY)
