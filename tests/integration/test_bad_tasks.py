"""Bad tasks among a thousand, on a real API server: they delay no other, and each says what is wrong with it.

The operator finds all of them at once, the bad ones first, and has fewer workers than there are bad ones. If a worker
stayed with a bad task, no good one would get its Pod; if a bad task came before its turn, it would be tried again and
again meanwhile. There is no clock in this: what was tried, how often and in which order is what the audit log says.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from reaper_operator.settings import Settings
from tests.integration.api import Api
from tests.integration.charts import ROOT, render
from tests.integration.planes import (
    PATIENCE,
    install,
    install_crd,
    install_operators_rights,
    make_namespace,
    running,
)
from tests.integration.replicas import Replica, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.control_plane import ControlPlane, Request

pytestmark = pytest.mark.timeout(480)

OPERATOR, GROUP = "replica-1", "reaper-operators"
OLD_CRD = ROOT / "tests" / "integration" / "data" / "crd-v0.1.0-first.yaml"
NAMESPACE = "crowd"
TASKS = f"/apis/reaper.io/v1alpha1/namespaces/{NAMESPACE}/reapertasks"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
QUOTA = f"/api/v1/namespaces/{NAMESPACE}/resourcequotas/nothing-unwanted"
# By their names they come first in a list. Those that only an older schema allowed, and those whose Pod's name somebody
# has, wait for a person; those that a quota refuses are tried again and again, and are more than there are workers.
OLD, TAKEN = ["bad-old-1", "bad-old-2"], ["bad-taken-1", "bad-taken-2"]
OVER = [f"bad-over-{number}" for number in range(Settings().workers + 1)]
BAD = (*OLD, *TAKEN, *OVER)
GOOD = tuple(f"good-{number:03}" for number in range(1000 - len(BAD)))
LONG = 300.0  # seconds for a thousand Pods: half a minute where nothing else is at work
MOST_TRIES = 10  # of a bad task while there are good ones to do: at news about it, and at resyncs

Body = dict[str, Any]


class Crowd:
    """The thousand, and the operator that finds them."""

    def __init__(self, plane: ControlPlane, api: Api, operator: Replica) -> None:
        self.plane, self.api, self.operator = plane, api, operator

    def made(self) -> list[Request]:
        """What became of every Pod that the operator has asked for, in order."""
        return [w for w in self.plane.writes(OPERATOR) if (w.verb, w.resource) == ("create", "pods")]

    def let_go(self) -> list[Request]:
        """The Pods that may start a process, in order."""
        writes = self.plane.writes(OPERATOR)
        return [write for write in writes if (write.verb, write.resource) == ("patch", "pods") and write.done]

    def refusals(self, name: str) -> list[int]:
        """The codes with which a task's Pod was refused."""
        return [write.code for write in self.made() if write.name == name and not write.done]

    def until_let_go(self, *names: str) -> None:
        wanted = set(names)
        eventually("their Pods are let go", LONG, lambda: wanted <= {write.name for write in self.let_go()})

    def until_tried_again(self, name: str) -> None:
        before = len(self.refusals(name))
        eventually("it is tried again", PATIENCE, lambda: len(self.refusals(name)) > before)

    def status(self, name: str) -> Body:
        found: Body = self.api.request("GET", f"{TASKS}/{name}").ok().get("status", {})
        return found


@pytest.fixture
def plane(tmp_path: Path) -> Iterator[ControlPlane]:
    with running(tmp_path, {OPERATOR: GROUP}) as plane:
        yield plane


@pytest.fixture
def crowd(plane: ControlPlane, tmp_path: Path) -> Iterator[Crowd]:
    api = Api(str(plane.kubeconfig()))
    for name in ("reaper-system", NAMESPACE):
        make_namespace(api, name)
    objects = render()
    install(api, objects["RuntimeClass", "reaper-v2"])
    install_operators_rights(api, objects, GROUP)
    add_bad_tasks(api)
    for name in GOOD:
        api.request("POST", TASKS, task(name)).ok()
    operator = Replica(tmp_path, OPERATOR, plane.kubeconfig(OPERATOR), resync_seconds=5).start()
    yield Crowd(plane, api, operator)
    operator.end()


def add_bad_tasks(api: Api) -> None:
    odd = {"env": [{"name": "..A", "value": "what only an older schema allowed"}]}
    install_crd(api, yaml.safe_load(OLD_CRD.read_text()))
    for name in OLD:
        api.request("POST", TASKS, task(name, **odd)).ok()
    install_crd(api)
    again = task("again", **odd)
    eventually("no more of it", PATIENCE, lambda: api.request("POST", TASKS, again, dryRun="All").status == 422)
    for name in TAKEN:
        api.request("POST", TASKS, task(name)).ok()
        stranger = {"metadata": {"name": name}, "spec": {"containers": [{"name": "a", "image": "placeholder"}]}}
        api.request("POST", PODS, stranger).ok()
    refuse_priority(api, "unwanted")
    for name in OVER:
        api.request("POST", TASKS, task(name, priorityClassName="unwanted")).ok()


def refuse_priority(api: Api, name: str) -> None:
    """By a quota that is in force when this returns."""
    head = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}, "value": 1}
    api.request("POST", "/apis/scheduling.k8s.io/v1/priorityclasses", head).ok()
    of_the_class = [{"scopeName": "PriorityClass", "operator": "In", "values": [name]}]
    spec = {"hard": {"pods": "0"}, "scopeSelector": {"matchExpressions": of_the_class}}
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": QUOTA.rpartition("/")[2]}, "spec": spec}
    api.request("POST", QUOTA.rpartition("/")[0], quota).ok()
    eventually("the quota counts", PATIENCE, lambda: api.request("GET", QUOTA).ok().get("status", {}).get("hard"))


def task(name: str, **spec: Any) -> Body:
    head = {"apiVersion": "reaper.io/v1alpha1", "kind": "ReaperTask", "metadata": {"name": name}}
    return {**head, "spec": {"command": ["/bin/true"], **spec}}


def test_bad_ones_delay_no_other_and_say_what_is_wrong(crowd: Crowd) -> None:
    crowd.until_let_go(*GOOD)
    made = crowd.made()
    assert Counter(write.name for write in made if write.done) == Counter(GOOD)
    began, over = made[0].received, crowd.let_go()[-1].answered
    tries = Counter(write.name for write in made if write.name in BAD and write.received < over)
    print(f"{len(GOOD)} Pods in {over - began:.1f} s; meanwhile bad ones were tried: {dict(tries)}")

    assert {write.name for write in made[: len(BAD)]} & set(OVER), "they were not the first"
    assert set(tries) == {*TAKEN, *OVER}, "what cannot be a Pod is not sent, and all others are"
    assert max(tries.values()) <= MOST_TRIES
    assert {code for name in TAKEN for code in crowd.refusals(name)} == {409}
    assert {code for name in OVER for code in crowd.refusals(name)} == {403}

    each_says_what_is_wrong(crowd)
    the_others_go_on_while_they_fail(crowd)
    what_was_in_the_way_goes_away(crowd)
    assert "Traceback" not in crowd.operator.log


def each_says_what_is_wrong(crowd: Crowd) -> None:
    for names, reason, sentence in (
        (OLD, "InvalidSpec", "spec.env[0].name: the name of an environment variable"),
        (TAKEN, "PodNameTaken", "Pod {name} does not belong to this task"),
        (OVER, "PodRefused", "exceeded quota: nothing-unwanted"),
    ):
        for name in names:
            status = crowd.status(name)
            assert (status["phase"], status["reason"]) == ("Pending", reason)
            assert sentence.format(name=name) in status["message"]


def the_others_go_on_while_they_fail(crowd: Crowd) -> None:
    for number in range(3):
        crowd.until_tried_again(OVER[0])
        crowd.api.request("POST", TASKS, task(f"late-{number}")).ok()
        crowd.until_let_go(f"late-{number}")


def what_was_in_the_way_goes_away(crowd: Crowd) -> None:
    crowd.api.request("DELETE", QUOTA).ok()
    for name in TAKEN:
        crowd.api.request("DELETE", f"{PODS}/{name}", gracePeriodSeconds="0").ok()
    crowd.until_let_go(*TAKEN, *OVER)
