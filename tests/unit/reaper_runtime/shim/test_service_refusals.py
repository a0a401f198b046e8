"""What the task service refuses, and how: unknown containers; ids, bundles, specs and signals that are none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from reaper_runtime.errors import AlreadyExists, InvalidArgument, InvalidBundle, NotFound, Unimplemented
from reaper_runtime.wire import messages as m
from tests.fakes.runtime import needs_root, open_fds

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reaper_runtime.shim.service import TaskService
    from reaper_runtime.wire.protobuf import Message

    Run = Callable[..., Any]
    Create = Callable[..., Any]

pytestmark = needs_root


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
