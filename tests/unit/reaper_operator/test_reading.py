"""reading.py: an object that makes no sense is a sentence: what, where, and what to do."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from reaper_operator.errors import Unreadable
from reaper_operator.observe import observe
from reaper_operator.reading import later, read_pod, read_task
from tests.fakes.cluster import container, pod_body, task_body

POD = (
    "this operator cannot read Pod hello of the task: {}. Whoever wrote its status has to correct it; or give the Pod "
    "up, which ends this attempt of the task: kubectl delete pod hello -n default"
)


def test_what_can_be_read() -> None:
    assert read_task(task_body()).metadata.name == "hello"
    assert read_pod(pod_body("Running")) == observe(pod_body("Running"))


def test_what_a_newer_operator_wrote_into_a_task() -> None:
    """After a way back to an older release."""
    with pytest.raises(Unreadable) as caught:
        read_task(task_body() | {"status": {"phase": "Sleeping"}})
    assert caught.value.message.startswith(
        "this operator cannot read the task, which a newer one may have written: status.phase: must be 'Pending', "
    )
    assert caught.value.message.endswith(
        ". Run that one, or correct the task: kubectl edit reapertask hello -n default --subresource=status"
    )


@pytest.mark.parametrize(
    ("status", "what"),
    [
        (
            {"containerStatuses": [container(running={"startedAt": "yesterday"})]},
            "Invalid isoformat string: 'yesterday'",
        ),
        (
            {"containerStatuses": [container(running={"startedAt": "9999-12-31T23:59:59Z"})]},
            "9999-12-31T23:59:59Z is a time that nobody can count from",
        ),
        ({"conditions": [{"type": "PodScheduled"}]}, "there is no 'status'"),
        ({"conditions": "none"}, "string indices must be integers, not 'str'"),
    ],
)
def test_a_pod_whose_status_makes_no_sense(status: dict[str, Any], what: str) -> None:
    with pytest.raises(Unreadable) as caught:
        read_pod(pod_body("Running") | {"status": {"phase": "Running", **status}})
    assert caught.value.message == POD.format(what)


def test_a_time_that_can_be_counted_from() -> None:
    since = datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert later(since, 60, "status.activeSince") == datetime(2026, 11, 23, 12, 1, tzinfo=UTC)


def test_a_time_that_nobody_can_count_from() -> None:
    """Whoever may write a status may write a date that overflows."""
    with pytest.raises(Unreadable) as caught:
        later(datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC), 10, "status.activeSince")
    assert caught.value.message == (
        "this operator cannot read the task: status.activeSince is 9999-12-31T23:59:59Z, a time that nobody can count "
        "from. Correct it: kubectl edit reapertask NAME -n NAMESPACE --subresource=status"
    )
