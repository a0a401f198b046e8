"""The node's other file systems in an overlay: those that are there, those that come and go, one in another's place."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from reaper_runtime.host import libc, mounts
from reaper_runtime.overlay import Overlay
from reaper_runtime.rootfs import Rootfs
from tests.fakes.disks import LATER, mounted_later
from tests.fakes.rootfs import Overlays, run
from tests.fakes.runtime import needs_root

pytestmark = needs_root


def test_another_file_system_is_neither_empty_nor_written(make_overlay: Overlays, disk: Path) -> None:
    assert run(make_overlay(), f"cat {disk}/data; echo changed > {disk}/data") == ("on the disk", 0)
    assert run(make_overlay(), f"cat {disk}/data") == ("changed\n", 0)
    assert (disk / "data").read_text() == "on the disk"


def test_a_file_system_that_comes_later_is_seen(make_overlay: Overlays) -> None:
    run(make_overlay(), "echo kept > /etc/reaper-test")
    with mounted_later():
        (LATER / "data").write_text("later")
        assert run(make_overlay(), f"cat {LATER}/data /etc/reaper-test") == ("laterkept\n", 0)


def test_a_disk_in_the_place_of_another_is_seen_without_what_was_written_over_that(make_overlay: Overlays) -> None:
    for name in ("first", "second"):
        with mounted_later():
            (LATER / "data").write_text(name)
            assert run(make_overlay(), f"cat {LATER}/data; ls {LATER}; touch {LATER}/written") == (f"{name}data\n", 0)
            assert run(make_overlay(), f"ls {LATER}") == ("data\nwritten\n", 0)


def test_what_the_node_has_unmounted_is_not_seen_any_more(make_overlay: Overlays) -> None:
    with mounted_later():
        below = LATER / "below"
        below.mkdir()
        libc.mount("disk", str(below), "tmpfs", 0, None)
        assert run(make_overlay(), f"touch {LATER}/data {below}/data; echo kept > /etc/reaper-test") == ("", 0)
        libc.unmount(str(below), 0)
        assert run(make_overlay(), f"ls -R {LATER}") == (f"{LATER}:\nbelow\ndata\n\n{below}:\n", 0)
    assert run(make_overlay(), f"ls -A {LATER} 2>/dev/null; cat /etc/reaper-test") == ("kept\n", 0)
    assert [path for path in mounts.table() if str(LATER) in path] == []


def test_what_is_below_a_disk_in_the_place_of_another_is_seen_too(make_overlay: Overlays) -> None:
    for name in ("first", "second"):
        with mounted_later():
            below = LATER / "below"
            below.mkdir()
            libc.mount("disk", str(below), "tmpfs", 0, None)
            (below / "data").write_text(name)
            assert run(make_overlay(), f"cat {below}/data") == (name, 0)
            libc.unmount(str(below), 0)


def test_who_runs_already_keeps_the_disk_that_it_has(make_overlay: Overlays) -> None:
    reader, writer = os.pipe()
    go, ready = os.pipe()
    rootfs = Rootfs(make_overlay())
    with mounted_later():
        (LATER / "data").write_text("first")
        pid = os.fork()
        if pid == 0:
            try:
                rootfs.enter(rootfs.fds)
                os.write(writer, b"x")
                os.read(go, 1)
                os.write(writer, (LATER / "data").read_bytes())
            finally:
                os._exit(0)
        assert os.read(reader, 1) == b"x"
    assert run(make_overlay(), f"cat {LATER}/data 2>/dev/null")[1] == 1
    os.write(ready, b"x")
    os.waitpid(pid, 0)
    assert os.read(reader, 10) == b"first"
    rootfs.close()
    for fd in (reader, writer, go, ready):
        os.close(fd)


def test_what_somebody_else_has_added_meanwhile_stays(make_overlay: Overlays) -> None:
    """The mount table is read in the lock: with that of before the wait, a disk of after it would be taken away."""
    run(make_overlay(), "true")
    tables: list[set[str]] = []

    class Waits(Overlay):
        def _wanted(self) -> dict[str, mounts.MountPoint]:
            wanted = super()._wanted()
            tables.append(set(wanted))
            if len(tables) == 1:
                wanted["/srv/soon"] = mounts.MountPoint("/srv/soon", "ext4", read_only=False)  # something to wait for
                libc.mount("disk", str(LATER), "tmpfs", 0, None)
                assert run(make_overlay(), f"touch {LATER}/written") == ("", 0)
            return wanted

    LATER.mkdir(parents=True)
    overlay = Waits("team-a", make_overlay.base, make_overlay.locks)
    lock = overlay.open_lock()
    try:
        overlay.acquire(lock)
        assert run(make_overlay(), f"ls {LATER}") == ("written\n", 0)
    finally:
        os.close(lock)
        libc.unmount(str(LATER), mounts.MNT_DETACH)
        LATER.rmdir()


def test_who_is_killed_while_a_disk_is_taken_away_leaves_that_to_the_next(make_overlay: Overlays) -> None:
    class Killed(Overlay):
        def _layer(self, path: str) -> str:
            if path == str(LATER):
                raise OSError(errno.EINTR, "killed")
            return super()._layer(path)

    with mounted_later():
        assert run(make_overlay(), f"touch {LATER}/of-the-first") == ("", 0)
    with mounted_later():
        assert run(Killed("team-a", make_overlay.base, make_overlay.locks), "true")[1] == 125
        (LATER / "data").write_text("second")
        assert run(make_overlay(), f"ls {LATER}; grep -c ' {LATER} ' /proc/self/mounts") == ("data\n1\n", 0)


def test_one_of_an_older_runtime_that_noted_no_file_systems_stays_as_it_is(make_overlay: Overlays, disk: Path) -> None:
    assert run(make_overlay(), f"echo changed > {disk}/data") == ("", 0)
    Path(make_overlay().path, "devices").unlink()
    assert run(make_overlay(), f"cat {disk}/data") == ("changed\n", 0)


def test_a_file_system_that_is_unmounted_meanwhile_is_no_error(make_overlay: Overlays) -> None:
    """Found as a mount point, and no longer one when its layer cannot be mounted."""
    base = make_overlay()

    class Late(Overlay):
        def _wanted(self) -> dict[str, mounts.MountPoint]:
            gone = mounts.MountPoint("/srv/gone", "ext4", read_only=False)
            return super()._wanted() | {gone.path: gone}

        def _add(self, path: str) -> None:
            if path == "/srv/gone":
                raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
            super()._add(path)

    assert run(Late(base.name, make_overlay.base, make_overlay.locks), "echo made") == ("made\n", 0)


def test_a_mount_point_may_have_a_long_name(make_overlay: Overlays) -> None:
    """Longer than one file name can be: its layer has another."""
    long = Path("/srv", *("x" * 150, "y" * 150))
    long.mkdir(parents=True)
    libc.mount("disk", str(long), "tmpfs", 0, None)
    try:
        (long / "data").write_text("on the disk")
        assert run(make_overlay(), f"cat {long}/data; echo changed > {long}/data") == ("on the disk", 0)
        assert run(make_overlay(), f"cat {long}/data") == ("changed\n", 0)
        assert (long / "data").read_text() == "on the disk"
    finally:
        libc.unmount(str(long), mounts.MNT_DETACH)
        long.rmdir()
        long.parent.rmdir()
