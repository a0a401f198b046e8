"""A file system that the node gets while the test runs, and loses again."""

from __future__ import annotations

from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from reaper_runtime.host import libc, mounts

if TYPE_CHECKING:
    from collections.abc import Iterator

LATER = Path("/srv/reaper-test-later")


@contextmanager
def mounted_later() -> Iterator[None]:
    """The node has a file system of its own at LATER."""
    LATER.mkdir(parents=True)
    libc.mount("disk", str(LATER), "tmpfs", 0, None)
    try:
        yield
    finally:
        libc.unmount(str(LATER), mounts.MNT_DETACH)
        LATER.rmdir()
