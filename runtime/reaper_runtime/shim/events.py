"""Events to containerd, one after the other, in the order of what happened."""

import time
from collections import deque

from reaper_runtime.errors import ReaperError
from reaper_runtime.loop import Future
from reaper_runtime.wire.client import Client, Refused
from reaper_runtime.wire.messages import Any, Envelope, ForwardRequest, Timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from reaper_runtime.loop import Loop
    from reaper_runtime.wire.protobuf import Message

TOPICS = {  # containerd docs/runtime-v2.md, "Events"
    "TaskCreate": "/tasks/create",
    "TaskStart": "/tasks/start",
    "TaskExit": "/tasks/exit",
    "TaskDelete": "/tasks/delete",
    "TaskExecAdded": "/tasks/exec-added",
    "TaskExecStarted": "/tasks/exec-started",
    "TaskOOM": "/tasks/oom",
    "TaskPaused": "/tasks/paused",
    "TaskResumed": "/tasks/resumed",
}
_SERVICE = "containerd.services.events.ttrpc.v1.Events"
ANSWER_SECONDS = 5.0  # for one answer, as containerd's own publisher gives; the connection is given up then
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 30.0  # seconds between attempts to reach a containerd that is down
_MOST_REFUSALS = 5  # of one event by a containerd that could not take it now; as many as of its own shims


class Publisher:
    """Sends what publish() queues; while containerd is down, or busy, it keeps the queue and tries again."""

    def __init__(self, loop: "Loop", address: str, namespace: str, log: "Callable[[str], None]") -> None:
        """address: containerd's ttrpc socket, TTRPC_ADDRESS; an empty one means that nobody listens."""
        self._loop = loop
        self._path = address.removeprefix("unix://")
        self._namespace = namespace
        self._log = log
        self._queue: deque[ForwardRequest] = deque()
        self._client: Client | None = None
        self._idle = Future()
        self._idle.set()

    def publish(self, event: "Message") -> None:
        """Queue an event, with the present time."""
        if not self._path:
            return
        name = type(event).__name__
        body = Any(type_url=f"containerd.events.{name}", value=event.encode())
        envelope = Envelope(
            timestamp=Timestamp.at(time.time_ns()), namespace=self._namespace, topic=TOPICS[name], event=body
        )
        self._queue.append(ForwardRequest(envelope=envelope))
        if self._idle.done:
            self._idle = Future()
            self._loop.spawn_detached(self._send_all())

    @property
    def sent(self) -> Future:
        """Set while the queue is empty."""
        return self._idle

    async def _send_all(self) -> None:
        pause, refusals = _FIRST_PAUSE, 0
        while self._queue:
            try:
                await self._send(self._queue[0])
            except (ReaperError, OSError) as error:
                refusals += isinstance(error, Refused)  # a containerd that is down does not count
                if isinstance(error, Refused) and not error.may_succeed_later:
                    self._log(f"event refused by containerd: {error}")
                elif refusals < _MOST_REFUSALS:
                    self._log(f"event waits for containerd: {error}")
                    await self._pause(pause)
                    pause = min(2 * pause, _LONGEST_PAUSE)
                    continue
                else:
                    self._log(f"event lost, refused by containerd {refusals} times: {error}")
            self._queue.popleft()
            pause, refusals = _FIRST_PAUSE, 0
        self._idle.set()

    async def _send(self, request: ForwardRequest) -> None:
        if self._client is None or self._client.closed:
            self._client = Client(self._loop, self._path)
        await self._client.call(_SERVICE, "Forward", request, ANSWER_SECONDS)

    async def _pause(self, seconds: float) -> None:
        over = Future()
        self._loop.call_later(seconds, over.set)
        await over
