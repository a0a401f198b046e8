"""Tasks as the API server showed them last, by a watch or as its answer to a write: what a reconcile may begin with in
place of a GET. And which are not over, of all: what is told of the Pods of the others is no news.

What is remembered may be older than what is there. A write says which version it is on top of, so that the API server
refuses what was decided by an old one; whoever is refused forgets, and asks.
"""

import json
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any, NamedTuple

from reaper_operator.key import Key

Body = dict[str, Any]

LIMIT = 24 * 1024 * 1024  # bytes: ten thousand tasks of the usual size, all of which something happens to


class _Text(NamedTuple):
    """A task as JSON: a quarter of what its object takes."""

    version: int
    json: bytes


class KnownTasks:
    """The latest of the tasks that were heard of last."""

    def __init__(self, limit: int = LIMIT) -> None:
        """`limit`: how much is remembered, in bytes of JSON."""
        self._limit = limit
        self._texts: OrderedDict[Key, _Text] = OrderedDict()
        self._size = 0
        self._under_way: set[Key] = set()

    def __len__(self) -> int:
        """Tasks that are remembered."""
        return len(self._texts)

    def heard(self, key: Key, body: Mapping[str, Any]) -> None:
        """The API server has shown this. A watch lags behind the answers to our writes: what is older is passed
        over. Of tasks that are not over."""
        self._under_way.add(key)
        known, version = self._texts.get(key), _version(body)
        if known is not None and version <= known.version:  # the same one comes by the answer and by the watch
            return
        metadata = {name: value for name, value in body["metadata"].items() if name != "managedFields"}
        text = json.dumps({**body, "metadata": metadata}, separators=(",", ":")).encode()
        self.forget(key)
        self._texts[key] = _Text(version, text)
        self._size += len(text)
        while self._size > self._limit:
            self.forget(next(iter(self._texts)))

    def listed(self, key: Key, body: Mapping[str, Any]) -> None:
        """A LIST of what is not over has shown this. It corrects what is known, and does not make all that there is
        known."""
        self._under_way.add(key)
        if key in self._texts:
            self.heard(key, body)

    def get(self, key: Key) -> Body | None:
        """The task; None: ask the API server."""
        known = self._texts.get(key)
        return None if known is None else json.loads(known.json)

    def under_way(self, key: Key) -> bool:
        """Whether the API server has shown the task, and not yet its end."""
        return key in self._under_way

    def forget(self, key: Key) -> None:
        """What is remembered of it is not to be relied on."""
        known = self._texts.pop(key, None)
        self._size -= 0 if known is None else len(known.json)

    def over(self, key: Key) -> None:
        """The task is over or gone."""
        self.forget(key)
        self._under_way.discard(key)


def _version(body: Mapping[str, Any]) -> int:
    """Versions of one resource are numbers that grow, and may be compared:
    https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions."""
    return int(body["metadata"]["resourceVersion"])
