"""Tasks as the API server showed them last, by a watch or as its answer to a write: what a reconcile may begin with in
place of a GET. And which are not over, of all: what is told of the Pods of the others is no news.

What is remembered may be older than what is there. A write says which version it is on top of, so that the API server
refuses what was decided by an old one; whoever is refused forgets, and asks.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from reaper_operator.key import Key

Body = dict[str, Any]

LIMIT = 1000  # tasks, of about 10 kB each: those that something happens to, not all that there are


class KnownTasks:
    """The latest of the tasks that were heard of last."""

    def __init__(self, limit: int = LIMIT) -> None:
        """`limit`: how many are remembered."""
        self._limit = limit
        self._bodies: OrderedDict[Key, Body] = OrderedDict()
        self._under_way: set[Key] = set()

    def __len__(self) -> int:
        """Tasks that are remembered."""
        return len(self._bodies)

    def heard(self, key: Key, body: Mapping[str, Any]) -> None:
        """The API server has shown this. A watch lags behind the answers to our writes: what is older is passed
        over. Of tasks that are not over."""
        self._under_way.add(key)
        known = self._bodies.get(key)
        if known is not None and not _follows(body, known):
            return
        metadata = {name: value for name, value in body["metadata"].items() if name != "managedFields"}
        self._bodies[key] = {**body, "metadata": metadata}
        self._bodies.move_to_end(key)
        if len(self._bodies) > self._limit:
            self._bodies.popitem(last=False)

    def listed(self, key: Key, body: Mapping[str, Any]) -> None:
        """A LIST of what is not over has shown this. It corrects what is known, and does not make all that there is
        known."""
        self._under_way.add(key)
        if key in self._bodies:
            self.heard(key, body)

    def get(self, key: Key) -> Body | None:
        """The task; None: ask the API server."""
        return self._bodies.get(key)

    def under_way(self, key: Key) -> bool:
        """Whether the API server has shown the task, and not yet its end."""
        return key in self._under_way

    def forget(self, key: Key) -> None:
        """What is remembered of it is not to be relied on."""
        self._bodies.pop(key, None)

    def over(self, key: Key) -> None:
        """The task is over or gone."""
        self.forget(key)
        self._under_way.discard(key)


def _follows(body: Mapping[str, Any], known: Mapping[str, Any]) -> bool:
    """Whether a body is not older than another. Versions of one resource are numbers that grow, and may be compared:
    https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions."""
    return int(body["metadata"]["resourceVersion"]) >= int(known["metadata"]["resourceVersion"])
