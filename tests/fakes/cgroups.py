"""A slice of version 2 as systemd treats it: the controllers are taken away from what is in it."""

from __future__ import annotations

import os
from pathlib import Path


class Taken:
    """A cgroup of this machine, with the one controller that a machine with both versions leaves to version 2."""

    def __init__(self, mount: str) -> None:
        self.path = f"reaper/unit-test/slice-{os.getpid()}"
        self.place = Path(mount, self.path)

    def away(self) -> None:
        """As systemd does when it realizes the slice again: it knows of nobody in it that needs a controller."""
        (self.place / "cgroup.subtree_control").write_text("-hugetlb")


def has_hugetlb(place: Path) -> bool:
    """Whether what is in this cgroup has the controller."""
    control = place / "cgroup.subtree_control"
    return control.exists() and "hugetlb" in control.read_text().split()
