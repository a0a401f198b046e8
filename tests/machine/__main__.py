"""`python -m tests.machine [PYTEST ARGUMENTS]`: the conformance suite where there is cgroup version 2 and systemd."""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from pathlib import Path

from tests.conformance.containerd import SUITES, debian_programs
from tests.machine.accelerator import accelerator
from tests.machine.cache import CACHE
from tests.machine.cargo import load
from tests.machine.errors import MachineError
from tests.machine.image import image
from tests.machine.machine import command, run
from tests.machine.packages import packages

SUITE = "tests/conformance"
MINUTES = 180.0  # emulated on a busy host, a test takes some 9 s; there are more than 500
INTERRUPTED = 130


def main(arguments: list[str]) -> int:
    """The exit code of pytest, or 1 with a sentence."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        return _run(arguments)
    except MachineError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("interrupted: the machine is gone, and its disk is kept for the next run", file=sys.stderr)
        return INTERRUPTED


def _run(arguments: list[str]) -> int:
    if not any(argument.startswith("tests/") for argument in arguments):
        arguments = [SUITE, *arguments]
    if "--all-containerds" in arguments:
        for suite in SUITES:
            debian_programs(suite)
    with CACHE.lock(lambda: print("==> another run makes the machine; waiting for it", flush=True)):
        found = image()
        python = packages()
    made_by = accelerator(found.kernel)
    environment = {"REAPER_PATIENCE": str(made_by.patience)}
    if sys.stdout.isatty():
        environment["FORCE_COLOR"] = "1"
    # Not in /tmp, which may be in memory.
    with tempfile.TemporaryDirectory(prefix="machine-", dir="/var/tmp") as folder:
        cargo = Path(folder) / "cargo"
        load(cargo, python, arguments, environment)
        print(f"==> a machine boots ({made_by.reason}), and runs pytest {' '.join(arguments)}", flush=True)
        seconds = 60 * float(os.environ.get("MINUTES") or MINUTES)
        return run(command(found, made_by, cargo, Path(folder)), Path(folder), sys.stdout.buffer, seconds)


sys.exit(main(sys.argv[1:]))
