"""A shell in an empty folder, with kubectl, the plugin and a kubeconfig of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from kubectl import ROOT, kubeconfig, program

SECONDS = 120
PROGRAMS = ("kubectl-reaper", "reaper-validate")


class Shell:
    """Types commands, one after the other, as on a terminal: both streams in one, `$?` from the one before."""

    def __init__(self, folder: Path) -> None:
        self._folder, self._code = folder / "hour", 0
        tools = folder / "bin"
        self._folder.mkdir()
        tools.mkdir()
        (tools / "kubectl").symlink_to(program("kubectl"))
        for name in PROGRAMS:
            (tools / name).symlink_to(Path(sys.executable).parent / name)
        own = folder / "kubeconfig"  # the hour changes its current namespace
        shutil.copy(kubeconfig(), own)
        self._environment = {
            **os.environ,
            "HOME": str(self._folder),
            "KUBECONFIG": str(own),
            "NO_COLOR": "1",
            "PATH": f"{tools}:{ROOT / 'build' / 'runtime' / 'bin'}:{os.environ['PATH']}",
        }

    def type(self, command: str) -> tuple[str, ...]:
        """The lines that it prints."""
        done = subprocess.run(
            ["/bin/bash", "-c", f"(exit {self._code})\n{command}"], cwd=self._folder, env=self._environment, text=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False, timeout=SECONDS,
        )  # fmt: skip
        self._code = done.returncode
        return tuple(line.rstrip() for line in done.stdout.splitlines())
