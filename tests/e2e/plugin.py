"""`kubectl reaper`, as a person types it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from kubectl import Done, kubeconfig, program
from typist import Typist

if TYPE_CHECKING:
    from kubectl import Kubectl

SECONDS = 100


class Reaper:
    """The plugin in a test's namespace, started by kubectl as it starts any plugin."""

    def __init__(self, kubectl: Kubectl, folder: Path) -> None:
        (folder / "kubectl").symlink_to(program("kubectl"))
        plugin = Path(sys.executable).parent / "kubectl-reaper"
        assert plugin.exists(), "kubectl-reaper is not in the virtual environment: run `make .venv/.ready`"
        (folder / "kubectl-reaper").symlink_to(plugin)
        self._namespace = kubectl.namespace
        self.environment = {
            **os.environ,
            "KUBECONFIG": kubeconfig(),
            "PATH": f"{folder}:{os.environ['PATH']}",
        }
        self._kubectl = str(folder / "kubectl")

    def words(self, *words: str) -> list[str]:
        """The command line."""
        verb, *rest = words
        return [self._kubectl, "reaper", verb, "-n", self._namespace, *rest]

    def types(self, *words: str, stdin: str = "", code: int | None = 0) -> Done:
        """Run it to its end; its exit code has to be this one, unless that is None."""
        done = subprocess.run(
            self.words(*words), env=self.environment, input=stdin, capture_output=True, text=True, check=False,
            timeout=SECONDS,
        )  # fmt: skip
        if code is not None:
            assert done.returncode == code, f"$ kubectl reaper {' '.join(words)}\n{done.stdout}{done.stderr}"
        return Done(done.returncode, done.stdout, done.stderr)

    def begins(self, *words: str) -> subprocess.Popen[str]:
        """Run it beside the test, in a process group of its own."""
        return subprocess.Popen(
            self.words(*words), env=self.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip

    def on_terminal(self, *words: str) -> Typist:
        """Run it on a terminal."""
        return Typist(self.words(*words), self.environment)
