"""`python3 -m reaper_operator`."""

import asyncio
import os
import sys
from collections.abc import Sequence

from reaper_operator import logs
from reaper_operator.connection import NoCluster
from reaper_operator.run import run
from reaper_operator.settings import SettingsError, load


def main(arguments: Sequence[str]) -> int:
    """Exit code: 0 after SIGTERM or SIGINT, 1 after a fault, 2 if the settings are wrong."""
    try:
        settings = load(arguments, os.environ)
    except SettingsError as error:
        sys.stderr.write(f"reaper_operator: {error}\n")
        return 2
    logs.configure(settings.log_level, settings.log_format)
    try:
        asyncio.run(run(settings, asyncio.Event()))
    except (NoCluster, OSError) as error:
        sys.stderr.write(f"reaper_operator: {error}\n")
        return 1
    return 0
