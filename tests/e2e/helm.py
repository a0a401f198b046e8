"""Helm in the release's namespace."""

from __future__ import annotations

import json
import subprocess

from kubectl import RELEASE, ROOT, SYSTEM, kubeconfig, program

CHART = str(ROOT / "charts" / "reaper")
SECONDS = 300


def helm(*words: str, stdin: str = "", check: bool = True) -> str:
    """What it prints; with `check`, a failure is an assertion that shows it."""
    command = [program("helm"), "--kubeconfig", kubeconfig(), "--namespace", SYSTEM, *words]
    done = subprocess.run(command, input=stdin, capture_output=True, text=True, check=False, timeout=SECONDS)
    if check:
        assert done.returncode == 0, f"$ helm {' '.join(words)}\n{done.stdout}{done.stderr}"
    return done.stdout + done.stderr


def values() -> str:
    """The release's own, as JSON."""
    return helm("get", "values", RELEASE, "--output", "json")


def note() -> str:
    """By which `make install` knows the release again."""
    return str(json.loads(helm("status", RELEASE, "--output", "json"))["info"]["description"])
