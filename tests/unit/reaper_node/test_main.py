"""The agent as the process that it is in its container."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from reaper_runtime.host import procfs
from reaper_runtime.state import PodState
from reaper_runtime.task import TaskProcess

NODE = Path(__file__).parents[3] / "node"


def agent(folder: Path, **env: str) -> subprocess.Popen[str]:
    """Nothing of this environment reaches it."""
    command = [sys.executable, "-S", "-B", "-m", "reaper_node", "watch"]
    place = {"PYTHONPATH": str(NODE), "REAPER_TASKS_DIRECTORY": str(folder), "KUBERNETES_SERVICE_HOST": "127.0.0.1"}
    return subprocess.Popen(
        command, env=place | {"KUBERNETES_SERVICE_PORT": "1"} | env, stderr=subprocess.PIPE, text=True
    )


@pytest.fixture
def told(tmp_path: Path) -> Path:
    """The folder in which the runtime has told of a process: ours."""
    me = procfs.stat(os.getpid())
    assert me is not None
    whose = {"namespace": "default", "pod": "hello", "pod_uid": "pod-1", "task": "hello", "overlay": ""}
    PodState("k8s.io", "one", str(tmp_path / "state")).task.write(TaskProcess(me.pid, me.start_time, **whose))
    return tmp_path / "tasks"


def test_it_says_why_it_cannot_tell_goes_on_and_ends_when_asked(told: Path) -> None:
    with agent(told, NODE_NAME="worker") as process:
        assert process.stderr is not None
        unreachable = "the API server could not be reached for GET"  # there is no service account here
        for delay in ("0.5", "1"):
            line = process.stderr.readline()
            assert unreachable in line
            assert f"next try in {delay} s" in line
        process.send_signal(signal.SIGTERM)
        # It may have gone on saying so until the signal came.
        assert [line for line in process.stderr if unreachable not in line] == []
        assert process.wait(10) == 0


@pytest.mark.parametrize(
    ("env", "complaint"),
    [
        ({}, "BadSettings: the environment variable NODE_NAME is empty"),
        ({"NODE_NAME": "worker", "KUBERNETES_SERVICE_HOST": ""}, "BadSettings: KUBERNETES_SERVICE_HOST is not"),
    ],
)
def test_what_keeps_it_from_starting_is_one_line(told: Path, env: dict[str, str], complaint: str) -> None:
    with agent(told.parent, **env) as process:
        assert process.stderr is not None
        said = process.stderr.read()
        assert process.wait(10) == 1

    assert len(said.splitlines()) == 1
    assert re.search(complaint, said)


def test_a_folder_that_cannot_be_watched_is_tried_again(told: Path) -> None:
    with agent(told.parent / "nowhere", NODE_NAME="worker") as process:
        assert process.stderr is not None
        line = process.stderr.readline()
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0

    assert "nowhere cannot be watched: No such file or directory; the next try is in 2 s" in line
