"""The task service, each RPC by its method: what it answers, and what containerd hears of."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from reaper_runtime import __version__
from reaper_runtime.errors import (
    AlreadyExists,
    FailedPrecondition,
    InvalidArgument,
    InvalidBundle,
    NotFound,
    Unimplemented,
)
from reaper_runtime.shim.service import TaskService
from reaper_runtime.wire import messages as m
from tests.fakes.runtime import (
    Reader,
    eventually,
    is_alive,
    needs_root,
    open_fds,
    process_object,
    write_bundle,
    write_sandbox,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reaper_runtime.exits import Exit
    from reaper_runtime.loop import Loop
    from reaper_runtime.pod import Pod
    from reaper_runtime.wire.protobuf import Message

    Run = Callable[..., Any]
    Create = Callable[..., Any]

pytestmark = needs_root


class Recorder:
    """In place of the publisher: keeps the events."""

    def __init__(self) -> None:
        self.events: list[Message] = []

    def publish(self, event: Message) -> None:
        self.events.append(event)

    def told(self) -> list[str]:
        """Type and id of each event, in order."""
        return [f"{type(event).__name__} {_subject(event)}" for event in self.events]


def _subject(event: Message) -> str:
    if isinstance(event, m.TaskExit):
        return event.id
    return getattr(event, "exec_id", "") or event.container_id  # type: ignore[attr-defined]


@pytest.fixture
def recorder() -> Recorder:
    return Recorder()


@pytest.fixture
def shutdowns() -> list[bool]:
    return []


@pytest.fixture
def service(pod: Pod, recorder: Recorder, shutdowns: list[bool]) -> TaskService:
    made = TaskService(pod, recorder, lambda: shutdowns.append(True))  # type: ignore[arg-type]

    def on_exit(container: str, exec_id: str, pid: int, ended: Exit) -> None:
        made.publish_exit(container, exec_id, pid, ended)

    pod.on_exit = on_exit
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


def _exec(name: str, *args: str) -> m.ExecProcessRequest:
    spec = m.Any(type_url="types.containerd.io/process", value=json.dumps(process_object(*args)).encode())
    return m.ExecProcessRequest(id="c1", exec_id=name, spec=spec)


async def _end(service: TaskService, name: str = "c1") -> m.DeleteResponse:
    await service.kill(m.KillRequest(id=name, signal=signal.SIGKILL))
    await service.wait(m.WaitRequest(id=name))
    return await service.delete(m.DeleteRequest(id=name))


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
        await service.exec(_exec("x", "/bin/sh", "-c", "exit 7"))
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
        assert (await _end(service, "sandbox")).exit_status == 137

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


def test_delete_asked_again_gives_the_same_answer(run: Run, service: TaskService, create: Create) -> None:
    async def story() -> None:
        await create()
        first = await _end(service)
        assert await service.delete(m.DeleteRequest(id="c1")) == first

    run(story())


def test_two_deletes_at_once_give_the_same_answer_and_one_event(
    run: Run, service: TaskService, create: Create, loop: Loop, recorder: Recorder
) -> None:
    async def story() -> None:
        await create("/bin/true")
        await service.wait(m.WaitRequest(id="c1"))
        both = [loop.spawn(service.delete(m.DeleteRequest(id="c1"))) for _ in range(2)]
        answers = [await outcome for outcome in both]
        assert answers[0] == answers[1]

    run(story())
    assert recorder.told().count("TaskDelete c1") == 1


def test_an_id_can_be_used_again_after_delete(run: Run, service: TaskService, create: Create) -> None:
    async def story() -> None:
        for code in (1, 2):
            await create("/bin/sh", "-c", f"exit {code}")
            await service.wait(m.WaitRequest(id="c1"))
            assert (await service.delete(m.DeleteRequest(id="c1"))).exit_status == code

    run(story())


@pytest.mark.timeout(240)  # some seconds on an idle machine
def test_the_answers_of_deletes_are_not_kept_for_ever(run: Run, service: TaskService, create: Create) -> None:
    async def story() -> None:
        await create()
        for number in range(70):
            await service.exec(_exec(f"probe{number}", "/bin/true"))
            await service.delete(m.DeleteRequest(id="c1", exec_id=f"probe{number}"))
        assert len(service._deleted) == 64

    run(story(), within=200)


def test_delete_while_it_runs_is_refused(run: Run, service: TaskService, create: Create) -> None:
    async def story() -> None:
        pid = await create()
        with pytest.raises(FailedPrecondition, match="is running"):
            await service.delete(m.DeleteRequest(id="c1"))
        assert is_alive(pid)

    run(story())


UNKNOWN: list[tuple[str, Message]] = [
    ("start", m.StartRequest(id="x")),
    ("state", m.StateRequest(id="x")),
    ("wait", m.WaitRequest(id="x")),
    ("kill", m.KillRequest(id="x", signal=9)),
    ("delete", m.DeleteRequest(id="x")),
    ("exec", m.ExecProcessRequest(id="x", exec_id="y")),
    ("pids", m.PidsRequest(id="x")),
    ("close_io", m.CloseIORequest(id="x", stdin=True)),
]


@pytest.mark.parametrize(("method", "request_"), UNKNOWN, ids=[name for name, _ in UNKNOWN])
def test_an_unknown_container_is_not_found(run: Run, service: TaskService, method: str, request_: Message) -> None:
    with pytest.raises(NotFound, match="there is no container x"):
        run(getattr(service, method)(request_))


@pytest.mark.parametrize("name", ["", "..", "a/b", "a:b", "x" * 121])
def test_create_refuses_an_id_that_is_no_file_name(run: Run, service: TaskService, name: str) -> None:
    with pytest.raises(InvalidArgument, match="is not valid"):
        run(service.create(m.CreateTaskRequest(id=name, bundle="/b")))


def test_create_refuses_what_it_cannot_do(run: Run, service: TaskService, create: Create, tmp_path: Path) -> None:
    async def story() -> None:
        with pytest.raises(InvalidBundle, match="there is no bundle at /no/such"):
            await service.create(m.CreateTaskRequest(id="c1", bundle="/no/such"))
        with pytest.raises(Unimplemented, match="checkpoint"):
            await create(checkpoint="/c")
        with pytest.raises(InvalidArgument, match="binary://"):
            await create(stdout="binary:///bin/logger")
        await create()
        with pytest.raises(AlreadyExists):
            await create()

    before = open_fds()
    run(story())
    assert open_fds() >= before


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"{}", b'{"args":[]}'])
def test_exec_refuses_a_bad_spec(run: Run, service: TaskService, create: Create, data: bytes) -> None:
    async def story() -> None:
        await create()
        with pytest.raises(InvalidBundle, match="the spec of exec x"):
            await service.exec(m.ExecProcessRequest(id="c1", exec_id="x", spec=m.Any(value=data)))
        with pytest.raises(InvalidArgument, match="exec x has no process spec"):
            await service.exec(m.ExecProcessRequest(id="c1", exec_id="x"))

    run(story())


@pytest.mark.parametrize("number", [0, 65])
def test_kill_refuses_what_is_no_signal(run: Run, service: TaskService, create: Create, number: int) -> None:
    async def story() -> None:
        await create()
        with pytest.raises(InvalidArgument, match="is not a signal"):
            await service.kill(m.KillRequest(id="c1", signal=number))

    run(story())


def test_kill_after_the_end_is_not_found(run: Run, service: TaskService, create: Create) -> None:
    async def story() -> None:
        await create("/bin/true")
        await service.wait(m.WaitRequest(id="c1"))
        with pytest.raises(NotFound, match="finished already"):
            await service.kill(m.KillRequest(id="c1", signal=9))

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
        await _end(service)
        await service.shutdown(m.ShutdownRequest(id="c1", now=now))
        assert shutdowns == [True]

    run(story())


def test_every_method_takes_the_message_that_it_declares(service: TaskService) -> None:
    for name, (request, handler) in service.methods().items():
        assert request.__name__ in (f"{name}Request", f"{name}TaskRequest", f"{name}ProcessRequest")
        assert handler.__doc__
