"""The base archive: what dpkg's records say in it, and what is read and left out of it."""

from __future__ import annotations

import io
import json
import tarfile
from typing import TYPE_CHECKING

import pytest

from cluster.build.base import own_sources
from cluster.build.debian import BaseArchive, absolute
from cluster.build.dpkg import Records
from cluster.build.layers import Directory, File, Link
from cluster.build.rootfs import container_defaults, unwanted, wanted_by

if TYPE_CHECKING:
    from pathlib import Path

STATUS = """\
Package: iptables
Status: install ok installed
Depends: libc6 (>= 2.35), libmnl0 | libother, netbase:any
Description: filter
 Depends: on the weather

Package: libc6
Provides: libc-virtual (= 1)

Package: libmnl0
Depends: libc-virtual

Package: unrelated
Depends: iptables
"""


def records() -> Records:
    found = Records()
    found.add_status(STATUS)
    found.add_list("libc6:amd64.list", "/.\n/lib\n/lib/x86_64-linux-gnu/libc.so.6\n/lib64/ld.so\n/usr/lib/keep\n")
    found.add_list("iptables.list", "/usr/sbin/iptables-nft\n/sbin/iptables-apply\n/etc/binary\n")
    return found


def test_a_closure_follows_first_alternatives_and_what_is_provided() -> None:
    assert records().closure("iptables") == {"iptables", "libc6", "libmnl0"}
    assert records().closure("libmnl0") == {"libmnl0", "libc6"}


def test_paths_are_where_the_merged_usr_has_them() -> None:
    assert records().paths("iptables") == {
        "/usr/lib",
        "/usr/lib/x86_64-linux-gnu/libc.so.6",
        "/usr/lib64/ld.so",
        "/usr/lib/keep",
        "/usr/sbin/iptables-nft",
        "/usr/sbin/iptables-apply",
        "/etc/binary",
    }


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "base.tar"
    with tarfile.open(path, "w") as tar:

        def add(name: str, kind: bytes, content: bytes = b"", target: str = "") -> None:
            member = tarfile.TarInfo(name)
            member.type, member.size, member.linkname, member.mode = kind, len(content), target, 0o755
            tar.addfile(member, io.BytesIO(content))

        add("./", tarfile.DIRTYPE)
        add("./var/lib/dpkg/status", tarfile.REGTYPE, STATUS.encode())
        add(
            "./var/lib/dpkg/info/iptables.list", tarfile.REGTYPE, b"/usr/sbin\n/usr/sbin/tool\n/usr/sbin/alias\n/gone\n"
        )
        add("./usr/sbin", tarfile.DIRTYPE)
        add("./usr/sbin/tool", tarfile.REGTYPE, b"program")
        add("./usr/sbin/alias", tarfile.SYMTYPE, target="tool")
        add("./usr/sbin/second", tarfile.LNKTYPE, target="./usr/sbin/tool")
        add("./etc/far", tarfile.SYMTYPE, target="../usr/./sbin/alias")
    return path


def test_members_are_read_through_links(archive: Path) -> None:
    with BaseArchive(archive) as base:
        for path in ("/usr/sbin/tool", "/usr/sbin/alias", "/usr/sbin/second", "/etc/far"):
            assert base.read(path) == b"program"
        with pytest.raises(KeyError):
            base.read("/not/there")
        with pytest.raises(KeyError):
            base.read("/usr/sbin")


def test_a_packages_files_are_a_tree_without_what_was_excluded(archive: Path) -> None:
    with BaseArchive(archive) as base:
        assert base.packaged("iptables") == {
            "/usr/sbin": Directory(0o755),
            "/usr/sbin/tool": File(b"program", 0o755),
            "/usr/sbin/alias": Link("tool"),
        }


@pytest.mark.parametrize("name", ["./usr/bin", "usr/bin", "usr/bin/", "./usr/bin/"])
def test_member_names_become_paths(name: str) -> None:
    assert absolute(name) == "/usr/bin"


@pytest.mark.parametrize(
    ("path", "out"),
    [
        ("/dev/null", True),
        ("/dev", False),
        ("/var/lib/apt/lists/x", True),
        ("/var/lib/dpkg/status", False),
        ("/etc/systemd/system/multi-user.target.wants/e2scrub.service", True),
        ("/usr/lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup.service", True),
        ("/usr/lib/systemd/system/sysinit.target.wants/systemd-tmpfiles-setup-dev.service", False),
        ("/usr/lib/systemd/system/sockets.target.wants/systemd-udevd-kernel.socket", True),
        ("/usr/lib/systemd/system/sockets.target.wants/dbus.socket", False),
        ("/usr/lib/systemd/system/multi-user.target.wants/getty.target", True),
        ("/usr/lib/systemd/systemd", False),
    ],
)
def test_what_stays_out_of_a_node(path: str, out: bool) -> None:  # noqa: FBT001
    assert unwanted(path) is out


def test_units_say_themselves_where_they_are_enabled() -> None:
    assert wanted_by("[Install]\nWantedBy=multi-user.target other.target\n") == ["multi-user.target", "other.target"]
    assert wanted_by("[Unit]\n") == []


def test_a_containers_defaults_get_kinds_hook_and_lose_their_limits() -> None:
    spec = json.loads(
        container_defaults('{"process": {"rlimits": [1], "cwd": "/"}, "hooks": {"createContainer": [1]}}')
    )
    assert spec["process"] == {"cwd": "/"}
    assert spec["hooks"]["createContainer"] == [1, {"path": "/kind/bin/mount-product-files.sh"}]


def test_this_machines_own_sources_are_used_for_its_own_suite_only(tmp_path: Path) -> None:
    assert own_sources("bookworm", tmp_path) == []
    (tmp_path / "sources.list").write_text("# deb http://example.org bookworm main\n")
    assert own_sources("bookworm", tmp_path) == []
    (tmp_path / "sources.list").write_text("deb http://mirror.example.org/debian bookworm main\n")
    assert own_sources("bookworm", tmp_path) == [tmp_path / "sources.list"]
    assert own_sources("trixie", tmp_path) == []
    (tmp_path / "sources.list.d").mkdir()
    modern = tmp_path / "sources.list.d" / "debian.sources"
    modern.write_text("Types: deb\nURIs: http://mirror.example.org\nSuites: bookworm bookworm-updates\n")
    assert own_sources("bookworm", tmp_path) == [modern]
