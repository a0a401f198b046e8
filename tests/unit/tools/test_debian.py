"""Unpacking and caching, with archives that are already in the cache: nothing is downloaded here."""

from __future__ import annotations

import io
import tarfile
from typing import TYPE_CHECKING

import pytest

import debian

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("REAPER_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def put_in_cache(cache: Path, packages: list[str], files: dict[str, bytes], suite: str = debian.SUITE) -> None:
    path = cache / "debian" / f"{debian._key(packages, suite)}.tar"
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w") as archive:
        for name, content in files.items():
            entry = tarfile.TarInfo(f"./{name}")
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))


def test_unpacks_only_what_packages_brought(cache: Path, tmp_path: Path) -> None:
    put_in_cache(cache, ["hello"], {"usr/bin/hello": b"hi", "dev/null": b"", "etc/hostname": b"builder"})

    debian.extract(["hello"], tmp_path / "tree")

    files = {str(p.relative_to(tmp_path / "tree")) for p in (tmp_path / "tree").rglob("*") if p.is_file()}
    assert files == {"usr/bin/hello"}


def test_order_and_repetition_of_packages_make_no_difference(cache: Path) -> None:
    put_in_cache(cache, ["b", "a"], {})

    assert debian.fetch(["a", "b", "a"]) == debian.fetch(["b", "a"])


def test_each_suite_has_archives_of_its_own(cache: Path, tmp_path: Path) -> None:
    put_in_cache(cache, ["hello"], {"usr/bin/hello": b"old"})
    put_in_cache(cache, ["hello"], {"usr/bin/hello": b"new"}, suite="sid")

    debian.extract(["hello"], tmp_path, suite="sid")

    assert (tmp_path / "usr" / "bin" / "hello").read_bytes() == b"new"


def test_a_damaged_archive_says_what_to_do(cache: Path, tmp_path: Path) -> None:
    path = cache / "debian" / f"{debian._key(['hello'], debian.SUITE)}.tar"
    path.parent.mkdir(parents=True)
    path.write_bytes(b"not a tar archive" * 100)

    with pytest.raises(debian.DebianError, match=r"hello.*remove it and try again"):
        debian.extract(["hello"], tmp_path / "tree")


def test_no_packages_is_an_error(cache: Path) -> None:
    with pytest.raises(debian.DebianError, match="no packages"):
        debian.fetch([])


def test_the_cache_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("REAPER_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert debian.cache_directory() == tmp_path / "reaper"
    monkeypatch.setenv("REAPER_CACHE", str(tmp_path / "own"))
    assert debian.cache_directory() == tmp_path / "own"
