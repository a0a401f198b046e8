"""The commands' side of a supervisor: calls of its task service, by this process's own loop."""

from reaper_runtime.commands.home import TASK
from reaper_runtime.errors import FailedPrecondition, Internal, ReaperError, Unavailable
from reaper_runtime.loop import Loop
from reaper_runtime.wire.client import Client, Refused

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Coroutine
    from typing import Any, TypeVar

    from reaper_runtime.commands.home import Home
    from reaper_runtime.loop import Future
    from reaper_runtime.wire.protobuf import Message

    Answer = TypeVar("Answer", bound=Message)

_SERVICE = "containerd.task.v3.Task"


class Supervisor:
    """A connection to the supervisor of one container."""

    def __init__(self, home: "Home") -> None:
        """Raises NotFound for a container that does not exist, Unavailable when its supervisor is gone."""
        home.read()
        self.loop = Loop(_raise)
        try:
            self._client = Client(self.loop, home.socket(TASK))
        except Unavailable:
            raise Unavailable(
                f"the supervisor of container {home.name} is gone: delete --force removes what is left"
            ) from None

    async def ask(self, method: str, request: "Message", answer: "type[Answer]") -> "Answer":
        """One call, as long as it takes; raises FailedPrecondition with the supervisor's sentence."""
        try:
            payload = await self._client.call(_SERVICE, method, request, None)
        except Refused as error:
            raise FailedPrecondition(error.reason) from None
        return answer.decode(payload)

    def call(self, method: str, request: "Message", answer: "type[Answer]") -> "Answer":
        """The same for who does nothing else meanwhile."""
        done: Answer = self.run(self.ask(method, request, answer))
        return done

    def run(self, story: "Coroutine[Future, None, Any]") -> "Any":
        """Run the loop until a coroutine is over; gives its result."""
        outcome = self.loop.spawn(story)
        if not outcome.done:
            outcome.when_done(self.loop.stop)
            self.loop.run()
        return outcome.result()

    def close(self) -> None:
        """Hang up."""
        self._client.close()
        self.loop.close()


def _raise(error: Exception) -> None:
    if isinstance(error, ReaperError):
        raise error
    raise Internal(f"defect: {type(error).__name__}: {error}") from error
