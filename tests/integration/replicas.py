"""Operators as processes of their own, to be killed, stopped and woken."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from typing import TYPE_CHECKING, TypeVar

from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

T = TypeVar("T")
BETWEEN = 0.02  # seconds between two looks


def eventually(what: str, within: float, look: Callable[[], T | None]) -> T:
    """Wait until `look` is true; what it saw then."""
    began = time.monotonic()
    while not (seen := look()):
        assert time.monotonic() < began + within, f"not within {within:g} s: {what}"
        time.sleep(BETWEEN)
    return seen


class Replica:
    """`python3 -m reaper_operator` as one user."""

    def __init__(self, folder: Path, user: str, kubeconfig: Path, **settings: object) -> None:
        self.user = user
        self._folder = folder
        self._health, metrics = free_port(), free_port()
        choice = {
            "kubeconfig": kubeconfig,
            "lease_namespace": "reaper-system",
            "health_address": f"127.0.0.1:{self._health}",
            "metrics_address": f"127.0.0.1:{metrics}",
            "retry_base_seconds": 0.1,
            "retry_limit_seconds": 2,
            **settings,
        }
        flags = [f"--{name.replace('_', '-')}={value}" for name, value in choice.items()]
        self._command = [sys.executable, "-m", "reaper_operator", *flags]
        self._metrics = f"http://127.0.0.1:{metrics}/metrics"
        self._log = folder / f"{user}.log"
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def log(self) -> str:
        return self._log.read_text() if self._log.exists() else ""

    @property
    def code(self) -> int | None:
        """Its exit code, or None while it is there."""
        return self._process.poll() if self._process is not None else None

    @property
    def pid(self) -> int:
        """Of one that was started."""
        assert self._process is not None
        return self._process.pid

    @property
    def ready(self) -> bool:
        return self._get(f"http://127.0.0.1:{self._health}/readyz") == "ok\n"

    @property
    def leads(self) -> bool:
        """By its own word, in its metrics."""
        return 'leader_election_master_status{name="reaper-operator"} 1.0' in self.metrics

    @property
    def metrics(self) -> str:
        return self._get(self._metrics)

    def start(self) -> Replica:
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=log)
        return self

    def signal(self, number: int) -> None:
        if self._process is not None and self._process.poll() is None:
            os.kill(self._process.pid, number)

    def wait(self, within: float) -> int:
        """Its exit code, once it has ended."""
        assert self._process is not None
        return self._process.wait(within)

    def end(self) -> None:
        """For good, in whatever state it is."""
        self.signal(signal.SIGKILL)
        if self._process is not None:
            self._process.wait(10)

    @staticmethod
    def _get(url: str) -> str:
        try:
            with urllib.request.urlopen(url, timeout=1) as answer:  # noqa: S310 - http to loopback
                return str(answer.read().decode())
        except (urllib.error.URLError, OSError):
            return ""
