"""What was built once, kept outside the checkout: whole or not there at all."""

from __future__ import annotations

import ast
import contextlib
import fcntl
import hashlib
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

_PARTIAL = ".partial-"


def cache_root(environ: Mapping[str, str]) -> Path:
    """`$REAPER_CACHE`, or `reaper` in the user's cache folder."""
    explicit = environ.get("REAPER_CACHE")
    if explicit:
        return Path(explicit).absolute()
    home = environ.get("XDG_CACHE_HOME") or Path(environ.get("HOME") or Path.home()) / ".cache"
    return Path(home).absolute() / "reaper"


def key(*inputs: str | Path) -> str:
    """Twelve digits that change when any input does: text, a file, or a folder with all that is in it.

    Of a Python file the code counts and comments do not: rewording one must not cost a rebuild.
    """
    digest = hashlib.sha256()
    for item in inputs:
        if isinstance(item, str):
            digest.update(f"text {item}\0".encode())
            continue
        files = sorted(p for p in item.rglob("*") if p.is_file()) if item.is_dir() else [item]
        for file in files:
            name = file.relative_to(item) if item.is_dir() else file.name
            digest.update(f"file {name}\0".encode() + hashlib.sha256(_meaning(file)).digest())
    return digest.hexdigest()[:12]


def _meaning(file: Path) -> bytes:
    content = file.read_bytes()
    return ast.dump(ast.parse(content)).encode() if file.suffix == ".py" else content


@dataclass(frozen=True)
class Cache:
    """Folders `<thing>-<version>-<key>`. One that exists is complete, since it got its name last."""

    root: Path

    def slot(self, name: str) -> Path:
        return self.root / name

    @contextlib.contextmanager
    def filling(self, slot: Path) -> Iterator[Path]:
        """A scratch folder that becomes `slot` when the block ends well and vanishes when it does not."""
        with self.scratch(slot.name) as scratch:
            yield scratch
            scratch.rename(slot)

    @contextlib.contextmanager
    def scratch(self, name: str = "scratch") -> Iterator[Path]:
        """A folder on the cache's own disk, for what is too large for a /tmp in memory."""
        scratch = self.root / f"{_PARTIAL}{name}"
        scratch.mkdir(parents=True)
        try:
            yield scratch
        finally:
            shutil.rmtree(scratch, ignore_errors=True)

    def keep_newest(self, pattern: str, count: int) -> None:
        """Remove older slots of a thing that is large and seldom needed twice."""
        slots = sorted(self.root.glob(pattern), key=lambda path: path.stat().st_mtime, reverse=True)
        for slot in slots[count:]:
            shutil.rmtree(slot, ignore_errors=True)

    @contextlib.contextmanager
    def lock(self, waiting: Callable[[], None]) -> Iterator[None]:
        """Held while a verb changes something: two checkouts share the cache, the daemon and the cluster.

        Whoever holds it is alone, so what is unfinished now was left by a run that was killed.
        """
        self.root.mkdir(parents=True, exist_ok=True)
        with (self.root / "lock").open("w") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                waiting()
                fcntl.flock(file, fcntl.LOCK_EX)
            for scratch in self.root.glob(f"{_PARTIAL}*"):
                shutil.rmtree(scratch)
            yield
