"""What goes wrong with the machine itself."""

from __future__ import annotations


class MachineError(Exception):
    """The machine could not be made, started, or did not say how it ended; the message says what to do."""
