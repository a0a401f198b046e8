"""top: what tasks use."""

from __future__ import annotations

import pytest

from reaper_cli.cluster import (
    POD_METRICS,
)
from reaper_cli.errors import NotFound
from tests.fakes.kubectl import FakeCluster


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


def running(cluster: FakeCluster, name: str, node: str = "n1", namespace: str = "default") -> None:
    cluster.add_task(name, namespace, phase="Running", podName=name, nodeName=node, startTime="2026-11-25T12:00:00Z")


def metrics(cluster: FakeCluster, name: str, cpu: str, memory: str) -> None:
    metadata = {"name": name, "namespace": "default", "labels": {"reaper.io/task": name}}
    cluster.put(POD_METRICS, {"metadata": metadata, "containers": [{"usage": {"cpu": cpu, "memory": memory}}]})


def test_usage_from_the_metrics_api(cluster: FakeCluster) -> None:
    # Pods and PodMetrics have one plural: the fake keeps them apart by their path's prefix no better than by that.
    running(cluster, "a")
    running(cluster, "b")
    metrics(cluster, "a", "250m", "64Mi")
    metrics(cluster, "b", "1500000000n", "2048Ki")
    cluster.time.seconds = 90
    assert cluster.run("top").stdout.splitlines() == [
        "NAME   CPU     MEMORY   NODE   RUNNING",
        "b      1500m   2Mi      n1     90s",
        "a      250m    64Mi     n1     90s",
    ]
    assert [
        line.split()[0] for line in cluster.run("top", "--sort-by", "memory", "--no-headers").stdout.splitlines()
    ] == ["a", "b"]
    assert [line.split()[0] for line in cluster.run("top", "a").stdout.splitlines()] == ["NAME", "a"]


def test_usage_from_the_kubelets_where_there_is_no_metrics_api(cluster: FakeCluster) -> None:
    running(cluster, "a", namespace="ops")
    cluster.faults["pods"] = NotFound("the server could not find the requested resource")
    cluster.answers["/api/v1/nodes/n1/proxy/stats/summary"] = {
        "pods": [
            {
                "podRef": {"namespace": "ops", "name": "a"},
                "containers": [{"cpu": {"usageNanoCores": 2_000_000_000}, "memory": {"workingSetBytes": 1 << 30}}],
            },
            {"podRef": {"namespace": "ops", "name": "new"}, "containers": [{}]},
        ]
    }
    assert cluster.run("top", "-A").stdout.splitlines()[1].split() == ["ops", "a", "2000m", "1024Mi", "n1", "0s"]


def test_usage_that_nobody_tells_is_said_with_what_helps(cluster: FakeCluster) -> None:
    running(cluster, "a")
    cluster.faults["pods"] = NotFound("no metrics")
    result = cluster.run("top")
    assert result.exit_code == 1
    assert "the metrics API says no metrics; kubelet says" in result.stderr
    assert "try: installing metrics-server, or granting get on nodes/proxy\n" in result.stderr


def test_usage_of_a_task_that_is_not_measured_yet(cluster: FakeCluster) -> None:
    running(cluster, "a")
    assert cluster.run("top").stdout.splitlines()[1].split() == ["a", "?", "?", "n1", "0s"]


def test_usage_of_nothing(cluster: FakeCluster) -> None:
    result = cluster.run("top", "a")
    assert (result.exit_code, result.stderr) == (1, "error: no task runs that is selected\ntry: kubectl reaper get\n")
