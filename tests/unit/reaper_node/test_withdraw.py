"""Uninstalling on every node by a rollout of the DaemonSet."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from reaper_node import withdraw
from reaper_node.errors import ApiError, NodeError

if TYPE_CHECKING:
    from tests.fakes.node import FakeCluster

WANTED = withdraw.Withdrawal(namespace="reaper-system", daemon_set="reaper-node", selector="a=b", timeout=10)


def daemon_set(desired: int) -> dict[str, Any]:
    return {
        "metadata": {"generation": 1},
        "spec": {
            "template": {"spec": {"containers": [{"name": "installer", "args": ["install"]}]}},
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 1, "maxSurge": 0}},
        },
        "status": {
            "observedGeneration": 1,
            "desiredNumberScheduled": desired,
            "updatedNumberScheduled": desired,
            "numberReady": desired,
        },
    }


class Clock:
    """Time that only passes in sleep, where the cluster may move on as well."""

    def __init__(self, cluster: FakeCluster, steps: list[dict[str, int]], outage: range) -> None:
        self.time = 0.0
        self.cluster = cluster
        self.steps = steps
        self.outage = outage  # seconds in which the API server is away

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        self.cluster.down = self.time in self.outage
        if self.steps:
            self.cluster.daemon_sets["reaper-node"]["status"] |= self.steps.pop(0)


NEVER = range(0)


def run(cluster: FakeCluster, steps: list[dict[str, int]], outage: range = NEVER) -> Clock:
    clock = Clock(cluster, steps, outage)
    withdraw.withdraw(cluster, WANTED, clock.now, clock.sleep)
    return clock


def arguments(cluster: FakeCluster) -> list[str]:
    found = cluster.daemon_sets["reaper-node"]["spec"]["template"]["spec"]["containers"][0]["args"]
    assert isinstance(found, list)
    return found


def test_is_done_when_every_new_pod_is_ready(cluster: FakeCluster) -> None:
    cluster.daemon_sets["reaper-node"] = daemon_set(2)
    steps = [
        {
            "observedGeneration": 2,
            "updatedNumberScheduled": 0,
        },  # the old pods are still ready: they do not count
        {"updatedNumberScheduled": 2, "numberReady": 1},
        {"numberReady": 2},
    ]

    clock = run(cluster, steps)

    assert clock.time == 3
    assert arguments(cluster) == ["remove"]
    strategy = cluster.daemon_sets["reaper-node"]["spec"]["updateStrategy"]
    assert strategy == {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "100%"}}


def test_without_nodes_there_is_nothing_to_wait_for(cluster: FakeCluster) -> None:
    cluster.daemon_sets["reaper-node"] = daemon_set(0)

    assert run(cluster, [{"observedGeneration": 2}]).time == 1


def test_a_node_that_is_not_clean_is_named_and_the_runtime_put_back(cluster: FakeCluster) -> None:
    cluster.daemon_sets["reaper-node"] = daemon_set(2)
    cluster.pod_list = [
        {
            "metadata": {"name": "p1"},
            "spec": {"nodeName": "n1"},
            "status": {"conditions": [{"type": "Ready", "status": "True"}]},
        },
        {"metadata": {"name": "p2"}, "spec": {"nodeName": "n2"}, "status": {}},
    ]

    with pytest.raises(NodeError, match=r"1 of 2 nodes are clean.*n2 \(pod p2\)") as caught:
        run(cluster, [{"observedGeneration": 2, "numberReady": 1}])

    assert "n1" not in str(caught.value)
    assert cluster.daemon_sets["reaper-node"]["spec"] == daemon_set(2)["spec"]


CLEAN = {"observedGeneration": 99}


def test_an_api_server_that_restarts_is_waited_for(cluster: FakeCluster) -> None:
    cluster.daemon_sets["reaper-node"] = daemon_set(1)

    assert run(cluster, [CLEAN], outage=range(1, 5)).time == 5
    assert arguments(cluster) == ["remove"]


def test_an_api_server_that_stays_away_is_named_and_the_runtime_put_back_once_it_answers(cluster: FakeCluster) -> None:
    cluster.daemon_sets["reaper-node"] = daemon_set(1)

    with pytest.raises(NodeError, match=r"could not be reached for GET .*not clean: unknown"):
        run(cluster, [], outage=range(1, 15))

    assert arguments(cluster) == ["install"]


def test_an_uninstall_after_one_that_was_cut_off_puts_the_runtime_back_too(cluster: FakeCluster) -> None:
    cluster.daemon_sets["reaper-node"] = daemon_set(1)
    run(cluster, [CLEAN])
    cluster.daemon_sets["reaper-node"]["status"]["numberReady"] = 0

    with pytest.raises(NodeError, match="0 of 1 nodes"):
        run(cluster, [])

    assert arguments(cluster) == ["install"]


def test_a_hook_that_is_stopped_puts_the_runtime_back(cluster: FakeCluster) -> None:
    cluster.daemon_sets["reaper-node"] = daemon_set(1)

    def stop(_seconds: float) -> None:
        assert arguments(cluster) == ["remove"]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        withdraw.withdraw(cluster, WANTED, lambda: 0, stop)

    assert arguments(cluster) == ["install"]


def test_pods_that_were_asked_to_install_meanwhile_are_not_taken_for_clean(cluster: FakeCluster) -> None:
    """An earlier hook, which somebody stopped, puts the runtime back while this one waits."""
    cluster.daemon_sets["reaper-node"] = daemon_set(1)
    clock = Clock(cluster, [], NEVER)

    def interfere(seconds: float) -> None:
        clock.sleep(seconds)
        template = cluster.daemon_sets["reaper-node"]["spec"]["template"]["spec"]
        if clock.time == 1:
            template["containers"][0]["args"] = ["install"]
            clock.steps = [CLEAN]

    withdraw.withdraw(cluster, WANTED, clock.now, interfere)

    assert arguments(cluster) == ["remove"]


def test_a_daemon_set_that_is_gone_needs_no_work(cluster: FakeCluster) -> None:
    withdraw.withdraw(cluster, WANTED)


def test_an_api_server_that_is_away_is_an_error(cluster: FakeCluster) -> None:
    cluster.down = True

    with pytest.raises(ApiError):
        withdraw.withdraw(cluster, WANTED)


def test_a_missing_variable_is_named() -> None:
    with pytest.raises(NodeError, match="REAPER_DAEMONSET"):
        withdraw.Withdrawal.from_env({"REAPER_NAMESPACE": "x"})
