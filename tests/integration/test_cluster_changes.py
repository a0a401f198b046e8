"""What a cluster does to an operator that is at work: its CRD goes and comes, its rights do, its API server does.

A real API server, and an operator that is a process of its own. Whatever happens, it is the same process afterwards or
one that kubelet has started again; the log has a sentence for each fault and no traceback.
"""

from __future__ import annotations

import re
import signal
import time
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest

from tests.integration import planes
from tests.integration.api import Api
from tests.integration.charts import render
from tests.integration.replica_stage import GROUP, LEASES, USERS, Stage, running
from tests.integration.replicas import Replica, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.control_plane import ControlPlane

pytestmark = pytest.mark.timeout(240)

INSTALL = "install crds/reapertask.yaml"
SHORT: dict[str, Any] = {"lease_seconds": 6, "lease_renew_seconds": 4, "lease_retry_seconds": 0.5}
SOON = 20.0  # seconds; the resync, which would find it by itself, comes after a minute


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with running(tmp_path_factory.mktemp("plane")) as plane:
        yield plane


@pytest.fixture
def api(plane: ControlPlane) -> Api:
    return Api(str(plane.kubeconfig()))


@pytest.fixture
def stage(plane: ControlPlane, api: Api, tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(plane, api, tmp_path)
    yield stage
    for replica in stage.replicas:
        replica.end()
        print(replica.log)
    stage.forget()
    api.request("DELETE", f"{LEASES}/reaper-operator")
    assert not any("Traceback" in replica.log for replica in stage.replicas)


def answers(replica: Replica, code: int) -> float:
    """How many of its requests were answered so, by its own count."""
    found = re.search(rf'rest_client_requests_total{{code="{code}",method="GET"}} (\d+)', replica.metrics)
    return float(found[1]) if found else 0.0


def remove_crd(api: Api) -> None:
    api.request("DELETE", planes.CRD).ok()
    eventually("the CRD is gone", 60, lambda: api.request("GET", planes.CRD).status == 404)


def test_a_crd_that_comes_after_the_operator(stage: Stage, api: Api) -> None:
    remove_crd(api)
    replica = stage.add_replica(USERS[0])
    eventually("it says what is missing", 20, lambda: INSTALL in replica.log)
    eventually("it asks again", 20, lambda: answers(replica, 404) > 2)
    assert not replica.ready
    planes.install_crd(api)
    eventually("it is ready", SOON, lambda: replica.ready)
    stage.add_task()
    eventually("the task is let go", SOON, lambda: stage.let_go() == 1)
    assert replica.log.count(INSTALL) == 1, "it says it again and again"


def test_a_crd_that_goes_and_comes_back(stage: Stage, api: Api) -> None:
    """With its tasks: the operator has let them go."""
    replica = stage.add_replica(USERS[0])
    stage.add_tasks(3)
    eventually("they are let go", 30, lambda: stage.let_go() == 3)
    remove_crd(api)
    stage.names.clear()
    eventually("it notices", 90, lambda: INSTALL in replica.log)
    planes.install_crd(api)
    eventually("it is ready", SOON, lambda: replica.ready)
    stage.add_task()
    eventually("the task is let go", SOON, lambda: stage.let_go() == 1)
    assert replica.code is None


def test_rights_that_are_taken_away_and_given_back(stage: Stage, api: Api) -> None:
    """Also those to the Lease: the leader ends, and is started again as by kubelet."""
    replica = stage.add_replica(USERS[0], **SHORT)
    stage.add_tasks(3)
    eventually("they are let go", 30, lambda: stage.let_go() == 3)
    rights = planes.operators_rights(render())
    bindings = [item for item in rights if item["kind"].endswith("Binding")]
    for item in bindings:
        planes.install(api, {**item, "subjects": []})
    assert replica.wait(20) == 1
    replica.start()
    eventually("it says what it may not", 20, lambda: "standing by: the Lease cannot be had" in replica.log)
    stage.add_tasks(3)
    planes.install_operators_rights(api, render(), GROUP)
    eventually("they are let go", SOON, lambda: stage.let_go() == 6)
    eventually("it is ready", SOON, lambda: replica.ready)


def test_rights_to_tasks_and_pods_that_are_taken_away_and_given_back(stage: Stage, api: Api) -> None:
    """It goes on leading: the Lease is another right."""
    replica = stage.add_replica(USERS[0], resync_seconds=1)
    stage.add_tasks(3)
    eventually("they are let go", 30, lambda: stage.let_go() == 3)
    roles = [item for item in planes.operators_rights(render()) if item["kind"] == "ClusterRole"]
    for item in roles:
        planes.install(api, {**item, "rules": []})
    stage.add_tasks(3)
    eventually("it says what it may not", 20, lambda: "resync failed" in replica.log)
    for item in roles:
        planes.install(api, item)
    eventually("they are let go", SOON, lambda: stage.let_go() == 6)
    eventually("it is ready", SOON, lambda: replica.ready)
    assert replica.code is None


def test_an_api_server_that_dies_when_an_operator_begins(stage: Stage) -> None:
    """At the moments of a leader's first questions: to its Lease, for what is there, for what is served."""
    replica = stage.add_replica(USERS[0], **SHORT)
    for times, moment in enumerate((0.0, 0.1, 0.3, 0.6), 1):
        eventually("it leads", 30, partial(has_led, stage, times))
        time.sleep(moment)
        stage.plane.api_server.stop(signal.SIGKILL)
        eventually("it has lost the Lease", 20, lambda: replica.code is not None)
        stage.plane.start_api_server()
    stage.add_tasks(3)
    eventually("it leads", 30, partial(has_led, stage, 5))
    eventually("they are let go", 30, lambda: stage.let_go() == 3)
    eventually("it is ready", SOON, lambda: replica.ready)
    # After four deaths Kubernetes' own controllers wait for half a minute until they look again: not in the next test.
    stage.plane.controllers.stop()
    stage.plane.controllers.start()


def has_led(stage: Stage, times: int) -> bool:
    """The one replica, which kubelet looks after."""
    stage.restart_ended()
    return stage.replicas[0].log.count("leading as") == times


def test_a_node_that_is_taken_away(stage: Stage, api: Api) -> None:
    """With a process that runs: Kubernetes' collector of Pods takes its Pod away. That is no failure of the task, which
    is tried again."""
    stage.add_replica(USERS[0])
    name = stage.add_task(backoffLimit=1)
    stage.bind(name)
    stage.begin(name)
    stage.until_phase(name, "Running")
    api.request("DELETE", "/api/v1/nodes/nowhere").ok()
    eventually("its next attempt is let go", 150, lambda: stage.status(name).get("attempts") == 2 and stage.let_go())
    status = stage.status(name)
    assert (status["phase"], status["interruptions"], status.get("failures")) == ("Pending", 1, None)
    assert (status["lastFailure"]["reason"], status["lastFailure"]["nodeName"]) == ("NodeLost", "nowhere")
    assert "node no longer exists" in status["lastFailure"]["message"]


def test_a_namespace_that_goes(stage: Stage, api: Api) -> None:
    """While its tasks run: they go with it, and nothing is made in it any more."""
    replica = stage.add_replica(USERS[0])
    stage.add_tasks(5)
    eventually("they are let go", 30, lambda: stage.let_go() == 5)
    path = f"/api/v1/namespaces/{stage.namespace}"
    api.request("DELETE", path).ok()
    eventually("it is gone", 60, lambda: api.request("GET", path).status == 404)
    stage.names.clear()
    assert "WARNING" not in replica.log, "it is as it should be"


def test_operators_of_two_releases(stage: Stage, api: Api) -> None:
    """Each leads by a Lease of its own, and both see all tasks: still each task runs once."""
    planes.install_operators_rights(api, render(release="second"), GROUP)
    names = ("reaper-operator", "second-operator")
    replicas = [stage.add_replica(user, lease_name=name) for user, name in zip(USERS, names, strict=True)]
    eventually("both are ready", 30, lambda: all(replica.ready for replica in replicas))
    stage.add_tasks(50)
    stage.all_ran_once()
    assert [replica.code for replica in replicas] == [None, None]
    assert all(stage.writes(replica) for replica in replicas), "one has done it all"
    assert not any("WARNING" in replica.log for replica in replicas), "that they meet is as it should be"
