"""Changes to the node's files that a crash or a power cut cannot leave half done."""

from __future__ import annotations

import os
import shutil
import stat
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def replace_file(target: Path, text: str) -> None:
    """Write a file so that a reader sees the old or the new one, on disk too."""
    partial = target.with_name(f".{target.name}.new")
    with partial.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    partial.chmod(0o644)
    partial.replace(target)
    sync_directory(target.parent)


def replace_link(target: Path, destination: str) -> None:
    """Point a symbolic link somewhere else in one step."""
    partial = target.with_name(f".{target.name}.new")
    partial.unlink(missing_ok=True)
    partial.symlink_to(destination)
    partial.replace(target)
    sync_directory(target.parent)


def prepare_tree(source: Path, target: Path) -> Path:
    """Copy a folder to a name beside `target` and flush it; that name, to be renamed to `target`."""
    partial = target.with_name(f".{target.name}.new")
    if partial.exists():
        shutil.rmtree(partial)  # of an attempt that was interrupted
    try:
        shutil.copytree(source, partial, symlinks=True)
    except shutil.Error as errors:
        _, _, first = errors.args[0][0]  # it goes on after an error: of a full disk there is one a file
        raise OSError(first) from errors
    for path in (partial, *partial.rglob("*")):
        if path.is_symlink():
            continue
        if os.geteuid() == 0:
            os.chown(path, 0, 0)  # whoever built the image
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
    return partial


def holds_tree(target: Path, source: Path, *, content: bool) -> bool:
    """Whether all of `source` is in `target` with the same types, modes, sizes, links and, if asked, content.

    More in `target` is fine: an interpreter may have written its cache there.
    """
    for path in source.rglob("*"):
        other = target / path.relative_to(source)
        if not os.path.lexists(other) or _outline(path) != _outline(other):
            return False
        if content and stat.S_ISREG(path.lstat().st_mode) and path.read_bytes() != other.read_bytes():
            return False
    return True


def _outline(path: Path) -> tuple[int, int, str]:
    status = path.lstat()
    if stat.S_ISLNK(status.st_mode):
        return 0, 0, str(path.readlink())
    return status.st_mode, status.st_size if stat.S_ISREG(status.st_mode) else 0, ""


def sync_directory(path: Path) -> None:
    """Make a rename in a folder survive a power cut."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
