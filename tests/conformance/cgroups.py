"""Where cgroups of the tests are on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from reaper_runtime.host.cgroup import hierarchies

if TYPE_CHECKING:
    from tests.conformance.shim import Shim


def directories(path: str) -> list[Path]:
    """Those at this path, or pattern, below the root of each hierarchy.

    Never by a walk through all cgroups of the machine: others come and go meanwhile.
    """
    mounts = dict.fromkeys(hierarchies.current().mounts.values())
    return [place for mount in mounts for place in Path(mount).glob(path.lstrip("/"))]


def of_containers(shim: Shim) -> list[Path]:
    """The member lists of the cgroups of this shim's containers, in every hierarchy."""
    return directories(f"reaper/{shim.namespace}/*/*/cgroup.procs")
