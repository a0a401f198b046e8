"""`python3 -m reaper_operator`, and `python3 -m reaper_operator release`."""

import asyncio
import logging
import os
import sys
from collections.abc import Sequence

from reaper_operator import logs, release, tracing
from reaper_operator.connection import NoCluster
from reaper_operator.run import NoWebhooks, run
from reaper_operator.settings import SettingsError, load

logger = logging.getLogger(__name__)


def main(arguments: Sequence[str]) -> int:
    """Exit code: 0 after SIGTERM or SIGINT, 1 after a fault or when the Lease is lost, 2 if the settings are wrong.

    What ends a process that has begun is a line of its log, like all others: who collects JSON gets JSON.
    """
    if arguments and arguments[0] == release.COMMAND:
        return release.main(arguments[1:])
    try:
        settings = load(arguments, os.environ)
        traces = tracing.connect(settings.tracing_endpoint) if settings.tracing_endpoint else None
    except (SettingsError, tracing.NoTracing) as error:
        sys.stderr.write(f"reaper_operator: {error}\n")
        return 2
    logs.configure(settings.log_level, settings.log_format, [] if traces is None else [tracing.TraceId()])
    try:
        asyncio.run(run(settings, asyncio.Event(), tracing=traces))
    except (NoCluster, NoWebhooks, OSError) as error:
        logger.error("%s", error)  # noqa: TRY400 - one sentence
        return 1
    except Exception:
        logger.exception("this process ends by a fault of its own")
        return 1
    return 0
