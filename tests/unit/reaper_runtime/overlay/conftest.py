"""Another file system of the node, which overlays show; nothing is left of it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reaper_runtime.host import libc, mounts

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def disk() -> Iterator[Path]:
    """Another file system of the node, outside of the trees that containers share with it."""
    path = Path("/srv/reaper-test-disk")
    path.mkdir(parents=True)
    libc.mount("disk", str(path), "tmpfs", 0, None)
    (path / "data").write_text("on the disk")
    yield path
    libc.unmount(str(path), mounts.MNT_DETACH)
    path.rmdir()
