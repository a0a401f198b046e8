"""The link by which containerd finds the shim after a restart."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reaper_node import containerd, lookup
from reaper_node.errors import NodeError
from tests.fakes.node import KUBEADM

if TYPE_CHECKING:
    from tests.fakes.node import FakeNode

NAME = "containerd-shim-reaper-v2"
SHIM = f"/opt/reaper/current/bin/{NAME}"
OTHER = '[plugins."io.containerd.internal.v1.opt"]\npath = "/var/lib/containerd-opt"\n'


@pytest.mark.parametrize(("more", "folder"), [("", "opt/containerd"), (OTHER, "var/lib/containerd-opt")])
def test_is_where_containerd_looks(node: FakeNode, more: str, folder: str) -> None:
    node.write("/etc/containerd/config.toml", KUBEADM + more)
    daemon = containerd.find(node, "containerd.service")
    link = node.root / folder / "bin" / NAME

    assert lookup.ensure(node, daemon)
    assert str(link.readlink()) == SHIM
    assert not lookup.ensure(node, daemon)

    lookup.remove(node, daemon)
    lookup.remove(node, daemon)
    assert not link.is_symlink()


def test_a_file_of_others_is_neither_replaced_nor_removed(node: FakeNode) -> None:
    daemon = containerd.find(node, "containerd.service")
    node.write(f"/opt/containerd/bin/{NAME}", "somebody's program")

    with pytest.raises(NodeError, match=f"/opt/containerd/bin/{NAME} on the node is not .*: move it away") as caught:
        lookup.ensure(node, daemon)
    lookup.remove(node, daemon)

    assert caught.value.reason == "LinkInTheWay"
    assert node.read(f"/opt/containerd/bin/{NAME}") == "somebody's program"


def test_a_link_of_others_is_not_removed(node: FakeNode) -> None:
    daemon = containerd.find(node, "containerd.service")
    link = node.root / "opt/containerd/bin" / NAME
    link.parent.mkdir(parents=True)
    link.symlink_to("/usr/local/bin/theirs")

    lookup.remove(node, daemon)

    assert link.is_symlink()


def test_a_link_to_elsewhere_is_corrected(node: FakeNode) -> None:
    daemon = containerd.find(node, "containerd.service")
    link = node.root / "opt/containerd/bin" / NAME
    link.parent.mkdir(parents=True)
    link.symlink_to("/usr/local/bin/old")

    assert lookup.ensure(node, daemon)
    assert str(link.readlink()) == SHIM
