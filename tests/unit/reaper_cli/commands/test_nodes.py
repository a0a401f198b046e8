"""nodes: what is installed on each."""

from __future__ import annotations

import pytest

from reaper_cli.errors import Forbidden
from tests.fakes.installation import READY, VERSION
from tests.fakes.kubectl import FakeCluster


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


def test_nodes_with_their_runtime_and_what_is_wrong(cluster: FakeCluster) -> None:
    cluster.add_node("n1", labels=READY, annotations=VERSION)
    cluster.add_node(
        "n2", labels={"reaper.io/runtime": "failed"}, annotations={"reaper.io/runtime-error": "NoExec: no"}
    )
    cluster.add_node("n3", ready=False)
    cluster.add_task(phase="Running", nodeName="n1")
    assert cluster.run("nodes").stdout.splitlines() == [
        "NODE   RUNTIME   VERSION   TASKS   PROBLEM",
        "n1     ready     1.2.3     1",
        "n2     failed    -         -       NoExec: no",
        "n3     -         -         -       the node is not Ready; the installer has not been here",
    ]


def test_nodes_by_name_and_wide(cluster: FakeCluster) -> None:
    cluster.add_node("n1", labels=READY)
    cluster.add_node("n2")
    assert [line.split()[0] for line in cluster.run("nodes", "n2").stdout.splitlines()] == ["NODE", "n2"]
    assert "CONTAINERD" in cluster.run("nodes", "-o", "wide").stdout
    assert "there is no node n3" in cluster.run("nodes", "n3").stderr


def test_nodes_as_data_are_kubectls(cluster: FakeCluster) -> None:
    cluster.run("nodes", "n1", "-l", "a=b", "-o", "json")
    assert cluster.handed_over == ["get", "nodes", "n1", "--selector=a=b", "-o", "json"]


def test_nodes_without_the_right_to_list_tasks(cluster: FakeCluster) -> None:
    cluster.add_node("n1", labels=READY)
    cluster.faults["reapertasks"] = Forbidden("no")
    assert cluster.run("nodes").stdout.splitlines()[1].split() == ["n1", "ready", "-", "?"]


def test_no_nodes_at_all_is_said(cluster: FakeCluster) -> None:
    result = cluster.run("nodes", "-l", "a=b")
    assert (result.exit_code, result.stderr) == (
        1,
        "error: no node is selected\ntry: kubectl get nodes --show-labels\n",
    )
