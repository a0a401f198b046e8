"""The drop-in for each kind of containerd, and what it must never do."""

from __future__ import annotations

import tomllib

import pytest

from reaper_node import containerd, dropin
from reaper_node.errors import NodeError
from tests.fakes.node import KUBEADM, FakeNode, runtimes

FOLDER = "/etc/containerd/conf.d"
MAIN = "/etc/containerd/config.toml"
UNIT = "containerd.service"
VERSION_3 = """\
version = 3
imports = ["conf.d/*.toml"]
[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
"""


def ensure(node: FakeNode) -> bool:
    return dropin.ensure(node, containerd.find(node, UNIT), FOLDER)


@pytest.mark.parametrize(
    ("main", "version", "plugin"),
    [
        (KUBEADM, 2, "io.containerd.grpc.v1.cri"),
        (VERSION_3, 3, "io.containerd.cri.v1.runtime"),
        (VERSION_3.replace("version = 3", "version = 4"), 3, "io.containerd.cri.v1.runtime"),
    ],
)
def test_follows_the_version_of_the_main_file(node: FakeNode, main: str, version: int, plugin: str) -> None:
    """A drop-in of a higher version than the main file would keep containerd from starting."""
    node.write(MAIN, main)

    assert ensure(node)

    written = tomllib.loads(node.read(f"{FOLDER}/reaper.toml"))
    assert written["version"] == version
    assert list(written["plugins"][plugin]["containerd"]["runtimes"]) == ["reaper-v2"]
    assert set(runtimes(node)) == {"runc", "reaper-v2"}
    assert not ensure(node)


def test_containerd_1_keeps_the_settings_of_others(node: FakeNode) -> None:
    """There an imported file replaces a plugin's whole table."""
    node.version = "1.7.24"

    ensure(node)

    assert runtimes(node)["runc"]["options"] == {"SystemdCgroup": True}
    assert "reaper-v2" in runtimes(node)


def test_containerd_1_follows_changes_of_the_main_file(node: FakeNode) -> None:
    node.version = "1.7.24"
    ensure(node)
    node.write(MAIN, KUBEADM.replace("true", "false"))

    assert ensure(node)

    assert runtimes(node)["runc"]["options"] == {"SystemdCgroup": False}


def test_containerd_1_takes_the_last_file_before_ours(node: FakeNode) -> None:
    node.version = "1.7.24"
    node.write(f"{FOLDER}/cni.toml", 'version = 2\n[plugins."io.containerd.grpc.v1.cri".cni]\nbin_dir = "/cni"\n')
    before = node.resolved_plugins(MAIN)

    ensure(node)

    assert node.resolved_plugins(MAIN)["io.containerd.grpc.v1.cri"]["cni"] == before["io.containerd.grpc.v1.cri"]["cni"]


def test_containerd_1_with_a_later_file_is_refused_and_left_alone(node: FakeNode) -> None:
    node.version = "1.7.24"
    node.write(f"{FOLDER}/zz.toml", 'version = 2\n[plugins."io.containerd.grpc.v1.cri"]\nsandbox_image = "x"\n')

    with pytest.raises(NodeError, match="has to be added there") as caught:
        ensure(node)

    assert caught.value.reason == "DropInWithoutEffect"
    assert not node.path(f"{FOLDER}/reaper.toml").exists()


def test_containerd_1_that_leaves_runtimes_to_defaults_is_refused(node: FakeNode) -> None:
    """The drop-in would take runc away, which no file names."""
    node.version = "1.7.24"
    node.write(MAIN, 'version = 2\nimports = ["/etc/containerd/conf.d/*.toml"]\n')
    node.defaults = {"io.containerd.grpc.v1.cri": {"containerd": {"runtimes": {"runc": {"runtime_type": "runc"}}}}}

    with pytest.raises(NodeError, match="containerd config default"):
        ensure(node)

    assert not node.path(f"{FOLDER}/reaper.toml").exists()


def test_a_drop_in_that_would_change_others_is_taken_back(node: FakeNode) -> None:
    """A containerd that says it merges, and does not."""
    daemon = containerd.find(node, UNIT)
    node.version = "1.7.24"

    with pytest.raises(NodeError) as caught:
        dropin.ensure(node, daemon, FOLDER)

    assert caught.value.reason == "DropInWouldChangeOthers"
    assert not node.path(f"{FOLDER}/reaper.toml").exists()


def test_a_containerd_that_refuses_its_configuration_keeps_the_old_file(node: FakeNode) -> None:
    node.write(f"{FOLDER}/reaper.toml", "version = 2\n# an older one\n")
    node.broken = {"config dump": "toml: line 3"}

    with pytest.raises(NodeError, match=r"refuses its configuration.*toml: line 3"):
        ensure(node)

    assert node.read(f"{FOLDER}/reaper.toml") == "version = 2\n# an older one\n"


def test_another_folder_can_be_imported(node: FakeNode) -> None:
    node.write(MAIN, KUBEADM.replace("conf.d", "more"))

    assert dropin.ensure(node, containerd.find(node, UNIT), "/etc/containerd/more")
    assert "reaper-v2" in runtimes(node)


@pytest.mark.parametrize(
    ("imports", "advice"),
    [
        (
            "",
            r'add the line imports = \["/etc/containerd/conf\.d/\*\.toml"\] at the top of',
        ),
        (
            'imports = ["/etc/other/*.toml"]',
            r'add "/etc/containerd/conf\.d/\*\.toml" to the list imports',
        ),
        ('imports = ["/etc/containerd/conf.d/r*.conf"]', "to the list imports"),
    ],
)
def test_a_folder_that_is_not_imported_is_said_in_one_sentence(node: FakeNode, imports: str, advice: str) -> None:
    main = f"version = 2\n{imports}\n"
    node.write(MAIN, main)

    with pytest.raises(NodeError, match=advice) as caught:
        ensure(node)

    assert caught.value.reason == "DropInNotImported"
    assert node.read(MAIN) == main
    assert not node.path(FOLDER).exists()


def test_removing_is_done_once(node: FakeNode) -> None:
    ensure(node)

    assert dropin.remove(node, FOLDER)
    assert not dropin.remove(node, FOLDER)
    assert set(runtimes(node)) == {"runc"}
