"""Scheduler, I/O priority and personality of config.json."""

from __future__ import annotations

from typing import Any

import pytest

from reaper_runtime.errors import InvalidBundle
from reaper_runtime.oci.scheduling import parse_io_priority, parse_personality, parse_scheduler


def test_a_scheduler() -> None:
    found = parse_scheduler(
        {"policy": "SCHED_DEADLINE", "flags": ["SCHED_FLAG_RECLAIM"], "runtime": 1, "deadline": 2, "period": 3}, "x"
    )
    assert found is not None
    assert (found.policy, found.flags, found.nice, found.priority) == (6, 2, 0, 0)
    assert (found.runtime, found.deadline, found.period) == (1, 2, 3)


def test_an_io_priority_and_a_personality() -> None:
    assert parse_io_priority({"class": "IOPRIO_CLASS_BE", "priority": 4}, "x") == 2 << 13 | 4
    assert parse_personality({"domain": "LINUX32"}, "x") == 8


@pytest.mark.parametrize("parse", [parse_scheduler, parse_io_priority, parse_personality])
def test_nothing_is_nothing(parse: Any) -> None:
    assert parse(None, "x") is None
    assert parse({}, "x") is None
    with pytest.raises(InvalidBundle, match=r"^x must be an object"):
        parse(["y"], "x")


@pytest.mark.parametrize(
    ("parse", "value"),
    [
        (parse_scheduler, {"policy": "SCHED_NONE"}),
        (parse_scheduler, {"nice": 1}),
        (parse_scheduler, {"policy": "SCHED_OTHER", "nice": 20}),
        (parse_scheduler, {"policy": "SCHED_FIFO", "priority": 100}),
        (parse_scheduler, {"policy": "SCHED_FIFO", "priority": "1"}),
        (parse_scheduler, {"policy": "SCHED_OTHER", "flags": ["x"]}),
        (parse_io_priority, {"class": "x"}),
        (parse_io_priority, {"class": "IOPRIO_CLASS_RT", "priority": 8}),
        (parse_personality, {"domain": "BSD"}),
        (parse_personality, {"domain": "LINUX", "flags": ["x"]}),
    ],
)
def test_what_is_wrong_is_refused(parse: Any, value: Any) -> None:
    with pytest.raises(InvalidBundle, match=r"^x\."):
        parse(value, "x")
