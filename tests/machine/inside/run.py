"""Inside the machine: runs pytest as ordered, and tells its output and its exit code through two ports of the host."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

HERE = Path.cwd()  # where the cargo was unpacked
PORTS = Path("/dev/virtio-ports")
SOURCES = ("", "api", "operator", "runtime", "node", "cli", "tools", "tests/e2e", "packages")


def main() -> None:
    order = json.loads((HERE / "order.json").read_text())
    environment = {
        **os.environ,
        **order["environment"],
        "PYTHONPATH": ":".join(str(HERE / name) for name in SOURCES),
        "REAPER_CACHE": str(HERE / "cache"),
    }
    with (PORTS / "output").open("wb", buffering=0) as output:
        command = [sys.executable, "-u", "-m", "pytest", "-p", "no:cacheprovider", *order["arguments"]]
        code = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False
        ).returncode
    (PORTS / "result").write_text(str(code))


main()
