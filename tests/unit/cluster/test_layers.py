from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from typing import TYPE_CHECKING

from cluster.build.layers import Directory, File, Link, add_tree, tree_of, write_layer

if TYPE_CHECKING:
    from pathlib import Path

    from cluster.build.layers import Tree


def test_a_layer_is_what_its_digests_say(tmp_path: Path) -> None:
    (tmp_path / "program").write_bytes(b"x" * 100_000)
    tree: Tree = {
        "/usr/bin/program": File(tmp_path / "program", 0o755),
        "/usr/bin/other": Link("program"),
        "/etc/name": File(b"here\n"),
        "/tmp": Directory(0o1777),
    }
    layer = write_layer(tree, tmp_path / "layer")
    packed = (tmp_path / "layer").read_bytes()
    assert layer.digest == f"sha256:{hashlib.sha256(packed).hexdigest()}"
    assert layer.size == len(packed)
    plain = gzip.decompress(packed)
    assert layer.diff_id == f"sha256:{hashlib.sha256(plain).hexdigest()}"
    with tarfile.open(fileobj=io.BytesIO(plain)) as tar:
        members = {member.name: member for member in tar}
        assert list(members) == ["etc", "etc/name", "tmp", "usr", "usr/bin", "usr/bin/other", "usr/bin/program"]
        assert members["tmp"].mode == 0o1777
        assert members["usr/bin/other"].linkname == "program"
        assert (members["usr/bin/program"].mode, members["usr/bin/program"].uid) == (0o755, 0)


def test_equal_trees_give_equal_bytes(tmp_path: Path) -> None:
    tree: Tree = {"/b": File(b"2"), "/a": File(b"1")}
    turned = dict(reversed(tree.items()))
    assert write_layer(tree, tmp_path / "1").digest == write_layer(turned, tmp_path / "2").digest


def test_folders_that_are_there_are_not_made_again() -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        add_tree(tar, {"/etc/deep/file": File(b"")}, frozenset({"/etc"}))
        assert tar.getnames() == ["etc/deep", "etc/deep/file"]


def test_a_folder_becomes_a_tree(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir(mode=0o700)
    (tmp_path / "sub" / "file").write_text("x")
    (tmp_path / "link").symlink_to("sub/file")
    tree = tree_of(tmp_path, "/at")
    assert tree["/at/sub"] == Directory(0o700)
    assert tree["/at/link"] == Link("sub/file")
    assert tree["/at/sub/file"] == File(tmp_path / "sub" / "file", 0o644)
