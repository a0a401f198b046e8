"""Many ReaperTasks beside as many batch Jobs, each on a fresh control plane with simulated nodes.

A Job's Pod is like a task's. Pods are over as soon as they run, so that what is measured is the operator, the Job
controller, and what both have the API server do.
"""

from __future__ import annotations

import itertools
import json
import sys
import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.bench import simulated
from tests.bench.accounts import requests, seconds_to_create, usage
from tests.bench.kubeapi import NAMES_ONLY, Arrivals, Connection, create
from tests.bench.simulated import JOB_CONTROLLER, OPERATOR
from tests.bench.table import Row, Target, percentile

if TYPE_CHECKING:
    from tests.bench.accounts import Requests
    from tests.bench.simulated import Simulated

Body = dict[str, Any]

RATES = (20, 100)  # a second; the second is the target's, and more than two processors can do for both kinds
_CREATORS = 8
_PATIENCE = 120.0  # seconds without one more
_QUIET = 6.0  # seconds without a request: then nothing more comes of what was created


@dataclass(frozen=True)
class Kind:
    """What is created, and by whom it is looked after."""

    name: str
    plural: str
    api: str
    user: str
    finished: str  # the query that a watch of those is made with that may be over
    spec: Body

    def path(self, namespace: str) -> str:
        return f"/apis/{self.api}/namespaces/{namespace}/{self.plural}"

    def bodies(self, count: int) -> list[bytes]:
        """Manifests, in JSON."""
        head = {"apiVersion": self.api, "kind": self.name, "spec": self.spec}
        names = (f"{self.plural}-{number:05}" for number in range(count))
        return [json.dumps({**head, "metadata": {"name": name}}).encode() for name in names]


TASKS = Kind(
    "ReaperTask",
    "reapertasks",
    "reaper.io/v1alpha1",
    OPERATOR,
    "fieldSelector=status.phase%3DSucceeded",
    {"command": ["/bin/true"]},
)
_POD = {
    "restartPolicy": "Never",
    "hostNetwork": True,
    "automountServiceAccountToken": False,
    "enableServiceLinks": False,
    "containers": [{"name": "task", "image": "busybox:1", "command": ["/bin/true"]}],
}
JOBS = Kind(
    "Job", "jobs", "batch/v1", JOB_CONTROLLER, "fieldSelector=status.successful%3D1", {"template": {"spec": _POD}}
)
KINDS = {"reaper": TASKS, "job": JOBS}


class Figures(NamedTuple):
    """Of one kind."""

    created: float  # seconds until all Pods were there
    finished: float  # seconds until all objects were over
    requests: Requests
    cpu: float  # seconds
    server: float  # the same of the API server
    peak: float  # MB
    latencies: dict[int, list[float]]  # by rate: milliseconds from an object being sent to its Pod being seen
    idle: Requests | None


def measure(count: int, seconds: int, idle: int) -> list[Row]:
    """`count` of each at once; `seconds` for each of RATES, in which so many of each are created a second; `idle`:
    seconds at rest of the operator."""
    found = {name: _measure(kind, count, seconds, idle if kind is TASKS else 0) for name, kind in KINDS.items()}
    return rows(found["reaper"], found["job"], count, idle)


def rows(task: Figures, job: Figures, count: int, idle: int) -> list[Row]:
    """What was found, beside each other."""
    many = f"{count} at once"
    found = [
        Row(f"{many}: first sent to all Pods created, s", task.created, job.created),
        Row(f"{many}: first sent to all finished, s", task.finished, job.finished, Target(1.0)),
        Row("API requests each", task.requests.total / count, job.requests.total / count),
        Row("of these writes", task.requests.writes / count, job.requests.writes / count),
        Row("operator's CPU each, ms", 1000 * task.cpu / count, 1000 * job.cpu / count),
        Row("API server's CPU each, ms", 1000 * task.server / count, 1000 * job.server / count),
        Row("operator's memory at most (RSS), MB", task.peak, job.peak, Target(200, unit="MB")),
    ]
    for rate, (share, bound) in itertools.product(RATES, ((50, 50), (99, 500))):
        ours, theirs = (percentile(each.latencies[rate], share) for each in (task, job))
        what = f"{rate} a second: sent to Pod created, p{share}, ms"
        found.append(Row(what, ours, theirs, Target(bound, unit="ms")))
    if task.idle is not None:
        found.append(Row(f"API writes in {idle} s at rest", task.idle.writes, None, Target(0, unit="writes")))
    return found


def _measure(kind: Kind, count: int, seconds: int, idle: int) -> Figures:
    with ExitStack() as stack:
        _say(f"{kind.plural}: a control plane with {simulated.NODES} nodes")
        on = stack.enter_context(simulated.running())
        pid = stack.enter_context(on.operator()).pid if kind is TASKS else on.plane.controllers.pid
        before, server = usage(pid).cpu, usage(on.plane.api_server.pid).cpu
        since, finished = all_at_once(on, kind, count)
        cpu, server = usage(pid).cpu - before, usage(on.plane.api_server.pid).cpu - server
        log = on.plane.requests()
        mine = [request for request in log if request.user == kind.user]
        created = seconds_to_create([each for each in log if each.namespace == "many"], kind.plural, "pods")
        resting = _rest(on, kind, idle) if idle else None
        latencies = {rate: _paced(on, kind, seconds, rate) for rate in RATES}
        return Figures(created, finished, requests(mine, since), cpu, server, usage(pid).peak, latencies, resting)


def all_at_once(on: Simulated, kind: Kind, count: int) -> tuple[float, float]:
    """When the first was sent, in seconds since the epoch, and seconds until all were over."""
    path = kind.path(on.namespace("many"))
    watching = Connection(on.plane.kubeconfig())
    over = Arrivals(watching.watch(path, kind.finished), _finished)
    _say(f"{kind.plural}: {count} at once")
    since = time.time()
    sent = create(on.plane.kubeconfig(), path, kind.bodies(count), threads=_CREATORS)
    over.until(count, _PATIENCE, f"{kind.plural} finished")
    _until_quiet(on, kind)
    return since, max(over.times.values()) - min(sent)


def _paced(on: Simulated, kind: Kind, seconds: int, rate: int) -> list[float]:
    """Milliseconds from each being sent to its Pod being seen."""
    count, namespace = rate * seconds, on.namespace(f"paced-{rate}")
    watching = Connection(on.plane.kubeconfig())
    pods = Arrivals(watching.watch(f"/api/v1/namespaces/{namespace}/pods", accept=NAMES_ONLY), lambda _: True)
    _say(f"{kind.plural}: {rate} a second for {seconds} s")
    bodies = kind.bodies(count)
    sent = create(on.plane.kubeconfig(), kind.path(namespace), bodies, threads=4 * _CREATORS, rate=rate)
    pods.until(count, _PATIENCE, f"Pods of {kind.plural} created")
    _say(f"{kind.plural}: {count} were sent in {max(sent) - min(sent):.1f} s")
    _until_quiet(on, kind)
    begun = {f"{kind.plural}-{number:05}": at for number, at in enumerate(sent)}
    return [1000 * (at - begun[name[: len(kind.plural) + 6]]) for name, at in pods.times.items()]


def _rest(on: Simulated, kind: Kind, seconds: int) -> Requests:
    """What was asked of the API server in so many seconds in which nothing is to be done."""
    _say(f"{kind.plural}: at rest for {seconds} s")
    since = time.time()
    time.sleep(seconds)
    found = requests(on.plane.requests(kind.user), since)
    _say(f"{kind.plural}: {found.writes} writes, {found.reads} reads, and {found.leases} requests to keep the Lease")
    return found


def _until_quiet(on: Simulated, kind: Kind) -> None:
    """Until nothing more is written about what was created."""
    before, since = -1, time.monotonic()
    while time.monotonic() - since < _QUIET:
        made = requests(on.plane.requests(kind.user)).writes
        if made != before:
            before, since = made, time.monotonic()
        time.sleep(0.5)


def _finished(body: Body) -> bool:
    """By its conditions, which are the last word of both kinds."""
    conditions = body["status"].get("conditions") or ()
    return any(each["type"] in ("Finished", "Complete") and each["status"] == "True" for each in conditions)


def _say(what: str) -> None:
    print(f"  {what}", file=sys.stderr, flush=True)
