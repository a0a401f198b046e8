"""The runtime on this machine, run for one process in a mount namespace that takes the overlay with it when it ends."""

from __future__ import annotations

import importlib.util
import os
import shutil
import signal
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from reaper_cli.errors import Interrupted, Problem, Terminated, TimedOut

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

NAME = "reaper-runtime"
INSTALLED = "/opt/reaper/current/bin/reaper-runtime"
_UNSHARE = ("unshare", "--mount", "--propagation", "private")


def find_runtime(named: str | None = None) -> list[str]:
    """The command of the runtime: the one that was named, the one in the PATH, that of this node, or the one that came
    with this program."""
    if named:
        return [named]
    found = shutil.which(NAME) or (INSTALLED if Path(INSTALLED).exists() else "")
    if found:
        return [found]
    if importlib.util.find_spec("reaper_runtime") is None:
        raise Problem(f"{NAME} is not on this machine", "pip install reaper-k8s, or --runtime PATH")
    code = f"from reaper_runtime.cli import main; main({version('reaper-k8s')!r})"
    return [sys.executable, "-I", "-B", "-c", code]


def require_root() -> None:
    """Overlays, users and mounts take root, here as on a node."""
    if os.geteuid() != 0:
        raise Problem(
            "a task runs as on a node: with an overlay, and as any user, which takes root",
            "sudo kubectl-reaper local run …",
        )


class Machine:
    """Runs bundles."""

    def __init__(self, runtime: list[str], folder: Path, environment: Mapping[str, str]) -> None:
        self._state = folder / "state"
        self._command = [*runtime, "--root", str(self._state)]
        self._environment = dict(environment)

    def run(
        self, bundle: Path, name: str, *, stdin: bool, stdout: bool, stderr: bool, limit: int | None, grace: int
    ) -> int:
        """The exit code of the process; attend() says how it may end otherwise."""
        command = [*_UNSHARE, *self._command, "run", "--bundle", str(bundle), name]
        with subprocess.Popen(
            command,
            env=self._environment,
            stdin=None if stdin else subprocess.DEVNULL,
            stdout=None if stdout else subprocess.DEVNULL,
            stderr=None if stderr else subprocess.DEVNULL,
        ) as process:
            return attend(process, limit, grace, lambda: self._kill(process.pid))

    def _kill(self, pid: int) -> None:
        for container in self._state.iterdir():
            # In the mount namespace of the one that runs, or it would not find the overlay that it takes down.
            enter = ["nsenter", f"--mount=/proc/{pid}/ns/mnt"]
            command = [*enter, *self._command, "kill", "--all", container.name, "KILL"]
            subprocess.run(command, env=self._environment, check=False)


class Process(Protocol):
    """What is known of the runtime that runs here: a subprocess.Popen."""

    def wait(self, timeout: float | None = None) -> int:
        """Its exit code. subprocess.TimeoutExpired after `timeout` seconds."""

    def send_signal(self, sig: int) -> None:
        """To the runtime, which passes it on to its process."""


def attend(process: Process, limit: int | None, grace: int, kill: Callable[[], None]) -> int:
    """The exit code of the process. Ctrl-C reaches it as SIGINT. It is ended, by SIGTERM and after `grace` seconds, or
    when it is asked for again, by `kill`, if it has run for `limit` seconds (TimedOut) or if this program is to end
    (Interrupted)."""
    try:
        return _wait(process, limit)
    except subprocess.TimeoutExpired:
        code = _end(process, grace, kill)
        raise TimedOut(f"stopped after {limit} s, its activeDeadlineSeconds; it ended with exit code {code}") from None
    except Terminated:
        raise Interrupted(f"stopped; it ended with exit code {_end(process, grace, kill)}") from None


def _end(process: Process, grace: int, kill: Callable[[], None]) -> int:
    process.send_signal(signal.SIGTERM)
    try:
        return _wait(process, grace)
    except (subprocess.TimeoutExpired, Terminated):
        kill()
        return _wait(process, None)


def _wait(process: Process, seconds: float | None) -> int:
    """Through each Ctrl-C: the terminal has sent it to the runtime too, which passes it on, and the process decides."""
    while True:
        try:
            return process.wait(seconds)
        except Terminated:
            raise
        except KeyboardInterrupt:
            continue
