"""`delete`: after a shim that was killed, nothing of its pod is left, and the answer is 137."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from reaper_runtime.errors import InvalidArgument
from reaper_runtime.host import procfs
from reaper_runtime.state import PodState, Record
from reaper_runtime.task import TaskProcess
from tests.fakes.recorded import start_session, write_record
from tests.fakes.runtime import eventually, is_alive

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reaper_runtime.loop import Loop

    Run = Callable[..., Any]

pytestmark = pytest.mark.usefixtures("reaper")


def test_a_recorded_process_and_its_session_are_killed(
    state: PodState, call: Callable[[str], tuple[int, int]], loop: Loop, run: Run
) -> None:
    pid = start_session(children=2)
    members = [p.pid for p in procfs.processes() if p.session == pid]
    assert len(members) == 3
    write_record(state, "c1", pid)
    assert call("c1") == (pid, 137)
    run(eventually(loop, lambda: not any(is_alive(member) for member in members)))
    assert not os.path.exists(state.path)  # noqa: PTH110


def test_the_answer_names_the_init_process_not_an_exec(state: PodState, call: Callable[[str], tuple[int, int]]) -> None:
    pids = {name: start_session() for name in ("c1:a", "c1", "c1:b", "c1:c")}
    for name, pid in pids.items():
        write_record(state, name, pid)
    assert call("c1") == (pids["c1"], 137)


def test_another_container_of_the_pod_is_left_alone(
    state: PodState, call: Callable[[str], tuple[int, int]], loop: Loop, run: Run
) -> None:
    gone, kept = start_session(), start_session()
    write_record(state, "c1", gone)
    write_record(state, "c10", kept)
    call("c1")
    run(eventually(loop, lambda: not is_alive(gone)))
    assert is_alive(kept)
    assert [record.name for record in state.records()] == ["c10"]


def test_for_the_sandbox_the_whole_pod_is_cleared(
    state: PodState, call: Callable[[str], tuple[int, int]], loop: Loop, run: Run
) -> None:
    pids = [start_session() for _ in range(3)]
    for number, pid in enumerate(pids):
        write_record(state, f"c{number}", pid)
    assert call("pod") == (0, 137)
    run(eventually(loop, lambda: not any(is_alive(pid) for pid in pids)))
    assert not os.path.exists(state.path)  # noqa: PTH110


def test_nothing_recorded_is_fine_as_often_as_it_is_asked(call: Callable[[str], tuple[int, int]]) -> None:
    assert [call("c1"), call("c1"), call("pod")] == [(0, 137)] * 3


def test_a_stranger_with_a_recorded_pid_is_left_alone(state: PodState, call: Callable[[str], tuple[int, int]]) -> None:
    stranger = start_session()
    write_record(state, "c1", stranger, older=1)
    call("c1")
    assert is_alive(stranger)


@pytest.mark.parametrize("name", ["..", "a/b", ""])
def test_an_id_that_is_no_file_name_is_refused(call: Callable[[str], tuple[int, int]], name: str) -> None:
    with pytest.raises(InvalidArgument):
        call(name)


def test_the_node_agent_hears_of_the_end_of_a_tasks_pod(
    state: PodState, tmp_path: Path, call: Callable[[str], tuple[int, int]]
) -> None:
    whose = {"namespace": "default", "pod": "hello", "pod_uid": "pod-1", "task": "hello", "overlay": ""}
    state.write(Record("pod:exec", 1 << 22, 5))
    state.task.write(TaskProcess(1 << 22, 5, **whose))
    told = tmp_path / "tasks" / "k8s.io@pod"

    call("another")
    assert told.exists()
    call("pod")
    assert not told.exists()
