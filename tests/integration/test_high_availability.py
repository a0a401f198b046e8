"""Two operators, a real API server, and what happens to them. What is true is what the audit log says.

Each operator is a user of its own, with the rights of the chart and no other. There are no nodes: a task has got as far
as it can here when its Pod is let go, which is the moment from which a process may run.
"""

from __future__ import annotations

import re
import signal
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest

from reaper_operator.lease import JITTER
from tests.integration import planes
from tests.integration.api import Api
from tests.integration.charts import render
from tests.integration.replica_stage import LEASES, NEWS, USERS, Stage, running
from tests.integration.replicas import eventually
from tests.integration.slow_network import SlowNetwork

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.control_plane import ControlPlane

pytestmark = pytest.mark.timeout(180)

DEFAULT: dict[str, Any] = {"lease_seconds": 15, "lease_renew_seconds": 10, "lease_retry_seconds": 2}
SHORT: dict[str, Any] = {"lease_seconds": 6, "lease_renew_seconds": 4, "lease_retry_seconds": 0.5}
LOOK = DEFAULT["lease_retry_seconds"] * (1 + JITTER)  # seconds between two looks of a standby at the Lease, at most
REQUEST = DEFAULT["lease_renew_seconds"] / 2  # seconds that one at the Lease may take


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with running(tmp_path_factory.mktemp("plane")) as plane:
        yield plane


@pytest.fixture
def api(plane: ControlPlane) -> Api:
    return Api(str(plane.kubeconfig()))


@pytest.fixture
def stage(plane: ControlPlane, api: Api, tmp_path: Path) -> Iterator[Stage]:
    """A namespace, and replicas that end with the test."""
    stage = Stage(plane, api, tmp_path)
    yield stage
    for replica in stage.replicas:
        replica.end()
    api.request("DELETE", f"{LEASES}/reaper-operator")


def test_one_leads_and_the_other_is_ready_and_writes_nothing(stage: Stage) -> None:
    leader, standby = stage.start()
    stage.add_tasks(10)
    stage.all_ran_once()
    eventually("both are ready", 30, lambda: leader.ready and standby.ready)
    assert not standby.leads
    assert not [write for write in stage.plane.writes(standby.user) if write.done]


def test_a_leader_that_is_killed(stage: Stage) -> None:
    leader, standby = stage.start(200, **DEFAULT)
    stage.at_work(leader)
    leader.signal(signal.SIGKILL)
    killed = time.time()
    stage.at_work(standby)
    print(f"from kill -9 to the first write of the other: {stage.writes(standby)[0].received - killed:.1f} s")
    taken_over = stage.lease_writes(standby, killed)[0].received - killed
    # The last renewal is seen by a look, and after the end of the Lease there is another.
    assert taken_over < LOOK + DEFAULT["lease_seconds"] + 0.1 * DEFAULT["lease_retry_seconds"] + REQUEST
    stage.all_ran_once()
    assert stage.holds_back(leader, killed)


def test_a_leader_that_is_told_to_end_hands_over(stage: Stage) -> None:
    leader, standby = stage.start(200, **DEFAULT)
    stage.at_work(leader)
    told = time.time()
    leader.signal(signal.SIGTERM)
    stage.at_work(standby)
    print(f"from SIGTERM to the first write of the other: {stage.writes(standby)[0].received - told:.1f} s")
    assert leader.wait(20) == 0
    released = stage.lease_writes(leader, told)[-1].received
    assert stage.lease_writes(standby, told)[0].received - released < LOOK + REQUEST
    assert max(w.answered for w in stage.writes(leader)) < min(w.received for w in stage.writes(standby))
    stage.all_ran_once()


def test_a_leader_that_was_stopped_for_30_seconds_does_not_act_when_it_wakes(stage: Stage) -> None:
    leader, standby = stage.start(300, **DEFAULT)
    stage.at_work(leader)
    leader.signal(signal.SIGSTOP)
    stopped = time.time()
    assert stage.let_go() < 200, "it is done: there is little left that it could do wrong"
    time.sleep(30)
    assert stage.writes(standby)
    leader.signal(signal.SIGCONT)
    assert leader.wait(10) == 1
    # It is another truth where it was stopped while it renewed: the answer was there, or too late.
    assert re.search("leading no more, so this process ends: (not renewed for 10 s: |taken over by )", leader.log)
    stage.all_ran_once()
    assert stage.holds_back(leader, stopped)


def test_leaders_that_are_stopped_again_and_again(stage: Stage) -> None:
    """Each time at another moment of its work, and with more work than it can have done."""
    leader, standby = stage.start(100, **SHORT)
    for _ in range(6):
        stage.at_work(leader)
        leader.signal(signal.SIGSTOP)
        stage.add_tasks(60)
        stage.at_work(standby)
        woken = time.time()
        leader.signal(signal.SIGCONT)
        assert leader.wait(10) == 1
        assert stage.holds_back(leader, woken)
        leader, standby = standby, leader.start()
    stage.all_ran_once()


def test_an_api_server_that_restarts_at_once_changes_no_leader(stage: Stage) -> None:
    leader, standby = stage.start(**DEFAULT)
    stage.give(leader, 200)
    stage.plane.api_server.stop(signal.SIGKILL)
    stage.plane.start_api_server()
    stage.add_tasks(10)
    stage.all_ran_once()
    assert leader.code is None
    eventually("it leads", 30, lambda: stage.leaders() == [leader])
    assert stage.writes(standby) == []


def test_an_api_server_that_is_away_for_longer_than_a_lease(stage: Stage) -> None:
    """The leader ends, and kubelet starts it again, as it does with one that finds the API server too slow at first.
    Whoever leads then, nothing is lost and nothing is done twice."""
    leader, standby = stage.start(**SHORT)
    stage.give(leader, 200)
    stage.plane.api_server.stop(signal.SIGKILL)
    assert leader.wait(10) == 1
    leader.start()
    eventually("nobody is ready", 30, lambda: not leader.ready and not standby.ready)
    stage.plane.start_api_server()
    stage.add_tasks(10)

    def settled() -> bool:
        stage.restart_ended()
        return stage.let_go() == len(stage.names) and leader.ready and standby.ready and len(stage.leaders()) == 1

    eventually("all is done, both are ready, and one leads", 90, settled)
    stage.all_ran_once()


def test_writes_that_the_network_holds_back_until_another_leads(stage: Stage) -> None:
    """No fence of the sender stops these, and no timeout: they have left. What they ask for is refused where it would
    harm, since it names UIDs and versions."""
    stage.add_tasks(200)
    network = SlowNetwork(stage.plane.port)
    try:
        leader = stage.add_replica(USERS[0], network.port, **SHORT)
        stage.at_work(leader)
        standby = stage.add_replica(USERS[1], **SHORT)
        network.hold()
        assert leader.wait(15) == 1
        assert "leading no more" in leader.log
        stage.at_work(standby)
        assert network.held > 0
        let_go = time.time()
        network.let_go()
        stage.all_ran_once()
        late = [w for w in stage.plane.writes(leader.user) if w.received > let_go and w.resource not in NEWS]
        print(f"arrived late: {Counter((w.verb, w.resource, w.code) for w in late)}")
    finally:
        network.close()


def test_a_replica_that_may_not_have_the_lease_says_so_and_is_not_ready(stage: Stage) -> None:
    replica = stage.add_replica(USERS[0], lease_namespace="default")
    complaint = 'leases.coordination.k8s.io "reaper-operator" is forbidden'
    eventually("it says what is wrong", 20, lambda: complaint in replica.log)
    assert not replica.ready
    assert replica.code is None


def test_every_right_of_the_chart_is_used(stage: Stage) -> None:
    """Operators ask for all that the chart's roles give, and are granted it."""
    leader, standby = stage.start()
    brief, paused = stage.add_task(ttlSecondsAfterFinished=0), stage.add_task()
    eventually("the Pods are let go", 30, lambda: stage.let_go() == 2)
    stage.end(brief)
    stage.bind(stage.add_task())  # and its node says nothing
    for suspend, phase in ((True, "Suspended"), (False, "Pending"), (True, "Suspended")):
        stage.suspend(paused, suspend=suspend)
        stage.until_phase(paused, phase)
    stage.until_phase(brief, "")
    stage.delete(paused)  # a task is asked for where what a watch has told is in doubt
    eventually("the task is asked for", 30, lambda: ("reapertasks", "get") in stage.used())
    eventually("Events are read", 30, lambda: ("events", "list") in stage.used())
    for replica in (leader, standby):
        replica.end()  # a watch is a request that has been answered once it is over

    # The API server itself asks for the last one, where OwnerReferencesPermissionEnforcement is on. What each is good
    # for: test_operator_rights.py.
    left = {("reapertasks/finalizers", "update")}
    eventually("the watches are over", 10, lambda: ("pods", "watch") in stage.used())
    assert operator_rights() - stage.used() == left


def operator_rights() -> set[tuple[str, str]]:
    """Resource and verb of each."""
    rules = [rule for item in planes.operators_rights(render()) for rule in item.get("rules", ())]
    return {(resource, verb) for rule in rules for resource in rule["resources"] for verb in rule["verbs"]}
