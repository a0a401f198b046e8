"""metrics/: what Prometheus finds."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import generate_latest

from reaper_operator.key import Key
from reaper_operator.metrics import Metrics
from reaper_operator.workqueue import WorkQueue
from tests.fakes.time import FakeLoop

KEY = Key("secret-namespace", "secret-name")
CONTROLLER = {"controller": "reapertask"}
QUEUE = {"controller": "reapertask", "name": "reapertask"}


@pytest.fixture
def loop() -> FakeLoop:
    return FakeLoop()


@pytest.fixture
def metrics(loop: FakeLoop) -> Metrics:
    return Metrics(workers=8, lease="reaper-operator", clock=lambda: loop.now)


def value(metrics: Metrics, series: str, /, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(series, labels)


def task(**status: Any) -> dict[str, Any]:
    metadata = {"name": KEY.name, "namespace": KEY.namespace, "creationTimestamp": "2026-11-23T12:00:00Z"}
    return {"metadata": metadata, "status": status}


def test_a_reconcile(metrics: Metrics, loop: FakeLoop) -> None:
    with metrics.reconcile(KEY) as told:
        assert value(metrics, "controller_runtime_active_workers", **CONTROLLER) == 1
        loop.now += 0.3
        told("success")
    assert value(metrics, "controller_runtime_active_workers", **CONTROLLER) == 0
    assert value(metrics, "controller_runtime_reconcile_total", **CONTROLLER, result="success") == 1
    assert value(metrics, "controller_runtime_reconcile_errors_total", **CONTROLLER) == 0
    assert value(metrics, "controller_runtime_reconcile_time_seconds_sum", **CONTROLLER) == pytest.approx(0.3)
    assert value(metrics, "controller_runtime_max_concurrent_reconciles", **CONTROLLER) == 8


def test_a_reconcile_that_fails(metrics: Metrics) -> None:
    with metrics.reconcile(KEY) as told:
        told("error")
    assert value(metrics, "controller_runtime_reconcile_total", **CONTROLLER, result="error") == 1
    assert value(metrics, "controller_runtime_reconcile_errors_total", **CONTROLLER) == 1


def test_requests_by_code_and_method(metrics: Metrics) -> None:
    for status in ("200", "200", "409"):
        with metrics.request("PATCH", "/api/v1/pods") as told:
            told(status)
    with pytest.raises(OSError, match="no route"), metrics.request("GET", "/api/v1/pods"):
        raise OSError("no route")
    assert value(metrics, "rest_client_requests_total", code="200", method="PATCH") == 2
    assert value(metrics, "rest_client_requests_total", code="409", method="PATCH") == 1
    assert value(metrics, "rest_client_requests_total", code="<error>", method="GET") == 1


def test_the_leader(metrics: Metrics) -> None:
    assert value(metrics, "leader_election_master_status", name="reaper-operator") == 0
    metrics.leads()
    assert value(metrics, "leader_election_master_status", name="reaper-operator") == 1


def test_the_way_of_a_key_through_the_queue(metrics: Metrics, loop: FakeLoop) -> None:
    queue: WorkQueue[Key] = WorkQueue(loop.call_later, lambda: None, base=1, limit=1, onlooker=metrics.queue)
    queue.add(KEY)
    queue.add(KEY)
    assert value(metrics, "workqueue_adds_total", **QUEUE) == 1
    assert value(metrics, "workqueue_depth", **QUEUE) == 1
    loop.now = 2
    assert queue.take() == KEY
    assert value(metrics, "workqueue_depth", **QUEUE) == 0
    assert value(metrics, "workqueue_queue_duration_seconds_sum", **QUEUE) == 2
    loop.now = 5
    assert value(metrics, "workqueue_unfinished_work_seconds", **QUEUE) == 3
    assert value(metrics, "workqueue_longest_running_processor_seconds", **QUEUE) == 3
    queue.retry(KEY)
    queue.done(KEY)
    assert value(metrics, "workqueue_retries_total", **QUEUE) == 1
    assert value(metrics, "workqueue_work_duration_seconds_sum", **QUEUE) == 3
    assert value(metrics, "workqueue_longest_running_processor_seconds", **QUEUE) == 0
    loop.pass_time(1)
    assert value(metrics, "workqueue_adds_total", **QUEUE) == 2
    queue.close()
    assert value(metrics, "workqueue_depth", **QUEUE) == 0


def test_tasks_by_phase(metrics: Metrics) -> None:
    metrics.tasks.counted({"Pending": 2, "Running": 3})
    metrics.tasks.counted({"Running": 1})
    assert value(metrics, "reaper_tasks", phase="Pending") == 0
    assert value(metrics, "reaper_tasks", phase="Running") == 1
    assert value(metrics, "reaper_tasks", phase="Succeeded") is None


def test_the_life_of_a_task(metrics: Metrics) -> None:
    status: dict[str, Any] = {}
    for change in (
        {"phase": "Pending", "podUID": "pod-1", "podName": "hello"},
        {"phase": "Running", "startTime": "2026-11-23T12:00:03Z"},
        {"phase": "Unknown"},
        {"phase": "Running"},
        {"phase": "Failed", "exitCode": 3, "completionTime": "2026-11-23T12:01:03Z"},
    ):
        status |= change
        metrics.status_written(change, task(**status))
    assert value(metrics, "reaper_task_attempts_total") == 1
    assert value(metrics, "reaper_task_start_duration_seconds_count") == 1
    assert value(metrics, "reaper_task_start_duration_seconds_sum") == 3
    assert value(metrics, "reaper_tasks_finished_total", phase="Failed") == 1
    assert value(metrics, "reaper_task_run_duration_seconds_sum", phase="Failed") == 60
    assert value(metrics, "reaper_tasks_finished_total", phase="Succeeded") == 0
    assert value(metrics, "reaper_task_run_duration_seconds_count", phase="Succeeded") == 0


@pytest.mark.parametrize("again", [{"restarts": 1}, {"attempts": 2}])
def test_the_first_start_is_what_a_user_waits_for(metrics: Metrics, again: dict[str, Any]) -> None:
    change = {"phase": "Running", "startTime": "2026-11-23T13:00:00Z", **again}
    metrics.status_written(change, task(**change))
    assert value(metrics, "reaper_task_start_duration_seconds_count") == 0


def test_a_task_that_never_ran_has_no_run_time(metrics: Metrics) -> None:
    change = {"phase": "Failed", "completionTime": "2026-11-23T12:01:03Z"}
    metrics.status_written(change, task(**change))
    assert value(metrics, "reaper_tasks_finished_total", phase="Failed") == 1
    assert value(metrics, "reaper_task_run_duration_seconds_count", phase="Failed") == 0


def test_a_node_whose_clock_is_behind_makes_no_negative_time(metrics: Metrics) -> None:
    change = {"phase": "Running", "startTime": "2026-11-23T11:59:00Z"}
    metrics.status_written(change, task(**change))
    assert value(metrics, "reaper_task_start_duration_seconds_sum") == 0


def test_no_name_of_a_task_is_in_any_series(metrics: Metrics, loop: FakeLoop) -> None:
    queue: WorkQueue[Key] = WorkQueue(loop.call_later, lambda: None, base=1, limit=1, onlooker=metrics.queue)
    queue.add(KEY)
    with metrics.reconcile(KEY) as told, metrics.request("GET", "/x/{name}") as answered:
        queue.take()
        answered("200")
        told("success")
    metrics.status_written({"podUID": "pod-1"}, task(podUID="pod-1"))
    text = generate_latest(metrics.registry).decode()
    assert "secret" not in text
    assert "_created" not in text
    assert "pod-1" not in text


def test_every_family_says_what_it_means(metrics: Metrics) -> None:
    families = list(metrics.registry.collect())
    assert {"process_resident_memory_bytes", "python_gc_collections", "workqueue_depth"} <= {f.name for f in families}
    assert not [family.name for family in families if not family.documentation]


def test_every_metric_is_documented(metrics: Metrics) -> None:
    readme = (Path(__file__).parents[3] / "operator" / "README.md").read_text()
    documented = set(re.findall(r"^\| `((?:leader|reaper|controller|workqueue|rest)_\w+)` \|", readme, re.MULTILINE))
    ours = [family for family in metrics.registry.collect() if not family.name.startswith(("process_", "python_"))]
    assert documented == {f"{family.name}_total" if family.type == "counter" else family.name for family in ours}
