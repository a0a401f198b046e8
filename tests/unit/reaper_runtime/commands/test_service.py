"""One OCI container's service: what it takes while the hooks of `create` run, and that its state never goes back."""

from __future__ import annotations

import json
import os
import signal
from typing import TYPE_CHECKING, Any

import pytest

from reaper_runtime.commands.home import CREATED, CREATING, RUNNING, STOPPED, Home
from reaper_runtime.commands.service import OciService
from reaper_runtime.errors import FailedPrecondition, NotFound
from reaper_runtime.shim.events import Publisher
from reaper_runtime.wire import messages as m
from tests.fakes.containers import SLEEP
from tests.fakes.runtime import eventually, needs_root, write_bundle

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from pathlib import Path

    from reaper_runtime.loop import Future, Loop
    from reaper_runtime.pod import Pod

    Run = Callable[..., Any]

pytestmark = needs_root


@pytest.fixture
def home(tmp_path: Path) -> Home:
    made = Home(str(tmp_path / "root"), "c")
    made.make()
    return made


@pytest.fixture
def deleted() -> list[bool]:
    """As often as the service has said that the container is gone."""
    return []


@pytest.fixture
def service(loop: Loop, pod: Pod, home: Home, deleted: list[bool]) -> OciService:
    gone = lambda: deleted.append(True)  # noqa: E731
    made = OciService(pod, Publisher(loop, "", "oci", pytest.fail), home, "root", gone)
    pod.on_exit = made.publish_exit
    return made


class Hook:
    """A createRuntime hook that has begun when `reached`, and goes on when it is told to."""

    def __init__(self, folder: Path) -> None:
        self._begun = folder / "begun"
        self._gate = folder / "gate"
        os.mkfifo(self._gate)
        path = folder / "bundle"
        write_bundle(path, *SLEEP)
        config = json.loads((path / "config.json").read_text())
        script = f"touch {self._begun}; read line < {self._gate}"
        config["hooks"] = {"createRuntime": [{"path": "/bin/sh", "args": ["sh", "-c", script]}]}
        (path / "config.json").write_text(json.dumps(config))
        self.bundle = str(path)

    def reached(self) -> bool:
        return self._begun.exists()

    def go_on(self) -> None:
        self._gate.write_text("go\n")  # open(2) of a FIFO meets the reader that is there


@pytest.fixture
def hook(tmp_path: Path) -> Hook:
    return Hook(tmp_path)


def _start() -> m.StartRequest:
    return m.StartRequest(id="c")


def _kill(number: int, *, everything: bool = False) -> m.KillRequest:
    return m.KillRequest(id="c", signal=number, all=everything)


async def _creating(loop: Loop, service: OciService, hook: Hook) -> Future:
    created = loop.spawn(service.create(m.CreateTaskRequest(id="c", bundle=hook.bundle)))
    await eventually(loop, hook.reached)
    return created


@pytest.mark.parametrize("verb", ["start", "kill", "kill all"])
def test_what_is_being_created_is_neither_started_nor_killed(
    run: Run, loop: Loop, service: OciService, home: Home, hook: Hook, verb: str
) -> None:
    """runtime.md "Start", "Kill": of what is not created it MUST have no effect, and generate an error."""

    def act() -> Coroutine[Future, None, object]:
        if verb == "start":
            return service.start(_start())
        return service.kill(_kill(signal.SIGTERM, everything=verb == "kill all"))

    async def story() -> None:
        created = await _creating(loop, service, hook)
        with pytest.raises(FailedPrecondition, match="container c is creating"):
            await act()
        assert home.read().status == CREATING
        hook.go_on()
        await created
        assert home.read().status == CREATED
        await service.start(_start())
        assert home.read().status == RUNNING

    run(story())


def test_what_is_being_created_can_be_deleted_by_force(
    run: Run, loop: Loop, service: OciService, home: Home, hook: Hook, deleted: list[bool]
) -> None:
    """`delete --force` sends SIGKILL to all of it, waits and deletes. A hook may never end: it is killed with it."""

    async def story() -> None:
        created = await _creating(loop, service, hook)
        await service.kill(_kill(signal.SIGKILL, everything=True))
        await service.wait(m.WaitRequest(id="c"))
        with pytest.raises(NotFound, match="there is no container c"):
            await service.delete(m.DeleteRequest(id="c"))
        with pytest.raises(FailedPrecondition, match="was killed: the container is deleted by force"):
            await created
        assert deleted == [True], "once"
        with pytest.raises(NotFound):
            home.read()

    run(story())


def test_the_state_that_is_recorded_never_goes_back(run: Run, service: OciService, home: Home, tmp_path: Path) -> None:
    run(service.create(m.CreateTaskRequest(id="c", bundle=write_bundle(tmp_path / "plain", *SLEEP))))
    order = (CREATING, CREATED, RUNNING, STOPPED)
    for reached in order[1:]:
        for status in (reached, *order[: order.index(reached)]):
            service._record(status)
            assert home.read().status == reached
