"""No test touches the node's own lock; a task service with real containers, whose events are kept; calls of delete."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest

from reaper_runtime.shim.delete import delete
from reaper_runtime.shim.service import TaskService
from reaper_runtime.state import PodState
from reaper_runtime.wire import messages as m
from tests.fakes.runtime import write_bundle
from tests.fakes.task_service import Recorder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reaper_runtime.pod import Pod

    Create = Callable[..., Any]


@pytest.fixture(autouse=True)
def _own_lock(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    folder: Path = tmp_path_factory.mktemp("run")
    monkeypatch.setattr("reaper_runtime.shim.sockets.LOCK", str(folder / "sockets.lock"))


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def shutdowns() -> list[bool]:
    """An entry for each time that the shim was told to end."""
    return []


@pytest.fixture
def service(pod: Pod, recorder: Recorder, shutdowns: list[bool]) -> TaskService:
    made = TaskService(pod, recorder, lambda: shutdowns.append(True))  # type: ignore[arg-type]
    pod.on_exit = made.publish_exit
    return made


@pytest.fixture
def create(service: TaskService, tmp_path: Path) -> Create:
    """Create a container, and start it unless told otherwise."""

    async def container(*args: str, name: str = "c1", start: bool = True, **more: Any) -> int:
        path = write_bundle(tmp_path / name, *(args or ("/bin/sleep", "60")))
        answer = await service.create(m.CreateTaskRequest(id=name, bundle=path, **more))
        if start:
            await service.start(m.StartRequest(id=name))
        return answer.pid

    return container


@pytest.fixture
def state(tmp_path: Path) -> PodState:
    return PodState("k8s.io", "pod", str(tmp_path / "state"))


@pytest.fixture
def call(tmp_path: Path) -> Callable[[str], tuple[int, int]]:
    """delete(name): the pid and exit status of its answer."""

    def run(name: str) -> tuple[int, int]:
        before = time.time()
        answer = delete("k8s.io", name, str(tmp_path), str(tmp_path / "state"))
        assert answer.exited_at is not None
        assert int(before) <= answer.exited_at.seconds <= time.time()
        return answer.pid, answer.exit_status

    return run
