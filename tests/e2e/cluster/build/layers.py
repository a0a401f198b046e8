"""File trees written as tar layers: the same tree always gives the same bytes."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Mapping


@dataclass(frozen=True)
class File:
    """A file by its content, or by the path of another file; mode as given, or as the other file's."""

    content: bytes | Path
    mode: int = 0o644


@dataclass(frozen=True)
class Link:
    target: str


@dataclass(frozen=True)
class Directory:
    mode: int = 0o755


Entry = File | Link | Directory
Tree = dict[str, Entry]  # by absolute path


@dataclass(frozen=True)
class Layer:
    """A compressed layer as an image manifest speaks of it."""

    content: Path
    digest: str
    size: int
    diff_id: str  # digest of what is inside the compression


class Sink(Protocol):
    def write(self, data: bytes, /) -> int: ...


class _Hashing(io.RawIOBase):
    """Passes bytes on and keeps their digest, so that a large file is read once."""

    def __init__(self, out: Sink) -> None:
        self._out = out
        self.sha256 = hashlib.sha256()
        self.size = 0

    def writable(self) -> bool:
        return True

    def write(self, data: bytes) -> int:  # type: ignore[override]
        self.sha256.update(data)
        self.size += len(data)
        return self._out.write(data)


def write_layer(tree: Mapping[str, Entry], path: Path) -> Layer:
    """Write `tree` to `path`, compressed as little as helps: it is unpacked on this very machine."""
    with path.open("wb") as out:
        outer = _Hashing(out)
        with gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=outer, mtime=0) as squeezed:
            inner = _Hashing(squeezed)
            with tarfile.open(fileobj=inner, mode="w|", format=tarfile.GNU_FORMAT) as tar:
                add_tree(tar, tree)
    diff_id = f"sha256:{inner.sha256.hexdigest()}"
    return Layer(path, f"sha256:{outer.sha256.hexdigest()}", outer.size, diff_id)


def add_tree(tar: tarfile.TarFile, tree: Mapping[str, Entry], existing: frozenset[str] = frozenset()) -> None:
    """Append the tree, each folder before what is in it; `existing` folders are in the archive already."""
    made = set(existing)
    for path in sorted(tree):
        for parent in reversed(Path(path).parents):
            name = str(parent)
            if name != "/" and name not in made and name not in tree:
                made.add(name)
                _add(tar, name, Directory())
        _add(tar, path, tree[path])


def _add(tar: tarfile.TarFile, path: str, entry: Entry) -> None:
    info = tarfile.TarInfo(path.lstrip("/"))  # owner root, time zero
    if isinstance(entry, Directory):
        info.type, info.mode = tarfile.DIRTYPE, entry.mode
        tar.addfile(info)
    elif isinstance(entry, Link):
        info.type, info.linkname, info.mode = tarfile.SYMTYPE, entry.target, 0o777
        tar.addfile(info)
    elif isinstance(entry.content, bytes):
        info.size, info.mode = len(entry.content), entry.mode
        tar.addfile(info, io.BytesIO(entry.content))
    else:
        info.size, info.mode = entry.content.stat().st_size, entry.mode
        with entry.content.open("rb") as source:
            tar.addfile(info, source)


def tree_of(folder: Path, at: str) -> Tree:
    """A folder of this machine as a tree at the absolute path `at`."""
    tree: Tree = {}
    for path in folder.rglob("*"):
        name = f"{at.rstrip('/')}/{path.relative_to(folder)}"
        if path.is_symlink():
            tree[name] = Link(str(path.readlink()))
        elif path.is_dir():
            tree[name] = Directory(path.stat().st_mode & 0o7777)
        else:
            tree[name] = File(path, path.stat().st_mode & 0o7777)
    return tree
