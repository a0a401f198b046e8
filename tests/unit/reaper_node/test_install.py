"""Installing, looking again, upgrading and failing, on a folder that looks like a node."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reaper_node import bundle, install
from reaper_node.errors import ApiError, NodeError
from reaper_node.host import Process
from tests.fakes.node import KUBEADM, FakeCluster, FakeNode, make_bundle, runtimes

if TYPE_CHECKING:
    from reaper_node.settings import Settings

DROP_IN = "/etc/containerd/conf.d/reaper.toml"


def ensure(node: FakeNode, cluster: FakeCluster, settings: Settings, *, thorough: bool = False) -> None:
    install.ensure(node, cluster, settings, thorough=thorough)


def test_a_fresh_node_gets_everything(node: FakeNode, cluster: FakeCluster, settings: Settings) -> None:
    ensure(node, cluster, settings, thorough=True)

    assert node.read("/opt/reaper/current/VERSION") == "1.0\n"
    assert runtimes(node)["reaper-v2"] == {
        "runtime_type": "io.containerd.reaper.v2",
        "runtime_path": "/opt/reaper/current/bin/containerd-shim-reaper-v2",
        "pod_annotations": ["reaper.runtime/*"],
    }
    assert "io.cri-containerd.pinned=pinned" in node.image
    assert node.restarts == 1
    assert any("run --rm --runtime" in call for call in node.calls)
    assert cluster.metadata == {
        "labels": {"reaper.io/runtime": "ready"},
        "annotations": {"reaper.io/runtime-version": "1.0"},
    }
    assert [event["reason"] for event in cluster.events] == ["ReaperRuntimeReady"]


def test_a_second_look_changes_nothing(node: FakeNode, cluster: FakeCluster, settings: Settings) -> None:
    ensure(node, cluster, settings, thorough=True)
    inode = node.path(DROP_IN).stat().st_ino
    node.calls.clear()
    writes = cluster.writes

    ensure(node, cluster, settings)

    assert node.restarts == 1
    assert cluster.writes == writes
    assert node.path(DROP_IN).stat().st_ino == inode
    assert not any("import" in call or "restart" in call or " run " in call for call in node.calls)


def test_what_went_missing_comes_back(node: FakeNode, cluster: FakeCluster, settings: Settings) -> None:
    ensure(node, cluster, settings)
    node.path(DROP_IN).unlink()
    node.image = ""
    cluster.metadata["labels"].clear()

    ensure(node, cluster, settings)

    assert "reaper-v2" in runtimes(node)
    assert node.image
    assert node.restarts == 2
    assert cluster.metadata["labels"] == {"reaper.io/runtime": "ready"}


def test_a_containerd_that_has_not_read_the_drop_in_is_restarted(
    node: FakeNode, cluster: FakeCluster, settings: Settings
) -> None:
    """The installer was killed between writing the file and restarting."""
    ensure(node, cluster, settings)
    node.started -= 1000

    ensure(node, cluster, settings)

    assert node.restarts == 2


@pytest.mark.parametrize("broken", ["plugins ls", "systemctl restart"])
def test_a_containerd_that_does_not_come_up_with_the_drop_in_is_restarted_without_it_once(
    node: FakeNode, cluster: FakeCluster, settings: Settings, broken: str
) -> None:
    node.broken_by_drop_in = {broken: "it does not load"}

    with pytest.raises(NodeError, match="it does not load"):
        ensure(node, cluster, settings)
    assert set(runtimes(node)) == {"runc"}
    restarts = node.restarts

    with pytest.raises(NodeError, match=r"did not come up with /etc/containerd/conf\.d/reaper\.toml") as caught:
        ensure(node, cluster, settings)
    assert caught.value.reason == "DropInRefused"
    assert node.restarts == restarts


def test_a_refused_drop_in_is_tried_again_when_somebody_restarted_containerd(
    node: FakeNode, cluster: FakeCluster, settings: Settings
) -> None:
    node.broken_by_drop_in = {"plugins ls": "it does not load"}
    with pytest.raises(NodeError, match="it does not load"):
        ensure(node, cluster, settings)
    node.broken_by_drop_in = {}
    node.run("systemctl", "restart", "containerd.service")

    ensure(node, cluster, settings)

    assert set(runtimes(node)) == {"runc", "reaper-v2"}


def test_a_containerd_that_comes_up_neither_way_is_not_restarted_again(
    node: FakeNode, cluster: FakeCluster, settings: Settings
) -> None:
    node.broken = {"systemctl restart": "the disk is full"}
    with pytest.raises(NodeError, match="the disk is full"):
        ensure(node, cluster, settings)

    with pytest.raises(NodeError, match="did not come up"):
        ensure(node, cluster, settings)


def test_an_upgrade_keeps_what_runs_and_removes_it_later(
    node: FakeNode, cluster: FakeCluster, settings: Settings
) -> None:
    ensure(node, cluster, settings)
    shim = Process(200, "/opt/reaper/1.0/lib/ld-linux-x86-64.so.2")
    node.running.append(shim)
    make_bundle(Path(settings.bundle), "2.0")

    ensure(node, cluster, settings)

    assert node.read("/opt/reaper/current/VERSION") == "2.0\n"
    assert node.path("/opt/reaper/1.0").is_dir()
    assert node.restarts == 1  # the drop-in names `current`: containerd need not know
    assert cluster.metadata["annotations"]["reaper.io/runtime-version"] == "2.0"

    node.running.remove(shim)
    ensure(node, cluster, settings)
    assert not node.path("/opt/reaper/1.0").exists()


def test_a_version_that_does_not_start_never_becomes_current(
    node: FakeNode, cluster: FakeCluster, settings: Settings
) -> None:
    ensure(node, cluster, settings)
    make_bundle(Path(settings.bundle), "2.0")
    node.broken = {"/opt/reaper/2.0/bin": "exec format error"}

    with pytest.raises(NodeError, match=r"2\.0 does not start on this node.*exec format error") as caught:
        ensure(node, cluster, settings)

    assert caught.value.reason == "RuntimeDoesNotStart"
    assert node.read("/opt/reaper/current/VERSION") == "1.0\n"


def test_a_damaged_installation_is_replaced(node: FakeNode, cluster: FakeCluster, settings: Settings) -> None:
    ensure(node, cluster, settings)
    shim = node.path("/opt/reaper/1.0/bin/containerd-shim-reaper-v2")
    shim.write_text("#!/bin/sh\n# 9.9\n")  # the same size: only the content tells

    ensure(node, cluster, settings, thorough=True)

    assert shim.read_text() == "#!/bin/sh\n# 1.0\n"
    assert [path.name for path in sorted(node.path("/opt/reaper").iterdir())] == ["1.0", "current"]


def test_a_damaged_installation_stays_until_its_replacement_is_copied(
    node: FakeNode, cluster: FakeCluster, settings: Settings
) -> None:
    ensure(node, cluster, settings)
    shim = node.path("/opt/reaper/1.0/bin/containerd-shim-reaper-v2")
    shim.write_text("#!/bin/sh\n# 9.9\n")
    os.mkfifo(Path(settings.bundle, "a"))  # what a copy refuses

    with pytest.raises(OSError, match="named pipe"):
        ensure(node, cluster, settings, thorough=True)

    assert node.path("/opt/reaper/current/bin/containerd-shim-reaper-v2").exists()


def test_an_installation_can_be_damaged_again_while_the_last_one_is_still_in_use(
    node: FakeNode, settings: Settings
) -> None:
    bundle.ensure(node, settings.bundle, thorough=True)
    for _ in range(2):
        node.path("/opt/reaper/1.0/VERSION").unlink()
        assert bundle.ensure(node, settings.bundle, thorough=True)

    assert len(list(node.path("/opt/reaper").glob(".retired-1.0-*"))) == 2
    assert node.read("/opt/reaper/1.0/VERSION") == "1.0\n"


def test_a_copy_that_was_interrupted_is_begun_again(node: FakeNode, cluster: FakeCluster, settings: Settings) -> None:
    node.write("/opt/reaper/.1.0.new/half", "of a file")

    ensure(node, cluster, settings)

    assert [path.name for path in sorted(node.path("/opt/reaper").iterdir())] == ["1.0", "current"]
    assert not node.path("/opt/reaper/1.0/half").exists()


def test_an_absolute_link_stays_inside_the_node(node: FakeNode, cluster: FakeCluster, settings: Settings) -> None:
    """As on image-based distributions, where /opt is a link to /var/opt."""
    node.link("/opt", "/var/opt")

    ensure(node, cluster, settings)

    assert (node.root / "var/opt/reaper/1.0/VERSION").exists()


def test_what_runs_is_found_behind_a_link(node: FakeNode, cluster: FakeCluster, settings: Settings) -> None:
    """/proc names a program by its real path."""
    node.link("/opt", "/var/opt")
    ensure(node, cluster, settings)
    node.running.append(Process(200, "/var/opt/reaper/1.0/lib/ld-linux-x86-64.so.2"))
    make_bundle(Path(settings.bundle), "2.0")

    ensure(node, cluster, settings)

    assert node.path("/opt/reaper/1.0").is_dir()


@pytest.mark.parametrize("error_where", ["plugins ls", "images import", "systemctl restart"])
def test_a_program_that_fails_is_named(
    node: FakeNode, cluster: FakeCluster, settings: Settings, error_where: str
) -> None:
    node.broken = {error_where: "out of luck"}

    with pytest.raises(NodeError, match=f"{error_where}.*out of luck"):
        ensure(node, cluster, settings)

    assert "reaper.io/runtime" not in cluster.metadata["labels"]


def test_a_failure_is_told_where_people_look(node: FakeNode, cluster: FakeCluster, settings: Settings) -> None:
    node.broken = {" run ": "no such runtime"}

    install.tell_failure(node, cluster, settings, NodeError("NoExec", "remount it"))
    install.tell_failure(node, cluster, settings, NodeError("NoExec", "remount it"))

    assert cluster.metadata == {
        "labels": {"reaper.io/runtime": "failed"},
        "annotations": {"reaper.io/runtime-error": "NoExec: remount it"},
    }
    assert [(e["type"], e["reason"], e["message"]) for e in cluster.events] == [("Warning", "NoExec", "remount it")]


def test_a_node_that_still_works_keeps_its_label(node: FakeNode, cluster: FakeCluster, settings: Settings) -> None:
    ensure(node, cluster, settings)

    install.tell_failure(node, cluster, settings, NodeError("RuntimeDoesNotStart", "the new one"))

    assert cluster.metadata["labels"] == {"reaper.io/runtime": "ready"}
    assert cluster.metadata["annotations"]["reaper.io/runtime-error"] == "RuntimeDoesNotStart: the new one"

    ensure(node, cluster, settings)
    assert "reaper.io/runtime-error" not in cluster.metadata["annotations"]


def test_a_node_whose_containerd_waits_for_a_restart_keeps_its_label(
    node: FakeNode, cluster: FakeCluster, settings: Settings
) -> None:
    """What its file would say cannot be asked; that processes run can be seen."""
    ensure(node, cluster, settings)
    node.runs("/usr/bin/containerd (deleted)")

    install.tell_failure(node, cluster, settings, NodeError("ContainerdReplaced", "restart it"))

    assert cluster.metadata["labels"] == {"reaper.io/runtime": "ready"}


def test_a_node_that_lost_the_handler_loses_its_label(node: FakeNode, cluster: FakeCluster, settings: Settings) -> None:
    ensure(node, cluster, settings)
    node.write("/etc/containerd/config.toml", KUBEADM.replace("conf.d", "gone.d"))

    install.tell_failure(node, cluster, settings, NodeError("DropInNotImported", "import it"))

    assert cluster.metadata["labels"] == {"reaper.io/runtime": "failed"}


def test_a_node_that_was_never_ready_is_failed_though_a_process_runs(
    node: FakeNode, cluster: FakeCluster, settings: Settings
) -> None:
    node.broken = {"systemctl show": "no such unit"}

    install.tell_failure(node, cluster, settings, NodeError("ContainerdNotFound", "name the unit"))

    assert cluster.metadata["labels"] == {"reaper.io/runtime": "failed"}


def test_an_api_server_that_is_away_is_not_told(node: FakeNode, cluster: FakeCluster, settings: Settings) -> None:
    install.tell_failure(node, cluster, settings, ApiError("GET /", 0, "connection refused"))

    cluster.down = True
    install.tell_failure(node, cluster, settings, NodeError("NoExec", "remount it"))

    assert cluster.writes == 0


@pytest.mark.parametrize("text", ["", "../up", ".hidden", "current"])
def test_a_bundle_without_a_usable_version_is_refused(
    node: FakeNode, cluster: FakeCluster, settings: Settings, text: str
) -> None:
    Path(settings.bundle, "VERSION").write_text(text)

    with pytest.raises(NodeError) as caught:
        ensure(node, cluster, settings)

    assert caught.value.reason == "BadBundle"
