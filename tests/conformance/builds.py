"""The runtime once more, as another build: with a fork server of its own."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

from tests.conformance.containerd import BUNDLE

if TYPE_CHECKING:
    from pathlib import Path


def another(folder: Path, ending: str) -> str:
    """Make it in this folder, which does not exist; its version, which ends in these four characters."""
    shutil.copytree(BUNDLE, folder, symlinks=True)
    build = (BUNDLE / "VERSION").read_text().strip()
    version = f"{build[:-4]}{ending}"
    for path in folder.rglob("*"):
        if path.is_file() and not path.is_symlink() and build.encode() in path.read_bytes():
            path.write_bytes(path.read_bytes().replace(build.encode(), version.encode()))
    return version
