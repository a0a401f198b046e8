"""What the machine is given, as one tar archive that it reads from a disk of its own: no share, no network.

In it: this checkout's files, the runtime built of it, Python packages, the cache's containerds, and the order.
"""

from __future__ import annotations

import io
import json
import os
import subprocess
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING

from debian import cache_directory
from reaper_runtime import __version__
from tests.machine.errors import MachineError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

CHECKOUT = Path(__file__).parents[2]
_RUNTIME = "build/runtime"
SECTOR = 512
DISTRIBUTION = "reaper-k8s"
# As if the checkout were installed: the plugin tells its version by that.
_METADATA = f"Metadata-Version: 2.1\nName: {DISTRIBUTION}\nVersion: {__version__}\n"


def load(
    archive: Path, packages: Path, arguments: Sequence[str], environment: Mapping[str, str], checkout: Path = CHECKOUT
) -> None:
    """Write the archive. arguments: pytest's; environment: of the tests, beside what inside/run.py sets.

    Raises MachineError where the runtime is not built.
    """
    if not (checkout / _RUNTIME).exists():
        raise MachineError(f"{_RUNTIME} is missing: make runtime")
    with tarfile.open(archive, "w") as tar:
        for name in _files(checkout):
            tar.add(checkout / name, name, recursive=False)
        tar.add(checkout / _RUNTIME, _RUNTIME)
        tar.add(packages, "packages")
        for folder in cache_directory().glob("containerd-*"):
            tar.add(folder, f"cache/{folder.name}")
        _add(tar, f"packages/{DISTRIBUTION.replace('-', '_')}.dist-info/METADATA", _METADATA)
        _add(tar, "order.json", json.dumps({"arguments": list(arguments), "environment": dict(environment)}))
    with archive.open("ab") as file:  # a disk has whole sectors
        file.truncate(-(-file.tell() // SECTOR) * SECTOR)


def _files(checkout: Path) -> list[str]:
    """Those that git knows or would add, as they are now."""
    command = ["git", "-C", str(checkout), "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split("\0")
    return [name for name in names if name and os.path.lexists(checkout / name)]


def _add(tar: tarfile.TarFile, name: str, text: str) -> None:
    info = tarfile.TarInfo(name)
    info.size = len(text.encode())
    tar.addfile(info, io.BytesIO(text.encode()))
