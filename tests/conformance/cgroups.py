"""Where cgroups of the tests are on this machine."""

from __future__ import annotations

from pathlib import Path

from reaper_runtime.host.cgroup import hierarchies


def directories(path: str) -> list[Path]:
    """Those at this path, or pattern, below the root of each hierarchy.

    Never by a walk through all cgroups of the machine: others come and go meanwhile.
    """
    mounts = dict.fromkeys(hierarchies.current().mounts.values())
    return [place for mount in mounts for place in Path(mount).glob(path.lstrip("/"))]
