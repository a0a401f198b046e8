"""The task service: containers and execs from create to delete, what is asked meanwhile, what containerd hears of."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest

from reaper_runtime import __version__
from reaper_runtime.errors import FailedPrecondition, NotFound
from reaper_runtime.wire import messages as m
from tests.fakes.runtime import Reader, eventually, needs_root, write_sandbox
from tests.fakes.task_service import Recorder, end, exec_request

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reaper_runtime.loop import Loop
    from reaper_runtime.pod import Pod
    from reaper_runtime.shim.service import TaskService

    Run = Callable[..., Any]
    Create = Callable[..., Any]

pytestmark = needs_root


def test_the_whole_life_of_a_container(run: Run, service: TaskService, create: Create, recorder: Recorder) -> None:
    async def story() -> None:
        pid = await create("/bin/sh", "-c", "exit 42", start=False)
        state = await service.state(m.StateRequest(id="c1"))
        assert (state.status, state.pid, state.exit_status, state.exited_at) == (1, pid, 0, None)
        assert (await service.start(m.StartRequest(id="c1"))).pid == pid
        waited = await service.wait(m.WaitRequest(id="c1"))
        assert waited.exit_status == 42
        state = await service.state(m.StateRequest(id="c1"))
        assert (state.status, state.exit_status, state.exited_at) == (3, 42, waited.exited_at)
        deleted = await service.delete(m.DeleteRequest(id="c1"))
        assert (deleted.pid, deleted.exit_status, deleted.exited_at) == (pid, 42, waited.exited_at)
        with pytest.raises(NotFound):
            await service.state(m.StateRequest(id="c1"))

    run(story())
    assert recorder.told() == ["TaskCreate c1", "TaskStart c1", "TaskExit c1", "TaskDelete c1"]


def test_the_whole_life_of_an_exec(run: Run, service: TaskService, create: Create, recorder: Recorder) -> None:
    async def story() -> None:
        await create()
        await service.exec(exec_request("x", "/bin/sh", "-c", "exit 7"))
        state = await service.state(m.StateRequest(id="c1", exec_id="x"))
        assert (state.status, state.exec_id) == (1, "x")
        await service.start(m.StartRequest(id="c1", exec_id="x"))
        assert (await service.wait(m.WaitRequest(id="c1", exec_id="x"))).exit_status == 7
        assert (await service.delete(m.DeleteRequest(id="c1", exec_id="x"))).exit_status == 7

    run(story())
    assert recorder.told() == ["TaskCreate c1", "TaskStart c1", "TaskExecAdded x", "TaskExecStarted x", "TaskExit x"]


def test_the_sandbox_runs_without_a_process(run: Run, service: TaskService, tmp_path: Path) -> None:
    async def story() -> None:
        path = write_sandbox(tmp_path / "pause")
        created = await service.create(m.CreateTaskRequest(id="sandbox", bundle=path))
        assert created.pid == os.getpid()
        await service.start(m.StartRequest(id="sandbox"))
        assert (await service.state(m.StateRequest(id="sandbox"))).status == 2
        assert (await end(service, "sandbox")).exit_status == 137

    run(story())


def test_wait_before_start_is_answered_at_the_end(run: Run, service: TaskService, create: Create, loop: Loop) -> None:
    async def story() -> int:
        await create("/bin/sh", "-c", "exit 3", start=False)
        waiting = loop.spawn(service.wait(m.WaitRequest(id="c1")))
        await service.start(m.StartRequest(id="c1"))
        return int((await waiting).exit_status)

    assert run(story()) == 3


def test_wait_gives_up_at_no_time(run: Run, service: TaskService, create: Create, loop: Loop) -> None:
    """The original answers after an hour that the process has failed, which goes on."""

    async def story() -> int:
        await create("/bin/sleep", "60")
        timers = len(loop._timers)
        waiting = loop.spawn(service.wait(m.WaitRequest(id="c1")))
        assert (waiting.done, len(loop._timers)) == (False, timers)
        await service.kill(m.KillRequest(id="c1", signal=9))
        return int((await waiting).exit_status)

    assert run(story()) == 137


def test_a_failed_start_is_not_an_exit_and_can_be_deleted(
    run: Run, service: TaskService, create: Create, recorder: Recorder
) -> None:
    async def story() -> None:
        await create("/no/such/program", start=False)
        with pytest.raises(FailedPrecondition, match="/no/such/program"):
            await service.start(m.StartRequest(id="c1"))
        await service.delete(m.DeleteRequest(id="c1"))

    run(story())
    assert recorder.told() == ["TaskCreate c1", "TaskDelete c1"]


def test_the_end_is_running_until_all_may_hear_of_it(
    run: Run, service: TaskService, create: Create, pod: Pod, loop: Loop
) -> None:
    async def story() -> None:
        await create("/bin/sh", "-c", "exit 5")
        init = pod.container("c1").init
        await init.ended
        if not init.published.done:
            assert (await service.state(m.StateRequest(id="c1"))).status == 2
        await eventually(loop, lambda: init.published.done)
        assert (await service.state(m.StateRequest(id="c1"))).exit_status == 5

    run(story())


def test_pids_are_never_an_empty_list(run: Run, service: TaskService, create: Create) -> None:
    async def story() -> None:
        pid = await create()
        assert [one.pid for one in (await service.pids(m.PidsRequest(id="c1"))).processes] == [pid]
        await service.kill(m.KillRequest(id="c1", signal=9))
        await service.wait(m.WaitRequest(id="c1"))
        assert [one.pid for one in (await service.pids(m.PidsRequest(id="c1"))).processes] == [pid]

    run(story())


def test_close_io_gives_the_process_the_end_of_its_input(
    run: Run, service: TaskService, create: Create, loop: Loop, tmp_path: Path
) -> None:
    for name in ("in", "out"):
        os.mkfifo(tmp_path / name)
    reader = Reader(loop, tmp_path / "out")

    async def story() -> None:
        await create("/bin/cat", stdin=str(tmp_path / "in"), stdout=str(tmp_path / "out"))
        writer = os.open(tmp_path / "in", os.O_WRONLY | os.O_NONBLOCK)
        os.write(writer, b"to the end")
        os.close(writer)
        await service.close_io(m.CloseIORequest(id="c1", stdin=True))
        assert (await service.wait(m.WaitRequest(id="c1"))).exit_status == 0
        await service.delete(m.DeleteRequest(id="c1"))
        await reader.ended

    run(story())
    assert reader.data == b"to the end"


def test_connect_never_fails(run: Run, service: TaskService, create: Create) -> None:
    async def story() -> None:
        unknown = await service.connect(m.ConnectRequest(id="nobody"))
        assert (unknown.shim_pid, unknown.task_pid, unknown.version) == (os.getpid(), 0, __version__)
        pid = await create()
        assert (await service.connect(m.ConnectRequest(id="c1"))).task_pid == pid

    run(story())


@pytest.mark.parametrize("now", [False, True])
def test_shutdown_waits_for_the_last_container(
    run: Run,
    service: TaskService,
    create: Create,
    shutdowns: list[bool],
    now: bool,  # noqa: FBT001
) -> None:
    async def story() -> None:
        await create()
        await service.shutdown(m.ShutdownRequest(id="c1", now=now))
        assert shutdowns == []
        await end(service)
        await service.shutdown(m.ShutdownRequest(id="c1", now=now))
        assert shutdowns == [True]

    run(story())


def test_every_method_takes_the_message_that_it_declares(service: TaskService) -> None:
    for name, (request, handler) in service.methods().items():
        assert request.__name__ in (f"{name}Request", f"{name}TaskRequest", f"{name}ProcessRequest")
        assert handler.__doc__
