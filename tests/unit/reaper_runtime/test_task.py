"""What the node agent is told of the process of a task."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reaper_runtime.state import PodState
from reaper_runtime.task import TaskProcess

if TYPE_CHECKING:
    from pathlib import Path


def test_the_process_of_a_task_is_told_in_a_folder_of_its_own(tmp_path: Path) -> None:
    state = PodState("k8s.io", "sandbox", str(tmp_path / "state"))
    whose = {"namespace": "default", "pod": "hello", "pod_uid": "pod-1", "task": "hello"}
    state.task.write(TaskProcess(4711, 99, overlay="", **whose))
    state.task.write(TaskProcess(4712, 100, overlay="default@build", **whose))

    told = tmp_path / "tasks" / "k8s.io@sandbox"
    assert set(told.read_text().splitlines()) == {
        "pid 4712", "start_time 100", "namespace default", "pod hello", "pod_uid pod-1", "task hello",
        "overlay default@build",
    }  # fmt: skip
    assert [path.name for path in told.parent.iterdir()] == ["k8s.io@sandbox"]
    assert list(state.records()) == []
    told.with_name("k8s.io@sandbox~").touch()
    state.task.forget()
    state.task.forget()
    assert list(told.parent.iterdir()) == []
