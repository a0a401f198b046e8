"""A container's own mounts: volumes, a read-only root, the network of its pod."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reaper_runtime.errors import FailedPrecondition
from reaper_runtime.host import libc, mounts
from reaper_runtime.host.root import Place, Root
from reaper_runtime.oci.mounts import Mount
from reaper_runtime.rootfs import CLONE_NEWNET, JoinedRootfs, Rootfs, mount
from tests.fakes.rootfs import Overlays, inside, sleeper
from tests.fakes.runtime import needs_root

if TYPE_CHECKING:
    from collections.abc import Collection

pytestmark = needs_root


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A directory with a file in it, as kubelet makes them."""
    path = tmp_path / "source"
    path.mkdir()
    (path / "file").write_text("of the volume")
    return path


def volume(destination: str, source: Path | str, flags: int = 0, options: str = "") -> Mount:
    return Mount(destination, str(source), flags, options, recursive=True)


def run(rootfs: Rootfs, command: str) -> tuple[str, int]:
    try:
        return inside(rootfs, command)
    finally:
        rootfs.close()


def test_a_volume_is_seen_and_written(make_overlay: Overlays, source: Path) -> None:
    rootfs = Rootfs(make_overlay(), [volume("/new/place", source)])
    assert run(rootfs, "cat /new/place/file; echo back > /new/place/answer") == ("of the volume", 0)
    assert (source / "answer").read_text() == "back\n"
    assert not Path("/new").exists()


def test_a_file_is_a_volume_too(make_overlay: Overlays, source: Path) -> None:
    rootfs = Rootfs(make_overlay(), [volume("/etc/some/file", source / "file")])
    assert run(rootfs, "cat /etc/some/file") == ("of the volume", 0)


def test_a_volume_is_its_containers_alone(make_overlay: Overlays, source: Path) -> None:
    run(Rootfs(make_overlay(), [volume("/data", source)]), "cat /data/file")
    assert run(Rootfs(make_overlay()), "ls /data") == ("", 0)


def test_a_read_only_volume_cannot_be_written(make_overlay: Overlays, source: Path) -> None:
    rootfs = Rootfs(make_overlay(), [volume("/data", source, mounts.MS_RDONLY)])
    output, code = run(rootfs, "cat /data/file; echo > /data/file")
    assert (output.startswith("of the volume"), code) == (True, 2)
    assert "Read-only file system" in output


def test_noexec_holds(make_overlay: Overlays, source: Path) -> None:
    (source / "run").write_text("#!/bin/sh\n")
    (source / "run").chmod(0o755)
    assert run(Rootfs(make_overlay(), [volume("/data", source, mounts.MS_NOEXEC)]), "/data/run")[1] == 126


def test_a_tmpfs_has_its_size(make_overlay: Overlays) -> None:
    rootfs = Rootfs(make_overlay(), [volume("/cache", "", 0, "size=64k,mode=700")])
    assert run(rootfs, "stat -f -c %b /cache; stat -c %a /cache") == ("16\n700\n", 0)


def test_what_the_source_mounts_is_seen(make_overlay: Overlays, source: Path) -> None:
    (source / "below").mkdir()
    libc.mount("below", str(source / "below"), "tmpfs", 0, None)
    try:
        (source / "below" / "file").write_text("deep")
        assert run(Rootfs(make_overlay(), [volume("/data", source)]), "cat /data/below/file") == ("deep", 0)
    finally:
        libc.unmount(str(source / "below"))


def test_a_volume_at_a_link_goes_where_it_points(make_overlay: Overlays, source: Path) -> None:
    rootfs = Rootfs(make_overlay(), [volume("/var/run/reaper-test", source)])
    assert run(rootfs, "cat /run/reaper-test/file") == ("of the volume", 0)
    Path("/run/reaper-test").rmdir()


def test_no_link_leads_a_volume_into_proc(make_overlay: Overlays, source: Path) -> None:
    """Over a directory of settings, say, or over what a process is told of itself (CVE-2019-16884 of runc)."""
    run(Rootfs(make_overlay()), "ln -s /proc/self/attr /data")
    output, code = run(Rootfs(make_overlay(), [volume("/data", source)]), "echo ran")
    assert code == 125
    assert output.startswith("volume /data cannot be mounted: a link leads from there to /proc/")
    assert run(Rootfs(make_overlay(), [volume("/proc/irq", source)]), "cat /proc/irq/file") == ("of the volume", 0)


@pytest.mark.parametrize("name", ["file", ""])
@pytest.mark.parametrize("link", ["/run/reaper-test", "/var/run/reaper-test", "/dev/shm/reaper-test"])
def test_no_link_has_a_mount_point_made_on_the_node(make_overlay: Overlays, source: Path, link: str, name: str) -> None:
    """Whoever can write to /app only would have root make_overlay /run/nologin."""
    run(Rootfs(make_overlay()), f"mkdir /app && ln -s {link} /app/conf")
    output, code = run(Rootfs(make_overlay(), [volume("/app/conf", source / name)]), "echo ran")
    assert (code, Path(link).exists()) == (125, False)
    assert output == (
        "volume /app/conf cannot be mounted: a link leads from there into a tree that node "
        f"{os.uname().nodename} shares (/proc, /sys, /dev, /run), where nothing is made; remove it"
    )


@pytest.mark.parametrize("link", ["/sys/kernel", "/dev/shm"])
def test_no_link_leads_a_volume_over_a_device_or_a_setting(make_overlay: Overlays, source: Path, link: str) -> None:
    run(Rootfs(make_overlay()), f"ln -s {link} /data")
    output, code = run(Rootfs(make_overlay(), [volume("/data", source)]), "echo ran")
    assert (code, output.startswith(f"volume /data cannot be mounted: a link leads from there to {link}")) == (
        125,
        True,
    )


def test_no_link_is_blamed_where_none_is(make_overlay: Overlays, source: Path) -> None:
    output, code = run(Rootfs(make_overlay(), [volume("/proc/none", source)]), "echo ran")
    assert (output, code) == (
        f"volume /proc/none cannot be mounted on node {os.uname().nodename}: No such file or directory",
        125,
    )


def test_a_link_into_run_leads_a_volume_to_what_is_there(make_overlay: Overlays, source: Path) -> None:
    """As /etc/resolv.conf is on many nodes."""
    node = Path("/run/reaper-test")
    node.write_text("of the node")
    try:
        run(Rootfs(make_overlay()), f"ln -sf {node} /etc/reaper-test.conf")
        rootfs = Rootfs(make_overlay(), [volume("/etc/reaper-test.conf", source / "file")])
        assert run(rootfs, "cat /etc/reaper-test.conf") == ("of the volume", 0)
        assert node.read_text() == "of the node"
    finally:
        node.unlink()


class Swapping(Root):
    """A root in which somebody puts a link to /victim in the place of each directory, once that was found."""

    def __init__(self, folder: Path) -> None:
        super().__init__(str(folder))
        self._folder = folder

    def make_directory(self, path: str, *, but_not_in: Collection[str] = ()) -> Place:
        place = super().make_directory(path, but_not_in=but_not_in)
        (self._folder / place.path[1:]).rename(self._folder / "was")
        (self._folder / place.path[1:]).symlink_to("/victim")
        return place


class Swapped:
    """A file system in which that happens while a volume is mounted."""

    fds: tuple[int, ...] = ()

    def __init__(self, folder: Path, volume: Mount) -> None:
        (folder / "victim").mkdir(parents=True)
        self._folder = folder
        self._volume = volume

    def enter(self, fds: tuple[int, ...]) -> None:
        mounts.private_namespace()
        with Swapping(self._folder) as root:
            mount(self._volume, os.open(self._volume.source, os.O_PATH), root, may_create=True)


def test_a_link_that_comes_in_between_redirects_no_mount(tmp_path: Path, source: Path) -> None:
    root = tmp_path / "root"
    output, code = inside(Swapped(root, volume("/data", source)), f"cat {root}/was/file; ls -A {root}/victim")
    assert (output, code) == ("of the volume", 0)


def test_a_volume_whose_place_was_swapped_is_not_left_writable(tmp_path: Path, source: Path) -> None:
    swapped = Swapped(tmp_path / "root", volume("/data", source, mounts.MS_RDONLY))
    assert inside(swapped, "echo ran") == (
        "volume /data cannot be mounted: its mount point was replaced meanwhile",
        125,
    )


def test_a_missing_source_is_an_error(make_overlay: Overlays) -> None:
    output, code = run(Rootfs(make_overlay(), [volume("/data", "/not/there")]), "echo ran")
    assert code == 125
    assert output == (
        f"volume /data cannot be mounted: /not/there on node {os.uname().nodename}: No such file or directory"
    )


def test_a_directory_is_not_mounted_on_a_file(make_overlay: Overlays, source: Path) -> None:
    output, code = run(Rootfs(make_overlay(), [volume("/etc/passwd", source)]), "echo ran")
    assert (output, code) == (
        f"volume /etc/passwd cannot be mounted on node {os.uname().nodename}: Not a directory",
        125,
    )


def test_without_an_overlay_the_node_is_as_it_is(source: Path) -> None:
    rootfs = Rootfs(None, [volume("/mnt", source)])
    assert run(rootfs, "cat /mnt/file") == ("of the volume", 0)
    assert not Path("/mnt/file").exists()


def test_without_an_overlay_no_mount_point_is_made(source: Path) -> None:
    output, code = run(Rootfs(None, [volume("/new/place", source)]), "echo ran")
    assert (code, Path("/new").exists()) == (125, False)
    assert "there is no such directory on node" in output


def test_a_read_only_root_leaves_volumes_writable(make_overlay: Overlays, source: Path) -> None:
    rootfs = Rootfs(make_overlay(), [volume("/data", source)], read_only=True)
    output, code = run(rootfs, "echo > /data/answer && echo > /dev/null && touch /etc/reaper-test")
    assert (code, (source / "answer").exists()) == (1, True)
    assert "Read-only file system" in output
    assert run(Rootfs(make_overlay()), "touch /etc/reaper-test")[1] == 0


def test_a_read_only_root_is_read_only_without_overlay_and_volumes(tmp_path: Path) -> None:
    libc.mount("of the node", str(tmp_path), "tmpfs", 0, None)
    try:
        output, code = run(Rootfs(None, read_only=True), f"touch {tmp_path}/file")
    finally:
        libc.unmount(str(tmp_path))
    assert (code, "Read-only file system" in output) == (1, True)


def test_a_read_only_root_has_mounts_that_another_hides(tmp_path: Path) -> None:
    below = tmp_path / "below"
    below.mkdir()
    for path in (below, tmp_path):
        libc.mount("of the node", str(path), "tmpfs", 0, None)
    try:
        output, code = run(Rootfs(None, read_only=True), f"touch {tmp_path}/file")
    finally:
        for path in (tmp_path, below):
            libc.unmount(str(path))
    assert (code, "Read-only file system" in output) == (1, True)


@pytest.mark.parametrize("read_only", [False, True])
def test_a_missing_working_directory_is_made(make_overlay: Overlays, *, read_only: bool) -> None:
    rootfs = Rootfs(make_overlay(), working_directory="/made/for/this", read_only=read_only)
    assert run(rootfs, "stat -c %a /made/for/this") == ("755\n", 0)
    assert not Path("/made").exists()


@pytest.mark.parametrize("path", ["/run/reaper-test/x", "/var/run/reaper-test/x"])
def test_no_working_directory_is_made_on_the_node(make_overlay: Overlays, path: str) -> None:
    assert run(Rootfs(make_overlay(), working_directory=path), f"test ! -e {path}") == ("", 0)
    assert run(Rootfs(None, working_directory="/made/for/this"), "test ! -e /made") == ("", 0)
    assert not Path("/run/reaper-test").exists()


def test_a_network_is_entered(make_overlay: Overlays) -> None:
    reader, writer = os.pipe()
    holder = os.fork()
    if holder == 0:
        try:
            libc.unshare(CLONE_NEWNET)
            os.write(writer, b"x")
            os.execv("/bin/sleep", ["sleep", "60"])
        finally:
            os._exit(1)
    os.close(writer)
    assert os.read(reader, 1) == b"x"
    try:
        network = f"/proc/{holder}/ns/net"
        expected = Path(network).readlink()
        assert run(Rootfs(make_overlay(), network=network), "readlink /proc/self/ns/net") == (f"{expected}\n", 0)
    finally:
        os.kill(holder, 9)
        os.waitpid(holder, 0)


def test_a_network_that_is_gone_is_an_error(make_overlay: Overlays) -> None:
    output, code = run(Rootfs(make_overlay(), network="/run/netns/gone"), "echo ran")
    assert code == 125
    assert output.startswith("the pod's network namespace /run/netns/gone cannot be entered on node ")
    assert output.endswith(": No such file or directory")


def test_the_namespaces_of_who_has_ended_leave_no_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.open
    monkeypatch.setattr(os, "open", lambda path, flags: real("/none" if path.endswith("mnt") else path, flags))
    before = len(list(Path("/proc/self/fd").iterdir()))
    with pytest.raises(FailedPrecondition, match="the container has just ended"):
        JoinedRootfs(os.getpid())
    assert len(list(Path("/proc/self/fd").iterdir())) == before


def test_a_namespace_that_cannot_be_entered_is_named() -> None:
    """Whoever reads it has to know which of the two it was, and what was taken for it."""
    joined = JoinedRootfs(os.getpid())
    net, mnt = joined.fds
    os.dup2(net, mnt)
    output, code = inside(joined, "echo ran")
    joined.close()
    node = os.uname().nodename
    link = os.readlink("/proc/self/ns/net")  # noqa: PTH115
    told = f"the container's mount namespace cannot be entered on node {node}: Invalid argument ({link})"
    assert (output, code) == (told, 125)


def test_children_of_the_tests_have_one_thread() -> None:
    """With a second one, setns(2) refuses the mount namespace: what starts one is a hook of some library at fork."""
    child = os.fork()
    if child == 0:
        os._exit(len(list(Path("/proc/self/task").iterdir())))
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 1


def test_an_exec_sees_what_init_sees(make_overlay: Overlays, source: Path) -> None:
    rootfs = Rootfs(make_overlay(), [volume("/data", source)])
    init = sleeper(rootfs)
    joined = JoinedRootfs(init)
    try:
        assert inside(joined, "cat /data/file") == ("of the volume", 0)
    finally:
        joined.close()
        os.kill(init, 9)
        os.waitpid(init, 0)
        rootfs.close()
