"""Giving a node back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reaper_node import install, removal
from reaper_node.errors import NodeError
from reaper_node.host import Process
from tests.fakes.node import FakeCluster, FakeNode, runtimes

if TYPE_CHECKING:
    from reaper_node.settings import Settings


def do_nothing(_seconds: float) -> None:
    """In place of sleeping."""


@pytest.fixture
def installed(node: FakeNode, cluster: FakeCluster, settings: Settings) -> FakeNode:
    install.ensure(node, cluster, settings, thorough=True)
    node.write("/run/reaper/zygote.json", "{}")
    node.restarts = 0
    return node


def test_leaves_the_node_as_it_was(installed: FakeNode, cluster: FakeCluster, settings: Settings) -> None:
    installed.running.append(Process(200, "/opt/reaper/1.0/lib/ld-linux-x86-64.so.2"))

    removal.ensure(installed, cluster, settings, do_nothing)

    assert not installed.path("/opt/reaper").exists()
    assert not installed.path("/run/reaper").exists()
    assert list(installed.path("/etc/containerd/conf.d").iterdir()) == []
    assert set(runtimes(installed)) == {"runc"}
    assert installed.image == ""
    assert [process.pid for process in installed.running] == [100]
    assert installed.restarts == 1
    assert cluster.metadata == {"labels": {}, "annotations": {}}


def test_doing_it_again_changes_nothing(installed: FakeNode, cluster: FakeCluster, settings: Settings) -> None:
    removal.ensure(installed, cluster, settings, do_nothing)
    removal.ensure(installed, cluster, settings, do_nothing)

    assert installed.restarts == 1


CONTAINERS = ["abc placeholder io.containerd.reaper.v2", "def nginx io.containerd.runc.v2"]


def test_waits_for_pods_but_lets_no_new_ones_come(
    installed: FakeNode, cluster: FakeCluster, settings: Settings
) -> None:
    installed.containers, installed.tasks = CONTAINERS, ["abc", "def"]

    with pytest.raises(NodeError, match=r"^Pod default/pod-of-abc runs on this node: delete"):
        removal.ensure(installed, cluster, settings, do_nothing)

    assert "reaper-v2" in runtimes(installed)
    assert installed.path("/opt/reaper/current").exists()
    assert cluster.metadata["labels"] == {}


def test_names_some_of_many_pods(installed: FakeNode, cluster: FakeCluster, settings: Settings) -> None:
    installed.tasks = [f"c{number}" for number in range(8)]
    installed.containers = [f"{name} placeholder io.containerd.reaper.v2" for name in installed.tasks]

    with pytest.raises(NodeError, match="pod-of-c4 runs, and 3 more on this node"):
        removal.ensure(installed, cluster, settings, do_nothing)


def test_finished_pods_are_no_hindrance(installed: FakeNode, cluster: FakeCluster, settings: Settings) -> None:
    installed.containers, installed.tasks = CONTAINERS, ["def"]

    removal.ensure(installed, cluster, settings, do_nothing)

    assert not installed.path("/opt/reaper").exists()


def test_never_removes_through_a_mount(installed: FakeNode, cluster: FakeCluster, settings: Settings) -> None:
    merged = "/run/reaper/overlays/default/default/merged"
    installed.write("/proc/1/mountinfo", f"1 0 0:1 / / rw - ext4 sda rw\n2 1 0:2 / {merged} rw - overlay overlay rw\n")
    installed.write(f"{merged}/etc/passwd", "root")

    with pytest.raises(NodeError, match=f"unmount {merged}"):
        removal.ensure(installed, cluster, settings, do_nothing)

    assert installed.read(f"{merged}/etc/passwd") == "root"


def test_a_node_that_never_had_the_runtime(node: FakeNode, cluster: FakeCluster, settings: Settings) -> None:
    removal.ensure(node, cluster, settings, do_nothing)

    assert node.restarts == 0
