"""What the tests of the shim's task service share: an ear for its events, and requests of several steps."""

from __future__ import annotations

import json
import signal
from typing import TYPE_CHECKING

from reaper_runtime.wire import messages as m
from tests.fakes.runtime import process_object

if TYPE_CHECKING:
    from reaper_runtime.shim.service import TaskService
    from reaper_runtime.wire.protobuf import Message


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


def exec_request(name: str, *args: str) -> m.ExecProcessRequest:
    """For an exec in container c1."""
    spec = m.Any(type_url="types.containerd.io/process", value=json.dumps(process_object(*args)).encode())
    return m.ExecProcessRequest(id="c1", exec_id=name, spec=spec)


async def end(service: TaskService, name: str = "c1") -> m.DeleteResponse:
    """Kill a container, wait for its end, delete it."""
    await service.kill(m.KillRequest(id=name, signal=signal.SIGKILL))
    await service.wait(m.WaitRequest(id=name))
    return await service.delete(m.DeleteRequest(id=name))
