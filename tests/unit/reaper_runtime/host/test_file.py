"""A file is replaced as a whole, or stays as it was."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reaper_runtime.host import file

if TYPE_CHECKING:
    from pathlib import Path


def test_who_has_it_open_reads_the_old_one_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "file"
    file.replace(str(path), "old")
    with path.open() as reader:
        file.replace(str(path), "new")
        assert reader.read() == "old"
    assert path.read_text() == "new"
    assert list(tmp_path.iterdir()) == [path]


def test_it_stays_where_the_new_one_cannot_be_written(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    (tmp_path / "file~").mkdir()
    with pytest.raises(IsADirectoryError):
        file.replace(str(path), "new")
    assert path.read_text() == "old"
