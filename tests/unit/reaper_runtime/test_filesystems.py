"""Which of the node's file systems are shown, in which of them a path is, and that no remote one is asked for it."""

from __future__ import annotations

import fnmatch
import os
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaper_runtime.filesystems import expand, file_system_of, follow, is_shown, matches, remote
from reaper_runtime.host import mounts

if TYPE_CHECKING:
    from pathlib import Path

MOUNTINFO = rb"""
1 0 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
2 1 0:20 / /proc rw,nosuid,nodev,noexec,relatime - proc proc rw
3 1 0:50 / /mnt/nfs rw,nosuid,noatime shared:3 - nfs4 server:/export rw,vers=4.2,hard
4 1 0:51 / /mnt/share rw - cifs //server/share rw
5 1 0:52 / /mnt/sshfs rw,nodev - fuse.sshfs u@h: rw,user_id=0
6 1 0:53 / /mnt/gluster rw - fuse.glusterfs h:/v rw
7 1 0:54 / /mnt/nfs/local rw - tmpfs tmpfs rw
8 1 0:55 / /data rw,nodiratime - xfs /dev/sdb rw
9 1 0:56 / /misc rw - autofs systemd-1 rw
11 1 0:58 / /srv/kubelet/pods/u/volume-subpaths/data/main/0 rw - ext4 d rw
14 1 0:61 / /srv/pods/kubelet/pods/u/volumes/s rw - tmpfs t rw
12 1 0:59 / /srv/pods/x rw - ext4 d rw
13 1 0:60 / /pods rw - ext4 d rw
10 1 0:57 / /var/lib/kubelet/pods/u/volumes/nfs rw - nfs server:/v rw
"""


@pytest.fixture
def table() -> dict[str, mounts.MountPoint]:
    return mounts.parse(MOUNTINFO)


def test_what_a_server_has_to_answer_for(table: dict[str, mounts.MountPoint]) -> None:
    assert remote(table) == {
        "/mnt/nfs", "/mnt/share", "/mnt/sshfs", "/mnt/gluster", "/var/lib/kubelet/pods/u/volumes/nfs",
    }  # fmt: skip
    assert remote(mounts.parse(b"1 0 8:1 / / rw - 9p host rw")) == frozenset()


@pytest.mark.parametrize("kind", ["virtiofs", "pvfs2", "orangefs", "nfs4", "fuse.sshfs"])
def test_kinds_that_a_server_has_to_answer_for(kind: str) -> None:
    assert remote(mounts.parse(b"1 0 0:9 / /mnt rw - %b s rw" % kind.encode())) == {"/mnt"}


def test_what_is_shown(table: dict[str, mounts.MountPoint]) -> None:
    assert [path for path, mount in table.items() if not is_shown(mount)] == [
        "/misc",
        "/srv/kubelet/pods/u/volume-subpaths/data/main/0",
        "/srv/pods/kubelet/pods/u/volumes/s",
        "/var/lib/kubelet/pods/u/volumes/nfs",
    ]


def test_flags_are_known_without_asking(table: dict[str, mounts.MountPoint]) -> None:
    assert table["/mnt/nfs"].flags == mounts.MS_NOSUID | mounts.MS_NOATIME
    assert table["/data"].flags == mounts.MS_NODIRATIME
    assert table["/mnt/share"].flags == 0


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/etc/shadow", "/"),
        ("/data", "/"),
        ("/data/keys", "/data"),
        ("/data/none/keys", "/data"),
        ("/mnt/nfs", "/"),
        ("/mnt/nfs/home/.ssh", "/mnt/nfs"),
        ("/mnt/nfs/local/x", "/mnt/nfs"),
        ("/data/../mnt/sshfs/x", "/mnt/sshfs"),
        ("/mnt/nfs/../../etc/x", "/mnt/nfs"),  # what .. of a remote directory is, only its server knows
    ],
)
def test_the_file_system_of_a_path(table: dict[str, mounts.MountPoint], path: str, expected: str) -> None:
    assert file_system_of(path, table, remote(table)) == expected


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("ana/.ssh", "bo/.ssh", ".hidden", "nfs/home"):
        (tmp_path / name).mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "nfs" / "home")
    (tmp_path / "circle").symlink_to("circle")
    return tmp_path


@pytest.fixture
def beside(folder: Path) -> dict[str, mounts.MountPoint]:
    """A table in which one of the folder's directories is a remote file system."""
    return mounts.parse(b"1 0 8:1 / / rw - ext4 d rw\n2 1 0:9 / %b/nfs rw - nfs s rw" % os.fsencode(folder))


def test_links_are_followed_to_a_remote_one_and_not_into_it(folder: Path, beside: dict[str, mounts.MountPoint]) -> None:
    assert file_system_of(f"{folder}/link/.ssh", beside, remote(beside)) == f"{folder}/nfs"
    assert file_system_of(f"{folder}/circle/x", beside, remote(beside)) == "/"


def test_a_path_is_followed_and_not_into_a_remote_one(folder: Path, beside: dict[str, mounts.MountPoint]) -> None:
    (folder / "keys").symlink_to("ana/../bo")
    paths = [f"{folder}/{name}" for name in ("keys/.ssh", "link/.ssh", "circle", "none", "ana")]
    assert list(follow(paths, remote(beside))) == [paths[0], f"{folder}/bo/.ssh", *paths[1:]]


def test_patterns(folder: Path, beside: dict[str, mounts.MountPoint]) -> None:
    patterns = [
        f"{folder}/*/.ssh",
        f"{folder}/.h*",
        f"{folder}/a*a",
        f"{folder}/none/*",
        f"{folder}/b?",
        f"{folder}/[bc]o",
        "/etc/shadow",
    ]
    assert sorted(expand(patterns, beside, remote(beside))) == sorted([
        "/etc/shadow", f"{folder}/ana", f"{folder}/.hidden", f"{folder}/bo", f"{folder}/bo",
        *(f"{folder}/{name}/.ssh" for name in ("ana", "bo", "nfs", "link", "circle")),
    ])  # fmt: skip


def test_no_pattern_is_looked_up_in_a_remote_one(folder: Path, beside: dict[str, mounts.MountPoint]) -> None:
    patterns = [f"{folder}/nfs/*/key", f"{folder}/link/h*", f"{folder}/nfs/?/key"]
    assert list(expand(patterns, beside, remote(beside))) == patterns


@given(
    name=st.text("ab.", min_size=1, max_size=6),
    pattern=st.text("ab.*?[]!", min_size=1, max_size=6).filter(lambda text: set(text) & set("*?[")),
)
def test_a_pattern_is_a_shells(name: str, pattern: str) -> None:
    hidden = name.startswith(".") and not pattern.startswith(".")
    assert matches(name, pattern) == (fnmatch.fnmatchcase(name, pattern) and not hidden)
