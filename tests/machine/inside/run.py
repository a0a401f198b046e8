"""Inside the machine: runs pytest as ordered, and tells its output and its exit code through two ports of the host."""

from __future__ import annotations

import json
import os
import site
import subprocess
import sys
from pathlib import Path

HERE = Path.cwd()  # where the cargo was unpacked
PORTS = Path("/dev/virtio-ports")
SOURCES = ("", "api", "operator", "runtime", "node", "cli", "tools", "tests/e2e", "packages")


def install() -> None:
    """As an editable install does it: an interpreter that ignores its environment (-I) has to find the sources too."""
    folder = Path(site.getsitepackages()[0])
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "reaper.pth").write_text("".join(f"{HERE / name}\n" for name in SOURCES))


def main() -> None:
    order = json.loads((HERE / "order.json").read_text())
    install()
    environment = {**os.environ, **order["environment"], "REAPER_CACHE": str(HERE / "cache")}
    with (PORTS / "output").open("wb", buffering=0) as output:
        command = [sys.executable, "-u", "-m", "pytest", "-p", "no:cacheprovider", *order["arguments"]]
        code = subprocess.run(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output, check=False
        ).returncode
    (PORTS / "result").write_text(str(code))


main()
