"""Paths inside a root: where they lead, what is made on the way, and that nothing leads out."""

from __future__ import annotations

import errno
import os
import select
import shutil
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaper_runtime.host import libc, mounts
from reaper_runtime.host.root import Root
from tests.fakes.runtime import needs_root, open_fds

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A root with a file and links; beside it what nobody in it should reach."""
    (tmp_path / "outside").mkdir()
    root = tmp_path / "root"
    (root / "a" / "b").mkdir(parents=True)
    (root / "a" / "file").write_text("in")
    return root


@pytest.fixture
def root(folder: Path) -> Iterator[Root]:
    before = open_fds()
    with Root(str(folder)) as made:
        yield made
    assert open_fds() == before


@pytest.mark.parametrize(
    ("link", "path", "found"),
    [
        ("/a", "/link/b", "/a/b"),
        ("a", "link/./b/", "/a/b"),
        ("../../..", "/link/a/file", "/a/file"),
        ("/../../a/b/..", "/link/file", "/a/file"),
        ("a/b/../b", "/../link/..", "/a"),
        ("/", "/link", "/"),
    ],
)
def test_links_begin_and_end_at_the_root(root: Root, folder: Path, link: str, path: str, found: str) -> None:
    (folder / "link").symlink_to(link)
    with root.open(path) as place:
        assert place.path == found
        assert os.path.realpath(place.name) == os.path.normpath(f"{folder}{found}")


@pytest.mark.parametrize(
    ("path", "code"),
    [("/none", errno.ENOENT), ("/a/file/x", errno.ENOTDIR), ("/loop", errno.ELOOP), ("/a/none/x", errno.ENOENT)],
)
def test_what_cannot_be_opened_is_named(root: Root, folder: Path, path: str, code: int) -> None:
    (folder / "loop").symlink_to("loop")
    with pytest.raises(OSError, match=path) as raised:
        root.open(path)
    assert (raised.value.errno, raised.value.filename) == (code, path)


def test_what_is_missing_is_made(root: Root, folder: Path) -> None:
    with root.make_directory("/new/one") as place:
        assert place.path == "/new/one"
    with root.make_file("/new/two/file") as place:
        assert place.path == "/new/two/file"
    assert (folder / "new" / "one").is_dir()
    assert (folder / "new" / "two" / "file").read_text() == ""
    root.make_directory("/a/b").close()  # as it is


def test_what_a_link_points_to_is_made_in_the_root(root: Root, folder: Path) -> None:
    (folder / "up").symlink_to("../outside/made")
    with root.make_directory("/up/there") as place:
        assert place.path == "/outside/made/there"
    assert (folder / "outside" / "made" / "there").is_dir()
    assert list((folder.parent / "outside").iterdir()) == []


def test_many_levels_are_made(root: Root) -> None:
    """More than a path may have links."""
    path = "/x" * 60
    with root.make_file(f"{path}/file") as place:
        assert place.path == f"{path}/file"


@pytest.mark.parametrize(
    ("path", "found"),
    [
        ("/", True),
        ("/a/b", True),
        ("/a/file", True),
        ("/a/none/b", False),
        ("/a/file/b", False),
        ("/a/link", False),  # to what is there
        ("/a/link/b", False),
        ("/loop", False),
        ("/loop/b", False),
        ("/a/b//deleted", False),
    ],
)
def test_a_path_as_written_has_no_link(root: Root, folder: Path, path: str, *, found: bool) -> None:
    (folder / "a" / "link").symlink_to("/a")
    (folder / "loop").symlink_to("loop")
    (folder / "a" / "b" / "deleted").mkdir()
    place = root.open_as_written(path)
    if place is None:
        assert not found
        return
    with place:
        assert (place.path, found) == (path, True)
        assert os.path.realpath(place.name) == os.path.normpath(f"{folder}{path}")


@pytest.fixture
def automount(folder: Path) -> Iterator[int]:
    """A pipe in which the kernel asks for something to be mounted at /auto (autofs.rst); nobody ever does.

    Nor does who asked wait for it: once the pipe is closed, the kernel answers that there is nothing.
    """
    path = folder / "auto"
    path.mkdir()
    reader, writer = os.pipe()
    daemon = os.fork()  # of a process group of its own: its members see autofs as an empty directory
    if daemon == 0:
        os.setpgid(0, 0)
        options = f"fd={writer},pgrp={os.getpid()},minproto=5,maxproto=5,direct"
        try:
            libc.mount("test", str(path), "autofs", 0, options)
        except OSError:
            os._exit(1)
        os._exit(0)
    code = os.waitstatus_to_exitcode(os.waitpid(daemon, 0)[1])
    os.close(writer)
    if code:
        os.close(reader)
        pytest.skip("no autofs")
    yield reader
    libc.unmount(str(path), mounts.MNT_DETACH)
    os.close(reader)


@needs_root
def test_a_step_through_an_automount_has_it_mounted(automount: int, folder: Path) -> None:
    waiting = os.fork()
    if waiting == 0:
        try:
            with Root(str(folder)) as root:
                root.open("/auto/x")
        finally:
            os._exit(0)
    ended = os.pidfd_open(waiting)
    try:
        assert automount in select.select([automount, ended], [], [], 5)[0], "the kernel was not asked to mount it"
    finally:
        os.close(ended)
        os.kill(waiting, signal.SIGKILL)
        os.waitpid(waiting, 0)


def test_a_directory_of_its_own_is_no_link_to_one(root: Root, folder: Path) -> None:
    (folder / "link").symlink_to("a")
    with root.own_directory("a") as place:
        assert place.path == "/a"
    with pytest.raises(NotADirectoryError):
        root.own_directory("link")


def test_links_of_proc_are_text_and_lead_nowhere(root: Root, folder: Path) -> None:
    """Those of /proc/PID lead out of any root, for who follows them as the kernel does."""
    os.symlink("/proc/self/root/" + str(folder.parent / "outside"), folder / "link")  # noqa: PTH211
    with pytest.raises(FileNotFoundError):
        root.open("/link")
    with Root("/") as whole, whole.open("/proc/self/cwd") as place:
        assert place.path == os.getcwd()  # noqa: PTH109


def test_there_are_directories_in_which_nothing_is_made(root: Root, folder: Path) -> None:
    (folder / "run").mkdir()
    (folder / "link").symlink_to("run")
    with pytest.raises(FileNotFoundError):
        root.make_directory("/link/x", but_not_in=("run",))
    with pytest.raises(FileNotFoundError):
        root.make_file("/link/x", but_not_in=("run",))
    root.make_directory("/running/x", but_not_in=("run",)).close()
    assert list((folder / "run").iterdir()) == []


def test_a_place_stays_what_it_was_when_its_name_becomes_another(root: Root, folder: Path) -> None:
    with root.open("/a/b") as place:
        (folder / "a").rename(folder / "was")
        (folder / "a").symlink_to(folder.parent)
        assert os.path.realpath(place.name) == str(folder / "was" / "b")
        with root.open("/was/b") as same, root.open("/was") as other:
            assert same.is_same_file(place.fd)
            assert not other.is_same_file(place.fd)


names = st.sampled_from(["a", "b", "c", "..", ".", ""])
paths = st.lists(names, max_size=6).map("/".join)


@given(links=st.dictionaries(st.sampled_from(["a", "b"]), st.tuples(st.booleans(), paths)), path=paths)
def test_nothing_is_ever_made_or_found_outside(links: dict[str, tuple[bool, str]], path: str) -> None:
    scratch = Path(tempfile.mkdtemp())
    folder = scratch / "root"
    try:
        folder.mkdir()
        for name, (absolute, target) in links.items():
            (folder / name).symlink_to(f"{'/' * absolute}{target}" or "/")
        with Root(str(folder)) as root:
            try:
                place = root.make_directory(path)
            except OSError:
                pass  # links in a circle
            else:
                with place:
                    assert os.path.realpath(place.name) == os.path.normpath(f"{folder}{place.path}")
        assert list(scratch.iterdir()) == [folder]
    finally:
        shutil.rmtree(scratch)
