"""The rows of tasks beside Jobs, and what is created of both."""

from __future__ import annotations

import json

import pytest

from reaper_api.task import ReaperTask
from tests.bench.accounts import Requests
from tests.bench.tasks import JOBS, TASKS, Figures, Kind, rows

SLOW, FAST = [10.0, 20.0, 600.0], [5.0, 10.0, 20.0]
TASK = Figures(20.0, 30.0, Requests(4, 6, 9), 0.05, 0.3, 120.0, {20: FAST, 100: SLOW}, Requests(20, 0, 300))
JOB = Figures(25.0, 40.0, Requests(0, 5, 0), 0.02, 0.2, 150.0, {20: FAST, 100: FAST}, None)


def test_rows_are_per_object_and_say_what_is_missed() -> None:
    cells = {row.what: row.cells()[1:] for row in rows(TASK, JOB, 10, 600)}
    assert cells["10 at once: first sent to all finished, s"] == ("30.0", "40.0", "0.75", "≤ 1.00")
    assert cells["API requests each"] == ("1.00", "0.50", "2.00", "")
    assert cells["of these writes"] == ("0.60", "0.50", "1.20", "")
    assert cells["operator's CPU each, ms"] == ("5.00", "2.00", "2.50", "")
    assert cells["API server's CPU each, ms"] == ("30.0", "20.0", "1.50", "")
    assert cells["20 a second: sent to Pod created, p99, ms"][-1] == "≤ 500 ms"
    assert cells["100 a second: sent to Pod created, p50, ms"] == ("20.0", "10.0", "2.00", "≤ 50 ms")
    assert cells["100 a second: sent to Pod created, p99, ms"][-1] == "≤ 500 ms (missed)"
    assert cells["API writes in 600 s at rest"] == ("0.00", "", "", "≤ 0 writes")


def test_writes_at_rest_are_missed_targets() -> None:
    busy = TASK._replace(idle=Requests(20, 1, 300))
    assert rows(busy, JOB, 10, 600)[-1].cells()[-1] == "≤ 0 writes (missed)"


@pytest.mark.parametrize("kind", [TASKS, JOBS])
def test_names_are_in_the_order_of_creation(kind: Kind) -> None:
    names = [json.loads(body)["metadata"]["name"] for body in kind.bodies(11)]
    assert names == sorted(names)
    assert len(set(names)) == 11


def test_tasks_are_what_the_operator_understands() -> None:
    (body,) = map(json.loads, TASKS.bodies(1))
    metadata = {**body["metadata"], "namespace": "many", "uid": "u", "resourceVersion": "1", "generation": 1}
    assert ReaperTask.parse({**body, "metadata": metadata}).spec.command == ("/bin/true",)
