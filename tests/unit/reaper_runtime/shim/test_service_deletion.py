"""The task service's Delete: what it answers, also when it is asked again, and when it refuses."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from reaper_runtime.errors import FailedPrecondition
from reaper_runtime.wire import messages as m
from tests.fakes.runtime import is_alive, needs_root
from tests.fakes.task_service import Recorder, end, exec_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from reaper_runtime.loop import Loop
    from reaper_runtime.shim.service import TaskService

    Run = Callable[..., Any]
    Create = Callable[..., Any]

pytestmark = needs_root


def test_delete_asked_again_gives_the_same_answer(run: Run, service: TaskService, create: Create) -> None:
    async def story() -> None:
        await create()
        first = await end(service)
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
            await service.exec(exec_request(f"probe{number}", "/bin/true"))
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
