"""Links that a container has made in an overlay: they lead nothing of the node elsewhere, and hold up nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reaper_runtime.host import libc, mounts
from tests.fakes.disks import LATER, mounted_later
from tests.fakes.rootfs import Overlays, run
from tests.fakes.runtime import needs_root

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = needs_root


def test_a_link_inside_leads_no_mount_of_the_node_elsewhere(make_overlay: Overlays, tmp_path: Path) -> None:
    """A container makes it, the node mounts something at the same path, and the next container starts."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "file").write_text("of the node")
    run(make_overlay(), f"ln -s {victim} {LATER}")
    with mounted_later():
        try:
            assert run(make_overlay(), f"readlink {LATER}") == (f"{victim}\n", 0)
            assert str(victim) not in mounts.table()
            assert (victim / "file").read_text() == "of the node"
        finally:
            while str(victim) in mounts.table():
                libc.unmount(str(victim), mounts.MNT_DETACH)


def test_a_link_in_a_circle_refuses_no_container(make_overlay: Overlays) -> None:
    run(make_overlay(), f"ln -s {LATER} {LATER}")
    with mounted_later():
        assert run(make_overlay(), f"readlink {LATER}") == (f"{LATER}\n", 0)


def test_a_link_in_the_place_of_a_shared_tree_is_refused(make_overlay: Overlays) -> None:
    assert run(make_overlay(), "umount -l /run && mv /run /was && ln -s /etc /run") == ("", 0)
    output, code = run(make_overlay(), "echo ran")
    assert (code, output.startswith("overlay team-a on node ")) == (125, True)
    assert "has no directory /run: a container in it has put something else there" in output


def test_nothing_is_hidden_where_a_link_inside_leads(make_overlay: Overlays, disk: Path, tmp_path: Path) -> None:
    """The layer is older than the mount of it: a container of before the reboot made the link."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (disk / "sub").mkdir()
    run(make_overlay(), f"mv {disk}/sub {disk}/was && ln -s {victim} {disk}/sub")
    libc.unmount(make_overlay().merged, mounts.MNT_DETACH)
    assert run(make_overlay(hidden=(f"{disk}/sub/keys",)), f"readlink {disk}/sub") == (f"{victim}\n", 0)
    assert list(victim.iterdir()) == []
