"""Overlays: what is written in one is seen in it, and nowhere else; each is made once, and is there after a reboot."""

from __future__ import annotations

import os
import tempfile
import time
from pathlib import Path

import pytest

from reaper_runtime.host import libc, mounts
from reaper_runtime.overlay import Overlay, name_of, overlays
from reaper_runtime.rootfs import Rootfs
from tests.fakes.rootfs import Overlays, mounts_at, run
from tests.fakes.runtime import needs_root, open_fds

pytestmark = needs_root


def test_what_one_container_writes_another_reads(make_overlay: Overlays) -> None:
    assert run(make_overlay(), "echo hello > /etc/reaper-test") == ("", 0)
    assert run(make_overlay(), "cat /etc/reaper-test") == ("hello\n", 0)
    assert not Path("/etc/reaper-test").exists()


def test_other_overlays_do_not_see_it(make_overlay: Overlays) -> None:
    run(make_overlay("a"), "echo hello > /etc/reaper-test")
    assert run(make_overlay("a@b"), "test -e /etc/reaper-test")[1] == 1
    assert run(make_overlay("b"), "test -e /etc/reaper-test")[1] == 1


def test_the_trees_of_the_node_are_its_own(make_overlay: Overlays) -> None:
    output, code = run(make_overlay(), "ls /proc/self/exe /sys/class /dev/null /run >/dev/null && stat -c %d /dev /run")
    assert code == 0, output
    assert output.split() == [str(os.stat("/dev").st_dev), str(os.stat("/run").st_dev)]  # noqa: PTH116


def test_its_age_is_that_of_the_boot_clock(make_overlay: Overlays) -> None:
    """A node whose clock was set after the boot must not take it for one of an earlier namespace."""
    run(make_overlay(), "true")
    made = Path(make_overlay().path, "made")
    os.utime(made, (1, 1))
    assert time.time() - (make_overlay().made or 0) < 60
    made.write_text("another-boot 1.0")
    os.utime(made, (1_000_000_000, 1_000_000_000))
    assert make_overlay().made == 1_000_000_000


def test_no_descriptor_is_left_when_a_tree_cannot_be_mounted() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        Path(folder, "a", "merged", "proc").mkdir(parents=True)
        before = open_fds()
        os.seteuid(65534)
        try:
            with pytest.raises(PermissionError):
                Overlay("a", folder).furnish()
        finally:
            os.seteuid(0)
        assert open_fds() == before


def test_directories_of_the_node_can_be_renamed(make_overlay: Overlays) -> None:
    assert run(make_overlay(), "mv /etc/default /etc/default-renamed && ls -d /etc/default-renamed")[1] == 0
    assert Path("/etc/default").is_dir()


def test_overlays_do_not_show_each_other(make_overlay: Overlays) -> None:
    make_here = Overlays(Path("/run/reaper-test"))
    try:
        run(make_here("a"), "echo secret > /etc/reaper-test")
        output, _ = run(make_here("b"), "find /run/reaper-test/overlays")
        assert output == "/run/reaper-test/overlays\n"
    finally:
        make_here.remove()
        import shutil

        shutil.rmtree("/run/reaper-test")


def test_nothing_is_mounted_twice(make_overlay: Overlays) -> None:
    for _ in range(3):
        run(make_overlay(), "true")
    assert list(mounts_at(make_overlay().merged)) == ["overlay"]


def test_many_first_users_at_once(make_overlay: Overlays) -> None:
    rootfs = [Rootfs(make_overlay()) for _ in range(8)]
    children = []
    for number, each in enumerate(rootfs):
        pid = os.fork()
        if pid == 0:
            try:
                each.enter(each.fds)
                Path(f"/etc/reaper-test-{number}").touch()
                os._exit(0)
            finally:
                os._exit(1)
        children.append(pid)
    assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 8
    for each in rootfs:
        each.close()
    assert len(run(make_overlay(), "ls /etc/reaper-test-*")[0].split()) == 8
    assert list(mounts_at(make_overlay().merged)) == ["overlay"]


def test_a_half_made_one_is_made_anew(make_overlay: Overlays) -> None:
    run(make_overlay(), "echo hello > /etc/reaper-test")
    (Path(make_overlay().path) / "ready").unlink()
    assert run(make_overlay(), "cat /etc/reaper-test") == ("hello\n", 0)
    assert list(mounts_at(make_overlay().merged)) == ["overlay"]


def test_after_a_reboot_it_is_mounted_again(make_overlay: Overlays) -> None:
    run(make_overlay(), "echo hello > /etc/reaper-test")
    libc.unmount(make_overlay().merged, mounts.MNT_DETACH)
    assert not make_overlay().mounted
    assert run(make_overlay(), "cat /etc/reaper-test") == ("hello\n", 0)


def test_the_list_names_them(make_overlay: Overlays) -> None:
    run(make_overlay("b"), "true")
    run(make_overlay("a@x"), "true")
    assert [overlay.name for overlay in overlays(make_overlay.base, make_overlay.locks)] == ["a@x", "b"]


def test_one_that_cannot_be_made_says_why(make_overlay: Overlays) -> None:
    Path(make_overlay.base).mkdir()
    (Path(make_overlay.base) / "team-a").write_text("in the way")
    output, code = run(make_overlay(), "echo ran")
    assert code == 125
    assert output.startswith(f"overlay team-a cannot be made on node {os.uname().nodename}: Not a directory: ")
    assert output.rstrip().endswith("; remove there what stands in the place of its directory")
    (Path(make_overlay.base) / "team-a").unlink()


def test_names_are_never_the_same_for_two() -> None:
    names = {
        name_of("node", "a"),
        name_of("namespace", "a"),
        name_of("namespace", "a", "b"),
        name_of("namespace", "a--b"),
        name_of("namespace", "node"),
        name_of("namespace", "a", of_containerd=True),
        name_of("namespace", "a", "b", of_containerd=True),
    }
    assert len(names) == 7
