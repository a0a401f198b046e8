"""This machine: its programs, its packages, its capabilities, and the cache on its disk."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cluster.host.cache import Cache
    from cluster.host.commands import Runner
    from cluster.host.console import Console
    from cluster.host.machine import Machine
    from cluster.host.packages import Packages


@dataclass(frozen=True)
class Host:
    """Everything a step may touch outside its own module, handed in, so that a test can hand in less."""

    runner: Runner
    console: Console
    cache: Cache
    machine: Machine
    packages: Packages
