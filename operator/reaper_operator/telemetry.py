"""What the operator tells of its own work while it works: the port, for metrics/ and tracing.py to listen at.

Pure: whoever works knows no clock, no registry and no collector by it.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from typing import Any, Protocol

from reaper_operator.key import Key

Told = Callable[[str], None]
"""Called with how something ended."""


class Telemetry(Protocol):
    """Called by threads too."""

    def request(self, method: str, path: str) -> AbstractContextManager[Told]:
        """Around one request to the API server: its method, and its path with {names} in place of names. Told is
        called with the status of the answer, and not at all if there is none."""

    def reconcile(self, key: Key) -> AbstractContextManager[Told]:
        """Around one reconcile. Told is called with success, requeue_after, requeue or error."""

    def status_written(self, change: Mapping[str, Any], task: Mapping[str, Any]) -> None:
        """The status of a task was changed: what of it, and the whole task as it is now."""


class Silent:
    """Tells nobody."""

    def request(self, method: str, path: str) -> AbstractContextManager[Told]:  # noqa: ARG002
        return nullcontext(_ignore)

    def reconcile(self, key: Key) -> AbstractContextManager[Told]:  # noqa: ARG002
        return nullcontext(_ignore)

    def status_written(self, change: Mapping[str, Any], task: Mapping[str, Any]) -> None:
        pass


class Together:
    """Tells several."""

    def __init__(self, *parts: Telemetry) -> None:
        self._parts = parts

    def request(self, method: str, path: str) -> AbstractContextManager[Told]:
        return _all(part.request(method, path) for part in self._parts)

    def reconcile(self, key: Key) -> AbstractContextManager[Told]:
        return _all(part.reconcile(key) for part in self._parts)

    def status_written(self, change: Mapping[str, Any], task: Mapping[str, Any]) -> None:
        for part in self._parts:
            part.status_written(change, task)


def _ignore(_: str) -> None:
    """Nobody wants to know."""


@contextmanager
def _all(contexts: Iterator[AbstractContextManager[Told]]) -> Iterator[Told]:
    with ExitStack() as stack:
        listeners = [stack.enter_context(context) for context in contexts]

        def told(result: str) -> None:
            for listener in listeners:
                listener(result)

        yield told
