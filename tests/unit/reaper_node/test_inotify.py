"""Real inotify on a real folder."""

from __future__ import annotations

import select
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reaper_node import inotify
from reaper_node.errors import NodeError
from reaper_node.inotify import Changes, Inotify
from tests.fakes.runtime import open_fds

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Inotify]:
    (tmp_path / "tasks").mkdir()
    made = Inotify(tmp_path / "tasks")
    yield made
    made.close()


def test_what_is_renamed_into_the_folder_and_removed_is_told(watched: Inotify, tmp_path: Path) -> None:
    folder = tmp_path / "tasks"
    assert watched.read() == Changes(frozenset(), unknown=False)
    assert select.select([watched], [], [], 0)[0] == []
    for name in ("one", "ä" * 100, "three"):
        (folder / f"{name}~").write_text("")
        (folder / f"{name}~").rename(folder / name)
    assert select.select([watched], [], [], 10)[0] == [watched]
    assert watched.read().names >= {"one", "ä" * 100, "three"}
    (folder / "one").unlink()
    assert watched.read() == Changes(frozenset({"one"}), unknown=False)


def test_a_folder_that_is_removed_is_an_error(watched: Inotify, tmp_path: Path) -> None:
    (tmp_path / "tasks").rmdir()
    with pytest.raises(NodeError, match="tasks was removed") as caught:
        watched.read()
    assert caught.value.reason == "FolderGone"


def test_what_cannot_be_watched_is_named(tmp_path: Path) -> None:
    before = open_fds()
    with pytest.raises(NodeError, match="nowhere cannot be watched: No such file"):
        Inotify(tmp_path / "nowhere")
    (tmp_path / "file").touch()
    with pytest.raises(NodeError, match="file cannot be watched: Not a directory"):
        Inotify(tmp_path / "file")
    assert open_fds() == before


def test_a_queue_that_has_overflowed_is_told(watched: Inotify, tmp_path: Path) -> None:
    """More events than the kernel keeps for one watch: /proc/sys/fs/inotify/max_queued_events."""
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    folder = tmp_path / "tasks"
    (folder / "a").touch()
    for _ in range(most // 2 + 1):
        (folder / "a").rename(folder / "b")
        (folder / "b").rename(folder / "a")
    unknown = False
    while select.select([watched], [], [], 0)[0]:
        unknown |= watched.read().unknown
    assert unknown


def test_events_are_parsed_one_by_one() -> None:
    name = b"one\0\0\0\0\0"
    event = inotify._EVENT.pack(1, inotify.DELETE, 0, len(name)) + name
    overflow = inotify._EVENT.pack(-1, inotify.OVERFLOW, 0, 0)
    assert inotify.parse(event + overflow + event) == [(inotify.DELETE, b"one"), (inotify.OVERFLOW, b""),
                                                       (inotify.DELETE, b"one")]  # fmt: skip
