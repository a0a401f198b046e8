"""How long tests wait for what should come at once: one factor for all of them, for a machine that is slow."""

from __future__ import annotations

import os

# Set by tests/machine, whose processors may be emulated. What a test says stays what it means on a usual machine.
FACTOR = float(os.environ.get("REAPER_PATIENCE") or 1)


def patience(seconds: float) -> float:
    """This long on a usual machine, in seconds of this one."""
    return seconds * FACTOR
