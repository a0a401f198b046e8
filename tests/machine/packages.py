"""The Python packages that the conformance suite needs, for the machine's own interpreter."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from pathlib import Path

from cluster.host.cache import key
from tests.machine.cache import CACHE
from tests.machine.errors import MachineError

# Of the lock file, which has all of the checks and of the operator too: ten times as much.
NAMES = (
    "annotated-types", "attrs", "click", "hypothesis", "iniconfig", "packaging", "pluggy", "pydantic", "pydantic-core",
    "pygments", "pyte", "pytest", "pytest-asyncio", "pytest-timeout", "pyyaml", "ruamel-yaml", "sortedcontainers",
    "typing-extensions", "typing-inspection", "wcwidth",
)  # fmt: skip
_PYTHON = "3.11"  # bookworm's
_PLATFORMS = tuple(f"manylinux_2_{minor}_x86_64" for minor in range(36, 4, -1))  # its C library, and what came before
LOCK = Path(__file__).parents[2] / "locks" / "dev.txt"


def packages() -> Path:
    """The folder with them, filled if it is not in the cache; raises MachineError."""
    wanted = selected(LOCK.read_text())
    slot = CACHE.slot(f"python-{key(wanted, Path(__file__))}")
    if not slot.exists():
        print("==> downloading the machine's Python packages", flush=True)
        with CACHE.filling(slot) as scratch:
            _install(wanted, scratch)
    return slot


def selected(lock: str) -> str:
    """The blocks of a lock file that are about NAMES, with their hashes; raises MachineError where one is missing."""
    blocks = re.split(r"^(?=[A-Za-z])", lock, flags=re.MULTILINE)
    found = {block.split("==")[0]: block for block in blocks if "==" in block}
    missing = [name for name in NAMES if name not in found]
    if missing:
        raise MachineError(f"{LOCK.name} has no {', '.join(missing)}: mend the list in {Path(__file__).name}")
    return "".join(found[name] for name in NAMES)


def _install(requirements: str, target: Path) -> None:
    with tempfile.NamedTemporaryFile("w", suffix=".txt") as file:
        file.write(requirements)
        file.flush()
        platforms = [f"--platform={name}" for name in _PLATFORMS]
        command = [
            sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps",
            "--require-hashes", "--only-binary=:all:", f"--python-version={_PYTHON}", *platforms,
            f"--target={target}", "-r", file.name,
        ]  # fmt: skip
        done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode != 0:
        raise MachineError(f"the machine's Python packages cannot be installed\n{done.stderr.strip()}")
