"""A few seconds of the fuzzers, so that what breaks them or what they find is seen by any run of the tests.

`make fuzz` is the long one. Each runs in a process of its own: the target reaps children and takes SIGALRM.
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from reaper_runtime.shim.service import TaskService
from tests.fuzz.ttrpc_server import REQUESTS

REPOSITORY = Path(__file__).parents[3]
SEED = "7"


def _fuzz(module: str, inputs: int) -> str:
    """What it printed; raises AssertionError with that where it ended with anything but 0."""
    done = subprocess.run(
        [sys.executable, "-m", module, "--inputs", str(inputs), "--seed", SEED],
        cwd=REPOSITORY,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},  # this checkout's
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def test_random_bytes_find_nothing() -> None:
    figures = dict(line.rsplit(maxsplit=1) for line in _fuzz("tests.fuzz.ttrpc_server", 2000).splitlines())
    found = {name.strip(): int(value) for name, value in figures.items()}
    assert (found["inputs"], found["defects"], found["well afterwards"], found["more descriptors"]) == (2000, 0, 1, 0)
    assert found["answers"] > 100, "most of what it sends has to be understood, or nothing is tested"


@pytest.mark.skipif(importlib.util.find_spec("atheris") is None, reason="atheris is for Linux on x86_64")
def test_inputs_guided_by_coverage_find_nothing() -> None:
    assert f"seed {SEED}" in _fuzz("tests.fuzz.guided", 1000)


def test_the_corpus_has_each_method() -> None:
    methods = TaskService(None, None, lambda: None).methods()  # type: ignore[arg-type]  # it is asked for names only
    assert {name: kind for name, (kind, _) in methods.items()} == {name: type(r) for name, r in REQUESTS.items()}
