"""When an image counts as the same, and that none of them needs a base image."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

import build_images

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    (tmp_path / "package").mkdir()
    (tmp_path / "package" / "module.py").write_text("x = 1\n")
    return tmp_path / "package"


def test_times_and_caches_make_no_difference(tree: Path) -> None:
    before = build_images.content_hash((tree,))

    os.utime(tree / "module.py", (0, 0))
    (tree / "__pycache__").mkdir()
    (tree / "__pycache__" / "module.pyc").write_bytes(b"cache")

    assert build_images.content_hash((tree,)) == before


def test_content_names_modes_and_links_make_one(tree: Path) -> None:
    seen = {build_images.content_hash((tree,))}

    def note() -> None:
        seen.add(build_images.content_hash((tree,)))

    (tree / "module.py").write_text("x = 2\n")
    note()
    (tree / "module.py").chmod(0o755)
    note()
    (tree / "module.py").rename(tree / "other.py")
    note()
    (tree / "link").symlink_to("a")
    note()
    (tree / "link").unlink()
    (tree / "link").symlink_to("b")
    note()

    assert len(seen) == 6


def test_images_are_made_from_scratch() -> None:
    for image in build_images.IMAGES:
        words = [line.split() for line in image.dockerfile.read_text().splitlines()]
        assert [line[1:] for line in words if line[:1] == ["FROM"]] == [["scratch"]]


def test_a_missing_input_says_how_to_make_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build_images, "ROOT", tmp_path)

    with pytest.raises(build_images.ImageError, match=r"build/runtime is missing: build it with `make runtime`"):
        build_images.content_hash((tmp_path / "build" / "runtime",))
