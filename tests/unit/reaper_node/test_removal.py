"""Giving a node back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reaper_node import install, removal
from reaper_node.errors import NodeError
from reaper_node.host import Process
from tests.fakes.node import MOUNTS, FakeCluster, FakeNode, runtimes

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


def test_forgets_the_overlays_by_the_runtimes_own_word(
    installed: FakeNode, cluster: FakeCluster, settings: Settings
) -> None:
    installed.overlays = {"default": None, "@containerd.reaper-check": None}
    installed.write("/opt/reaper/current/bin/reaper-runtime", "")
    installed.write("/proc/1/mountinfo", f"{MOUNTS}9 1 0:9 / /run/reaper/overlays rw - tmpfs reaper rw\n")

    removal.ensure(installed, cluster, settings, do_nothing)

    assert installed.overlays == {}
    assert not installed.path("/run/reaper").exists()


def test_finds_the_fork_server_behind_a_link(node: FakeNode, cluster: FakeCluster, settings: Settings) -> None:
    node.link("/opt", "/var/opt")
    install.ensure(node, cluster, settings, thorough=True)
    node.running.append(Process(200, "/var/opt/reaper/1.0/lib/ld-linux-x86-64.so.2"))

    removal.ensure(node, cluster, settings, do_nothing)

    assert [process.pid for process in node.running] == [100]


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


def test_waits_for_what_others_than_kubelet_run(installed: FakeNode, cluster: FakeCluster, settings: Settings) -> None:
    installed.namespace, installed.containers, installed.tasks = "default", CONTAINERS, ["abc", "def"]

    with pytest.raises(NodeError, match=r"^container abc in containerd's namespace default runs on this node"):
        removal.ensure(installed, cluster, settings, do_nothing)

    assert installed.path("/opt/reaper/current").exists()


def test_waits_for_containers_of_the_oci_commands(
    installed: FakeNode, cluster: FakeCluster, settings: Settings
) -> None:
    for pid, line in ((200, "reaper-supervisor\0web\0/run/reaper/oci\0\0"), (201, "reaper-zygote\0001\0")):
        installed.running.append(Process(pid, "/opt/reaper/1.0/lib/ld-linux-x86-64.so.2"))
        installed.write(f"/proc/{pid}/cmdline", line)
    installed.running.append(Process(202, "/opt/reaper/1.0/lib/ld-linux-x86-64.so.2"))  # it ends just now

    with pytest.raises(NodeError, match="container web of reaper-runtime in /run/reaper/oci is there on this node"):
        removal.ensure(installed, cluster, settings, do_nothing)

    assert installed.path("/opt/reaper").exists()


def test_takes_the_empty_cgroups_along(installed: FakeNode, cluster: FakeCluster, settings: Settings) -> None:
    installed.write("/proc/1/mountinfo", f"{MOUNTS}9 1 0:9 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n")
    for name in ("reaper/k8s.io", "reaper/oci-1/web", "kubepods"):
        installed.path(f"/sys/fs/cgroup/{name}").mkdir(parents=True)

    removal.ensure(installed, cluster, settings, do_nothing)

    assert [path.name for path in installed.path("/sys/fs/cgroup").iterdir()] == ["kubepods"]


def test_what_an_interrupted_check_left_is_no_hindrance(
    installed: FakeNode, cluster: FakeCluster, settings: Settings
) -> None:
    installed.calls.clear()

    removal.ensure(installed, cluster, settings, do_nothing)

    assert any("--namespace reaper-check tasks rm --force" in call for call in installed.calls)


def test_names_some_of_many_pods(installed: FakeNode, cluster: FakeCluster, settings: Settings) -> None:
    installed.tasks = [f"c{number}" for number in range(8)]
    installed.containers = [f"{name} placeholder io.containerd.reaper.v2" for name in installed.tasks]

    with pytest.raises(NodeError, match="pod-of-c4 runs, and 3 more on this node"):
        removal.ensure(installed, cluster, settings, do_nothing)


def test_finished_pods_are_no_hindrance(installed: FakeNode, cluster: FakeCluster, settings: Settings) -> None:
    installed.containers, installed.tasks = CONTAINERS, ["def"]

    removal.ensure(installed, cluster, settings, do_nothing)

    assert not installed.path("/opt/reaper").exists()


@pytest.mark.parametrize("state", ["/run/reaper", "/data/reaper"])
def test_never_removes_through_a_mount(
    installed: FakeNode, cluster: FakeCluster, settings: Settings, state: str
) -> None:
    if state != "/run/reaper":
        installed.path("/run/reaper/zygote.json").unlink()
        installed.link("/run/reaper", state)
    merged = f"{state}/overlays/default/default/merged"
    installed.write("/proc/1/mountinfo", f"1 0 0:1 / / rw - ext4 sda rw\n2 1 0:2 / {merged} rw - overlay overlay rw\n")
    installed.write(f"{merged}/etc/passwd", "root")

    with pytest.raises(NodeError, match=f"unmount {merged}"):
        removal.ensure(installed, cluster, settings, do_nothing)

    assert installed.read(f"{merged}/etc/passwd") == "root"


def test_a_node_that_never_had_the_runtime(node: FakeNode, cluster: FakeCluster, settings: Settings) -> None:
    removal.ensure(node, cluster, settings, do_nothing)

    assert node.restarts == 0
