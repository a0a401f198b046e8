"""What a task costs the API server at least: its own writes, by a client that does nothing else. Beside all that a Job
costs it, with its Pod, the scheduler and the node.

What is beneath every operator of such tasks, in whatever language: docs/decisions/0013-what-a-task-costs.md.
"""

from __future__ import annotations

import json
import sys
import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from reaper_api.status import TaskStatus
from reaper_api.translate import pod_name
from reaper_api.vocabulary import FINALIZER, Phase
from reaper_operator import status as statuses
from reaper_operator.conditions import Moment
from reaper_operator.observe import PodObservation
from reaper_operator.words import exit_sentence
from tests.bench import simulated
from tests.bench.accounts import usage
from tests.bench.kubeapi import Connection
from tests.bench.simulated import OPERATOR
from tests.bench.table import Row
from tests.bench.tasks import JOBS, TASKS, all_at_once

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.bench.simulated import Simulated

_SETTLE = 2.0  # seconds after the last request, for what the API server does about it


def measure(count: int) -> list[Row]:
    """`count` of each."""
    with simulated.running() as on:
        print(f"  the writes of {count} tasks, and no operator", file=sys.stderr, flush=True)
        writes = _server_time(on, lambda: _write(on, count))
        jobs = _server_time(on, lambda: all_at_once(on, JOBS, count))
    what = "a task's own writes alone, beside a whole Job: API server's CPU each, ms"
    return [Row(what, 1000 * writes / count, 1000 * jobs / count)]


def _server_time(on: Simulated, work: Callable[[], object]) -> float:
    """Seconds of processors that the API server takes for it."""
    before = usage(on.plane.api_server.pid).cpu
    work()
    time.sleep(_SETTLE)
    return usage(on.plane.api_server.pid).cpu - before


def _write(on: Simulated, count: int) -> None:
    """As users create tasks and the operator writes to each, one after the other."""
    path = TASKS.path(on.namespace("alone"))
    user, operator = (Connection(on.plane.kubeconfig(name)) for name in ("admin", OPERATOR))
    for body in TASKS.bodies(count):
        user.post(path, body)
        name = json.loads(body)["metadata"]["name"]
        for subresource, change in changes(name):
            operator.patch(f"{path}/{name}{subresource}", json.dumps(change).encode())


def changes(name: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """The merge patches of a task that runs and succeeds, by subresource."""
    at = Moment(1, datetime.now(UTC).replace(microsecond=0))
    pod = PodObservation(pod_name(name, 1), f"uid-of-{name}", Phase.PENDING, gated=True)
    end = PodObservation(
        pod.name,
        pod.uid,
        Phase.SUCCEEDED,
        node="node-001",
        exit_code=0,
        message=exit_sentence(0),
        started=at.now,
        ended=at.now,
    )
    begun = statuses.begun(TaskStatus(), pod, at)
    over = statuses.finished(begun, end, at, reason="Completed", message=end.message)
    yield "/status", {"status": statuses.patch(TaskStatus(), begun)}
    yield "", {"metadata": {"finalizers": [FINALIZER]}}
    yield "/status", {"status": statuses.patch(begun, over)}
    yield "", {"metadata": {"finalizers": []}}
