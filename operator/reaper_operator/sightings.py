"""How each unfinished task's Pod was seen last.

A Pod that is deleted right after it ended is gone from the API before a reconcile can read it; its exit
code was in the last watch event. This is only a memory of what the API said: losing it costs an exit code,
never a second run.
"""

from reaper_operator.key import Key
from reaper_operator.observe import PodObservation


class Sightings:
    """The last observation for each key."""

    def __init__(self) -> None:
        self._last: dict[Key, PodObservation] = {}

    def __len__(self) -> int:
        return len(self._last)

    def note(self, key: Key, pod: PodObservation) -> None:
        """`pod` belongs to the task `key` and was seen just now."""
        self._last[key] = pod

    def of(self, key: Key, uid: str) -> PodObservation | None:
        """The last sighting of exactly that Pod."""
        last = self._last.get(key)
        return last if last is not None and last.uid == uid else None

    def forget(self, key: Key) -> None:
        """The task is over or gone."""
        self._last.pop(key, None)
