"""What the commands write besides the state: the pid file."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest

from reaper_runtime.commands.lifecycle import write_pid_file
from reaper_runtime.errors import FailedPrecondition

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory where anybody may write, as /tmp is."""
    made = tmp_path / "everybodys"
    made.mkdir()
    return made


def test_the_pid_file_is_written_as_a_whole(folder: Path) -> None:
    (folder / "c.pid").write_text("an older and longer one")
    write_pid_file(str(folder / "c.pid"), 4242)
    assert [(file.name, file.read_text()) for file in folder.iterdir()] == [("c.pid", "4242")]
    assert stat.S_IMODE((folder / "c.pid").stat().st_mode) == 0o644


@pytest.mark.parametrize("planted", ["c.pid", ".c.pid"])
def test_a_link_that_somebody_planted_is_not_followed(folder: Path, tmp_path: Path, planted: str) -> None:
    victim = tmp_path / "shadow"
    victim.write_text("root:x\n")
    (folder / planted).symlink_to(victim)
    write_pid_file(str(folder / "c.pid"), 4242)
    assert victim.read_text() == "root:x\n"
    assert not (folder / "c.pid").is_symlink()
    assert (folder / "c.pid").read_text() == "4242"


def test_what_somebody_planted_and_holds_open_is_not_written_to(folder: Path) -> None:
    planted = os.open(folder / ".c.pid", os.O_RDWR | os.O_CREAT, 0o666)
    write_pid_file(str(folder / "c.pid"), 4242)
    assert os.fstat(planted).st_size == 0
    os.close(planted)


def test_a_pid_file_that_cannot_be_written_is_named(folder: Path) -> None:
    (folder / ".c.pid").mkdir()
    for path in (folder / "c.pid", folder / "none" / "c.pid"):
        with pytest.raises(FailedPrecondition, match=rf"the pid file {path} cannot be written: "):
            write_pid_file(str(path), 4242)
