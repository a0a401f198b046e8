"""Uninstalling on every node by turning the DaemonSet round."""

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
        "spec": {"template": {"spec": {"containers": [{"name": "installer", "args": ["install"]}]}}},
        "status": {
            "observedGeneration": 1,
            "desiredNumberScheduled": desired,
            "updatedNumberScheduled": desired,
            "numberReady": desired,
        },
    }


class Clock:
    """Time that only passes in sleep, where the cluster may move on as well."""

    def __init__(self, steps: list[dict[str, int]], status: dict[str, int]) -> None:
        self.time = 0.0
        self.steps = steps
        self.status = status

    def now(self) -> float:
        return self.time

    def sleep(self, seconds: float) -> None:
        self.time += seconds
        if self.steps:
            self.status |= self.steps.pop(0)


def run(cluster: FakeCluster, steps: list[dict[str, int]]) -> Clock:
    clock = Clock(steps, cluster.daemon_sets["reaper-node"]["status"])
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
    assert arguments(cluster) == ["install"]


def test_a_daemon_set_that_is_gone_needs_no_work(cluster: FakeCluster) -> None:
    withdraw.withdraw(cluster, WANTED)


def test_an_api_server_that_is_away_is_an_error(cluster: FakeCluster) -> None:
    cluster.down = True

    with pytest.raises(ApiError):
        withdraw.withdraw(cluster, WANTED)


def test_a_missing_variable_is_named() -> None:
    with pytest.raises(NodeError, match="REAPER_DAEMONSET"):
        withdraw.Withdrawal.from_env({"REAPER_NAMESPACE": "x"})
