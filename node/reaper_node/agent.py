"""The resident part: bring the node into the wanted state, look again now and then, end on SIGTERM.

Ending changes nothing on the node: the pod is replaced on every upgrade, and must not disturb.
"""

from __future__ import annotations

import logging
import signal
import time
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from reaper_node import install, overlays, removal, report
from reaper_node.errors import FileError, NodeError

if TYPE_CHECKING:
    from collections.abc import Callable

    from reaper_node.host import Host
    from reaper_node.kube import Cluster
    from reaper_node.settings import Settings

log = logging.getLogger(__name__)

_STOP = {signal.SIGTERM, signal.SIGINT}
_FIRST_RETRY = 2.0
_REMOVAL_RETRY = 2.0  # somebody waits for it
_COLLECTION_INTERVAL = 300.0  # seconds: it asks for all namespaces, and every node does


class Agent:
    """Keeps one node in one of two states: with the runtime, or as it was without."""

    def __init__(
        self,
        host: Host,
        cluster: Cluster,
        settings: Settings,
        wait: Callable[[float], bool],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`wait` waits that many seconds and says whether the agent is to end."""
        self._host = host
        self._cluster = cluster
        self._settings = settings
        self._wait = wait
        self._clock = clock
        self._ready = Path(settings.ready_file)
        self._failed = 0  # times in a row

    def keep_installed(self) -> None:
        """Install, check, label; then look again every `check_interval` seconds."""
        self._ready.unlink(missing_ok=True)  # of a container that was here before in the same pod
        first = True
        delay = 0.0
        collected = -_COLLECTION_INTERVAL
        while not self._wait(delay):
            error = self._attempt(partial(install.ensure, thorough=first or bool(self._failed)))
            if error:
                self._ready.unlink(missing_ok=True)
                install.tell_failure(self._host, self._cluster, self._settings, error)
                self._failed += 1
                delay = self._retry_delay()
            else:
                if first or self._failed:
                    log.info("the node is ready")
                self._ready.touch()
                first, self._failed = False, 0
                delay = self._settings.check_interval
                if self._clock() - collected >= _COLLECTION_INTERVAL:
                    collected = self._clock()
                    overlays.collect(self._host, self._cluster)

    def keep_removed(self) -> None:
        """Remove, once, trying again until it worked; then only wait."""
        self._ready.unlink(missing_ok=True)
        delay = 0.0
        while not self._wait(delay):
            error = self._attempt(removal.ensure)
            if error:
                self._tell(error)
                delay = _REMOVAL_RETRY
            else:
                self._ready.touch()
                delay = float("inf")

    def _attempt(self, step: Callable[[Host, Cluster, Settings], None]) -> NodeError | None:
        """Take a step; what went wrong, if something did. A full or read-only disk is no reason to die."""
        try:
            step(self._host, self._cluster, self._settings)
        except NodeError as error:
            return error
        except OSError as error:
            return FileError(error, self._settings.host_root)
        return None

    def _tell(self, error: NodeError) -> None:
        log.error("%s: %s", error.reason, error)
        try:
            report.not_removed(self._cluster, self._settings.node_name, error)
        except NodeError as unreachable:
            log.warning("cannot report that: %s", unreachable)

    def _retry_delay(self) -> float:
        return min(_FIRST_RETRY * float(2 ** min(self._failed - 1, 10)), self._settings.check_interval)


def wait_for_signal(seconds: float) -> bool:
    """Sleep without a thread or a handler; True when SIGTERM or SIGINT came."""
    if seconds == float("inf"):
        signal.sigwait(_STOP)
        return True
    return signal.sigtimedwait(_STOP, seconds) is not None  # tried again by Python when interrupted


def block_signals() -> None:
    """Keep SIGTERM and SIGINT for `wait_for_signal`, so that no step is cut in the middle."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _STOP)
