"""Overlays: what is written in one is seen in it, and nowhere else."""

from __future__ import annotations

import errno
import os
import select
import struct
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import pytest

from reaper_runtime.errors import FailedPrecondition, NotFound
from reaper_runtime.host import libc, mounts, procfs
from reaper_runtime.overlay import Overlay, name_of, overlays, release_base
from reaper_runtime.rootfs import Rootfs
from tests.fakes.rootfs import Overlays, inside
from tests.fakes.runtime import needs_root, open_fds

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = needs_root

_MNT_FORCE = 1  # umount(2)


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Overlays]:
    made = Overlays(tmp_path)
    yield made
    made.remove()


@pytest.fixture
def disk() -> Iterator[Path]:
    """Another file system of the node, outside of the trees that containers share with it."""
    path = Path("/srv/reaper-test-disk")
    path.mkdir(parents=True)
    libc.mount("disk", str(path), "tmpfs", 0, None)
    (path / "data").write_text("on the disk")
    yield path
    libc.unmount(str(path), mounts.MNT_DETACH)
    path.rmdir()


def run(overlay: Overlay, command: str) -> tuple[str, int]:
    rootfs = Rootfs(overlay)
    try:
        return inside(rootfs, command)
    finally:
        rootfs.close()


def test_what_one_container_writes_another_reads(make: Overlays) -> None:
    assert run(make(), "echo hello > /etc/reaper-test") == ("", 0)
    assert run(make(), "cat /etc/reaper-test") == ("hello\n", 0)
    assert not Path("/etc/reaper-test").exists()


def test_other_overlays_do_not_see_it(make: Overlays) -> None:
    run(make("a"), "echo hello > /etc/reaper-test")
    assert run(make("a@b"), "test -e /etc/reaper-test")[1] == 1
    assert run(make("b"), "test -e /etc/reaper-test")[1] == 1


def test_the_trees_of_the_node_are_its_own(make: Overlays) -> None:
    output, code = run(make(), "ls /proc/self/exe /sys/class /dev/null /run >/dev/null && stat -c %d /dev /run")
    assert code == 0, output
    assert output.split() == [str(os.stat("/dev").st_dev), str(os.stat("/run").st_dev)]  # noqa: PTH116


def test_another_file_system_is_neither_empty_nor_written(make: Overlays, disk: Path) -> None:
    assert run(make(), f"cat {disk}/data; echo changed > {disk}/data") == ("on the disk", 0)
    assert run(make(), f"cat {disk}/data") == ("changed\n", 0)
    assert (disk / "data").read_text() == "on the disk"


LATER = Path("/srv/reaper-test-later")


@contextmanager
def mounted_later() -> Iterator[None]:
    """The node has a file system of its own at LATER."""
    LATER.mkdir(parents=True)
    libc.mount("disk", str(LATER), "tmpfs", 0, None)
    try:
        yield
    finally:
        libc.unmount(str(LATER), mounts.MNT_DETACH)
        LATER.rmdir()


def test_a_file_system_that_comes_later_is_seen(make: Overlays) -> None:
    run(make(), "echo kept > /etc/reaper-test")
    with mounted_later():
        (LATER / "data").write_text("later")
        assert run(make(), f"cat {LATER}/data /etc/reaper-test") == ("laterkept\n", 0)


def test_a_disk_in_the_place_of_another_is_seen_without_what_was_written_over_that(make: Overlays) -> None:
    for name in ("first", "second"):
        with mounted_later():
            (LATER / "data").write_text(name)
            assert run(make(), f"cat {LATER}/data; ls {LATER}; touch {LATER}/written") == (f"{name}data\n", 0)
            assert run(make(), f"ls {LATER}") == ("data\nwritten\n", 0)


def test_what_the_node_has_unmounted_is_not_seen_any_more(make: Overlays) -> None:
    with mounted_later():
        below = LATER / "below"
        below.mkdir()
        libc.mount("disk", str(below), "tmpfs", 0, None)
        assert run(make(), f"touch {LATER}/data {below}/data; echo kept > /etc/reaper-test") == ("", 0)
        libc.unmount(str(below), 0)
        assert run(make(), f"ls -R {LATER}") == (f"{LATER}:\nbelow\ndata\n\n{below}:\n", 0)
    assert run(make(), f"ls -A {LATER} 2>/dev/null; cat /etc/reaper-test") == ("kept\n", 0)
    assert [path for path in mounts.table() if str(LATER) in path] == []


def test_what_is_below_a_disk_in_the_place_of_another_is_seen_too(make: Overlays) -> None:
    for name in ("first", "second"):
        with mounted_later():
            below = LATER / "below"
            below.mkdir()
            libc.mount("disk", str(below), "tmpfs", 0, None)
            (below / "data").write_text(name)
            assert run(make(), f"cat {below}/data") == (name, 0)
            libc.unmount(str(below), 0)


def test_who_runs_already_keeps_the_disk_that_it_has(make: Overlays) -> None:
    reader, writer = os.pipe()
    go, ready = os.pipe()
    rootfs = Rootfs(make())
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
    assert run(make(), f"cat {LATER}/data 2>/dev/null")[1] == 1
    os.write(ready, b"x")
    os.waitpid(pid, 0)
    assert os.read(reader, 10) == b"first"
    rootfs.close()
    for fd in (reader, writer, go, ready):
        os.close(fd)


def test_what_somebody_else_has_added_meanwhile_stays(make: Overlays) -> None:
    """The mount table is read in the lock: with that of before the wait, a disk of after it would be taken away."""
    run(make(), "true")
    tables: list[set[str]] = []

    class Waits(Overlay):
        def _wanted(self) -> dict[str, mounts.MountPoint]:
            wanted = super()._wanted()
            tables.append(set(wanted))
            if len(tables) == 1:
                wanted["/srv/soon"] = mounts.MountPoint("/srv/soon", "ext4", read_only=False)  # something to wait for
                libc.mount("disk", str(LATER), "tmpfs", 0, None)
                assert run(make(), f"touch {LATER}/written") == ("", 0)
            return wanted

    LATER.mkdir(parents=True)
    overlay = Waits("team-a", make.base, make.locks)
    lock = overlay.open_lock()
    try:
        overlay.acquire(lock)
        assert run(make(), f"ls {LATER}") == ("written\n", 0)
    finally:
        os.close(lock)
        libc.unmount(str(LATER), mounts.MNT_DETACH)
        LATER.rmdir()


def test_who_is_killed_while_a_disk_is_taken_away_leaves_that_to_the_next(make: Overlays) -> None:
    class Killed(Overlay):
        def _layer(self, path: str) -> str:
            if path == str(LATER):
                raise OSError(errno.EINTR, "killed")
            return super()._layer(path)

    with mounted_later():
        assert run(make(), f"touch {LATER}/of-the-first") == ("", 0)
    with mounted_later():
        assert run(Killed("team-a", make.base, make.locks), "true")[1] == 125
        (LATER / "data").write_text("second")
        assert run(make(), f"ls {LATER}; grep -c ' {LATER} ' /proc/self/mounts") == ("data\n1\n", 0)


def test_its_age_is_that_of_the_boot_clock(make: Overlays) -> None:
    """A node whose clock was set after the boot must not take it for one of an earlier namespace."""
    run(make(), "true")
    made = Path(make().path, "made")
    os.utime(made, (1, 1))
    assert time.time() - (make().made or 0) < 60
    made.write_text("another-boot 1.0")
    os.utime(made, (1_000_000_000, 1_000_000_000))
    assert make().made == 1_000_000_000


def test_one_of_an_older_runtime_that_noted_no_file_systems_stays_as_it_is(make: Overlays, disk: Path) -> None:
    assert run(make(), f"echo changed > {disk}/data") == ("", 0)
    Path(make().path, "devices").unlink()
    assert run(make(), f"cat {disk}/data") == ("changed\n", 0)


def test_a_link_inside_leads_no_mount_of_the_node_elsewhere(make: Overlays, tmp_path: Path) -> None:
    """A container makes it, the node mounts something at the same path, and the next container starts."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (victim / "file").write_text("of the node")
    run(make(), f"ln -s {victim} {LATER}")
    with mounted_later():
        try:
            assert run(make(), f"readlink {LATER}") == (f"{victim}\n", 0)
            assert str(victim) not in mounts.table()
            assert (victim / "file").read_text() == "of the node"
        finally:
            while str(victim) in mounts.table():
                libc.unmount(str(victim), mounts.MNT_DETACH)


def test_a_link_in_a_circle_refuses_no_container(make: Overlays) -> None:
    run(make(), f"ln -s {LATER} {LATER}")
    with mounted_later():
        assert run(make(), f"readlink {LATER}") == (f"{LATER}\n", 0)


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


def test_a_link_in_the_place_of_a_shared_tree_is_refused(make: Overlays) -> None:
    assert run(make(), "umount -l /run && mv /run /was && ln -s /etc /run") == ("", 0)
    output, code = run(make(), "echo ran")
    assert (code, output.startswith("overlay team-a on node ")) == (125, True)
    assert "has no directory /run: a container in it has put something else there" in output


def test_nothing_is_hidden_where_a_link_inside_leads(make: Overlays, disk: Path, tmp_path: Path) -> None:
    """The layer is older than the mount of it: a container of before the reboot made the link."""
    victim = tmp_path / "victim"
    victim.mkdir()
    (disk / "sub").mkdir()
    run(make(), f"mv {disk}/sub {disk}/was && ln -s {victim} {disk}/sub")
    libc.unmount(make().merged, mounts.MNT_DETACH)
    assert run(make(hidden=(f"{disk}/sub/keys",)), f"readlink {disk}/sub") == (f"{victim}\n", 0)
    assert list(victim.iterdir()) == []


def test_a_file_system_that_is_unmounted_meanwhile_is_no_error(make: Overlays) -> None:
    """Found as a mount point, and no longer one when its layer cannot be mounted."""
    base = make()

    class Late(Overlay):
        def _wanted(self) -> dict[str, mounts.MountPoint]:
            gone = mounts.MountPoint("/srv/gone", "ext4", read_only=False)
            return super()._wanted() | {gone.path: gone}

        def _add(self, path: str) -> None:
            if path == "/srv/gone":
                raise FileNotFoundError(errno.ENOENT, "No such file or directory", path)
            super()._add(path)

    assert run(Late(base.name, make.base, make.locks), "echo made") == ("made\n", 0)


def test_a_mount_point_may_have_a_long_name(make: Overlays) -> None:
    """Longer than one file name can be: its layer has another."""
    long = Path("/srv", *("x" * 150, "y" * 150))
    long.mkdir(parents=True)
    libc.mount("disk", str(long), "tmpfs", 0, None)
    try:
        (long / "data").write_text("on the disk")
        assert run(make(), f"cat {long}/data; echo changed > {long}/data") == ("on the disk", 0)
        assert run(make(), f"cat {long}/data") == ("changed\n", 0)
        assert (long / "data").read_text() == "on the disk"
    finally:
        libc.unmount(str(long), mounts.MNT_DETACH)
        long.rmdir()
        long.parent.rmdir()


class DeadFileSystem(NamedTuple):
    """FUSE, with a server that reads no request and answers none."""

    path: Path
    server: int

    def was_asked(self) -> bool:
        """Whether anybody waits for an answer, or did."""
        return bool(select.select([self.server], [], [], 0)[0])


def _initialize(server: int) -> None:
    """Answer FUSE_INIT, as the kernel's fuse.h has it: before that, no other request is sent, and none can be seen."""
    _, opcode, unique = struct.unpack_from("=IIQ", os.read(server, 1 << 16))
    assert opcode == 26
    os.write(server, struct.pack("=IiQ IIIIHHI", 40, 0, unique, 7, 19, 0, 0, 0, 0, 4096))


@pytest.fixture
def dead() -> Iterator[DeadFileSystem]:
    """Aborted before the test's time is up: whoever waits for it, which not even SIGKILL ends, gets an error."""
    path = Path("/srv/reaper-test-dead")
    try:
        server = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        pytest.skip("no /dev/fuse")
    path.mkdir(parents=True)
    libc.mount("dead", str(path), "fuse", 0, f"fd={server},rootmode=40000,user_id=0,group_id=0")
    _initialize(server)
    reader, writer = os.pipe()
    guard = os.fork()
    if guard == 0:
        try:
            os.close(writer)
            select.select([reader], [], [], 40)
            libc.unmount(str(path), _MNT_FORCE)
        finally:
            os._exit(0)
    os.close(reader)
    yield DeadFileSystem(path, server)
    os.close(writer)  # the test is over
    os.waitpid(guard, 0)
    os.close(server)
    if str(path) in mounts.table():
        libc.unmount(str(path), mounts.MNT_DETACH)
    path.rmdir()


@pytest.mark.parametrize("read_only", [False, True])
def test_a_dead_file_system_holds_up_no_container(make: Overlays, dead: DeadFileSystem, *, read_only: bool) -> None:
    """As a network file system whose server is gone would; one in which paths are to be hidden is not shown at all."""
    for hidden, shown in (((), "1"), ((f"{dead.path}/keys/*",), "0")):
        rootfs = Rootfs(make(f"hides-{len(hidden)}", hidden=hidden), read_only=read_only)
        output, _ = inside(rootfs, f"grep -c ' {dead.path} ro,.* fuse ' /proc/self/mountinfo")
        rootfs.close()
        assert output == f"{shown}\n"
    assert not dead.was_asked()


def test_a_link_into_a_dead_file_system_holds_up_no_container(make: Overlays, dead: DeadFileSystem) -> None:
    """The overlay shows it, a container made a link into it, and the node mounts something in the link's place."""
    run(make(), f"ln -s {dead.path}/data {LATER}")
    with mounted_later():
        assert run(make(), f"readlink {LATER}") == (f"{dead.path}/data\n", 0)
    assert not dead.was_asked()


def test_whoever_asks_a_dead_file_system_is_seen(dead: DeadFileSystem) -> None:
    with subprocess.Popen(["stat", dead.path / "data"], stderr=subprocess.DEVNULL) as asker:
        assert select.select([dead.server], [], [], 40)[0]
        assert dead.was_asked()
        libc.unmount(str(dead.path), _MNT_FORCE | mounts.MNT_DETACH)
        assert asker.wait() == 1


def test_directories_of_the_node_can_be_renamed(make: Overlays) -> None:
    assert run(make(), "mv /etc/default /etc/default-renamed && ls -d /etc/default-renamed")[1] == 0
    assert Path("/etc/default").is_dir()


def test_users_can_be_added_where_passwords_are_hidden(make: Overlays) -> None:
    before = Path("/etc/shadow").read_text()
    overlay = make(hidden=("/etc/shadow", "/etc/gshadow"))
    output, code = run(overlay, "useradd --create-home newcomer && getent shadow newcomer root")
    assert code == 0, output
    assert "newcomer:!" in output
    assert "root:!:" in output
    assert Path("/etc/shadow").read_text() == before
    assert "newcomer" not in Path("/etc/passwd").read_text()


def test_hidden_paths_are_not_there(make: Overlays, disk: Path) -> None:
    (disk / "keys").mkdir()
    (disk / "keys" / "private").write_text("secret")
    (disk / "host_one_key").write_text("secret")
    overlay = make(hidden=(f"{disk}/keys", f"{disk}/host_*_key", "/not/there"))
    output, code = run(overlay, f"ls -A {disk} {disk}/keys; test -e {disk}/host_one_key")
    assert code == 1
    assert output.split() == [f"{disk}:", "data", "keys", f"{disk}/keys:"]


def test_what_a_hidden_link_leads_to_is_hidden_too(make: Overlays, disk: Path) -> None:
    (disk / "real").mkdir()
    (disk / "real" / "private").write_text("secret")
    (disk / "link").symlink_to("../reaper-test-disk/real")
    overlay = make(hidden=(f"{disk}/link",))
    assert run(overlay, f"ls -A {disk} {disk}/real") == (f"{disk}:\ndata\nreal\n\n{disk}/real:\n", 0)


def test_a_disk_to_which_a_hidden_link_leads_is_not_shown(make: Overlays, disk: Path, tmp_path: Path) -> None:
    (disk / "keys").write_text("secret")
    link = tmp_path / "link"
    link.symlink_to(disk)
    assert run(make(hidden=(str(link),)), f"ls -A {disk}") == ("", 0)


def test_what_is_to_be_hidden_may_come_later(make: Overlays, disk: Path) -> None:
    overlay = make(hidden=(f"{disk}/keys", f"{disk}/data/x"))
    assert run(overlay, "true") == ("", 0)
    (disk / "keys").mkdir()
    (disk / "keys" / "private").write_text("secret")
    assert run(overlay, f"ls {disk}") == ("data\n", 0)
    assert run(overlay, f"mkdir {disk}/keys && ls -A {disk}/keys") == ("", 0)


def test_overlays_do_not_show_each_other(make: Overlays) -> None:
    make_here = Overlays(Path("/run/reaper-test"))
    try:
        run(make_here("a"), "echo secret > /etc/reaper-test")
        output, _ = run(make_here("b"), "find /run/reaper-test/overlays")
        assert output == "/run/reaper-test/overlays\n"
    finally:
        make_here.remove()
        import shutil

        shutil.rmtree("/run/reaper-test")


def test_nothing_is_mounted_twice(make: Overlays) -> None:
    for _ in range(3):
        run(make(), "true")
    assert list(_mounts_at(make().merged)) == ["overlay"]


def test_many_first_users_at_once(make: Overlays) -> None:
    rootfs = [Rootfs(make()) for _ in range(8)]
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
    assert len(run(make(), "ls /etc/reaper-test-*")[0].split()) == 8
    assert list(_mounts_at(make().merged)) == ["overlay"]


def test_a_half_made_one_is_made_anew(make: Overlays) -> None:
    run(make(), "echo hello > /etc/reaper-test")
    (Path(make().path) / "ready").unlink()
    assert run(make(), "cat /etc/reaper-test") == ("hello\n", 0)
    assert list(_mounts_at(make().merged)) == ["overlay"]


def test_after_a_reboot_it_is_mounted_again(make: Overlays) -> None:
    run(make(), "echo hello > /etc/reaper-test")
    libc.unmount(make().merged, mounts.MNT_DETACH)
    assert not make().mounted
    assert run(make(), "cat /etc/reaper-test") == ("hello\n", 0)


def test_reset_forgets_everything(make: Overlays) -> None:
    run(make(), "echo hello > /etc/reaper-test")
    make().reset()
    assert not list(_mounts_at(make().merged))
    assert run(make(), "test -e /etc/reaper-test")[1] == 1


def test_a_reset_that_was_cut_short_leaves_nothing_to_see(make: Overlays) -> None:
    """What is removed has another name by then; the next reset removes what is left of it."""
    run(make(), "echo hello > /etc/reaper-test")
    libc.unmount(make().merged, mounts.MNT_DETACH)
    left = Path(f"{make().path}~")
    Path(make().path).rename(left)
    assert [each.name for each in overlays(make.base, make.locks)] == ["team-a"]
    assert run(make(), "test -e /etc/reaper-test")[1] == 1
    make().reset()
    assert not left.exists()
    assert overlays(make.base, make.locks) == []


def test_what_is_left_of_a_reset_is_removed_by_the_next(make: Overlays) -> None:
    left = Path(f"{make().path}~")
    left.mkdir(parents=True)
    make().reset()
    assert not left.exists()


def test_the_base_stays_for_one_that_is_just_being_made(make: Overlays) -> None:
    """As where somebody resets all of them at that moment: nobody else must see into it."""

    class Raced(Overlay):
        def _unmount(self) -> None:
            release_base(self._base, self._locks)
            super()._unmount()

    assert run(Raced("team-a", make.base, make.locks), "echo made") == ("made\n", 0)
    assert make.base in mounts.table()


def test_reset_waits_for_nobody(make: Overlays) -> None:
    lock = make().open_lock()
    make().acquire(lock)
    assert make().is_used(procfs.roots())
    with pytest.raises(FailedPrecondition, match="overlay team-a is in use"):
        make().reset()
    os.close(lock)
    assert not make().is_used(procfs.roots())
    make().reset()
    with pytest.raises(NotFound, match="no overlay team-a"):
        make().reset()


def test_it_is_in_use_while_somebody_runs_in_it_whose_shim_was_killed(make: Overlays) -> None:
    reader, writer = os.pipe()
    rootfs = Rootfs(make())
    pid = os.fork()
    if pid == 0:
        try:
            rootfs.enter(rootfs.fds)
            os.write(writer, b"x")
            os.execv("/bin/sleep", ["sleep", "60"])
        finally:
            os._exit(1)
    rootfs.close()
    os.close(writer)
    assert os.read(reader, 2) == b"x"
    assert os.read(reader, 1) == b"", "it has executed, and with that given up the lock"
    os.close(reader)
    assert make().is_used(procfs.roots())
    with pytest.raises(FailedPrecondition, match="overlay team-a is in use"):
        make().reset()
    os.kill(pid, 9)
    os.waitpid(pid, 0)
    assert not make().is_used(procfs.roots())


def test_the_list_names_them(make: Overlays) -> None:
    run(make("b"), "true")
    run(make("a@x"), "true")
    assert [overlay.name for overlay in overlays(make.base, make.locks)] == ["a@x", "b"]


def test_one_that_cannot_be_made_says_why(make: Overlays) -> None:
    Path(make.base).mkdir()
    (Path(make.base) / "team-a").write_text("in the way")
    output, code = run(make(), "echo ran")
    assert code == 125
    assert output.startswith(f"overlay team-a cannot be made on node {os.uname().nodename}: Not a directory: ")
    assert output.rstrip().endswith("; remove there what stands in the place of its directory")
    (Path(make.base) / "team-a").unlink()


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


def _mounts_at(path: str) -> Iterator[str]:
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if line.split()[4] == path:
            yield line.partition(" - ")[2].split()[0]
