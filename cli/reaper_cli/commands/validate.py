"""validate: reaper-validate as a verb."""

from __future__ import annotations

from reaper_cli.validate import main as command

__all__ = ["command"]
