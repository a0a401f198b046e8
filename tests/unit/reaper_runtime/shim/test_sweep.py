"""sweep(): nothing is left of a pod whose shim was killed, and every other one is left alone."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest

from reaper_runtime.host import procfs
from reaper_runtime.shim.sweep import sweep
from reaper_runtime.state import Mark, PodState, Record, pods
from reaper_runtime.task import TaskProcess
from tests.fakes.recorded import DEAD
from tests.fakes.runtime import is_alive


@pytest.fixture
def root(tmp_path: Path) -> str:
    return str(tmp_path / "state")


def pod(root: str, name: str = "pod") -> PodState:
    return PodState("k8s.io", name, root)


def test_what_a_dead_shim_had_is_gone(root: str, tmp_path: Path) -> None:
    state, cgroup, path = pod(root), tmp_path / "reaper" / "k8s.io" / "pod", tmp_path / "s"
    cgroup.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
    state.mark(Mark(DEAD, 1, (str(cgroup),), str(path)))
    with subprocess.Popen(["/bin/sleep", "60"], start_new_session=True) as lost:
        begun = procfs.stat(lost.pid)
        assert begun is not None
        state.write(Record("c1", lost.pid, begun.start_time))
        Path(state.path, "c2~").write_text("half")
        state.task.write(TaskProcess(lost.pid, 1, namespace="n", pod="p", pod_uid="u", task="t", overlay=""))
        sweep(root)
        assert lost.wait(5) == -9
    assert not cgroup.parent.exists()
    assert not path.exists()
    assert not os.path.exists(state.path)  # noqa: PTH110
    assert not any((tmp_path / "tasks").iterdir())


def test_a_pod_whose_shim_lives_is_left_alone(root: str) -> None:
    itself = procfs.myself()
    with subprocess.Popen(["/bin/sleep", "60"], start_new_session=True) as running:
        begun = procfs.stat(running.pid)
        assert begun is not None
        for name, start_time in (("mine", itself.start_time), ("others", itself.start_time - 1)):
            pod(root, name).mark(Mark(os.getpid(), start_time))
            pod(root, name).write(Record("c1", running.pid if name == "mine" else DEAD, begun.start_time))
        sweep(root)
        assert is_alive(running.pid)
        running.kill()
    assert [state.group for state in pods(root)] == ["mine"]
    assert [record.name for record in pod(root, "mine").records()] == ["c1"]


def test_records_without_a_mark_are_somebody_elses(root: str) -> None:
    pod(root).write(Record("c1", DEAD, 1))
    sweep(root)
    assert [record.name for record in pod(root).records()] == ["c1"]


def test_where_nothing_is_there_is_nothing_to_do(root: str) -> None:
    sweep(root)


def test_a_pod_that_cannot_be_swept_harms_no_other(root: str) -> None:
    for name in ("a", "b", "c"):
        pod(root, name).mark(Mark(DEAD, 1))
    Path(pod(root, "b").path, "record~").mkdir()  # which cannot be unlinked
    sweep(root)
    assert [state.group for state in pods(root)] == ["b"]
