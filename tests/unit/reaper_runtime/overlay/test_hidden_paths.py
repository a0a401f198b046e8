"""Hidden paths of an overlay: not there, by whichever link, whenever they come; what hides them can be written over."""

from __future__ import annotations

from pathlib import Path

from tests.fakes.rootfs import Overlays, run
from tests.fakes.runtime import needs_root

pytestmark = needs_root


def test_users_can_be_added_where_passwords_are_hidden(make_overlay: Overlays) -> None:
    before = Path("/etc/shadow").read_text()
    overlay = make_overlay(hidden=("/etc/shadow", "/etc/gshadow"))
    output, code = run(overlay, "useradd --create-home newcomer && getent shadow newcomer root")
    assert code == 0, output
    assert "newcomer:!" in output
    assert "root:!:" in output
    assert Path("/etc/shadow").read_text() == before
    assert "newcomer" not in Path("/etc/passwd").read_text()


def test_hidden_paths_are_not_there(make_overlay: Overlays, disk: Path) -> None:
    (disk / "keys").mkdir()
    (disk / "keys" / "private").write_text("secret")
    (disk / "host_one_key").write_text("secret")
    overlay = make_overlay(hidden=(f"{disk}/keys", f"{disk}/host_*_key", "/not/there"))
    output, code = run(overlay, f"ls -A {disk} {disk}/keys; test -e {disk}/host_one_key")
    assert code == 1
    assert output.split() == [f"{disk}:", "data", "keys", f"{disk}/keys:"]


def test_what_a_hidden_link_leads_to_is_hidden_too(make_overlay: Overlays, disk: Path) -> None:
    (disk / "real").mkdir()
    (disk / "real" / "private").write_text("secret")
    (disk / "link").symlink_to("../reaper-test-disk/real")
    overlay = make_overlay(hidden=(f"{disk}/link",))
    assert run(overlay, f"ls -A {disk} {disk}/real") == (f"{disk}:\ndata\nreal\n\n{disk}/real:\n", 0)


def test_a_disk_to_which_a_hidden_link_leads_is_not_shown(make_overlay: Overlays, disk: Path, tmp_path: Path) -> None:
    (disk / "keys").write_text("secret")
    link = tmp_path / "link"
    link.symlink_to(disk)
    assert run(make_overlay(hidden=(str(link),)), f"ls -A {disk}") == ("", 0)


def test_what_is_to_be_hidden_may_come_later(make_overlay: Overlays, disk: Path) -> None:
    overlay = make_overlay(hidden=(f"{disk}/keys", f"{disk}/data/x"))
    assert run(overlay, "true") == ("", 0)
    (disk / "keys").mkdir()
    (disk / "keys" / "private").write_text("secret")
    assert run(overlay, f"ls {disk}") == ("data\n", 0)
    assert run(overlay, f"mkdir {disk}/keys && ls -A {disk}/keys") == ("", 0)
