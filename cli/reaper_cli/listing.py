"""What a watch knows to be there, so that a new list tells what happened meanwhile. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from reaper_cli.cluster import Body, Change

if TYPE_CHECKING:
    from collections.abc import Iterator


class Listing:
    """Objects by UID."""

    def __init__(self) -> None:
        self._known: dict[str, Body] = {}

    def replace(self, items: list[Body]) -> Iterator[Change]:
        """A list was read: what is new, what differs, and what is gone."""
        found = {item["metadata"]["uid"]: item for item in items}
        for uid in [uid for uid in self._known if uid not in found]:
            yield Change("DELETED", self._known.pop(uid))
        for body in found.values():
            yield from self.take(Change("ADDED", body))

    def take(self, change: Change) -> Iterator[Change]:
        """An event came: itself, unless it says what is known already."""
        uid = change.body["metadata"].get("uid")
        if change.type not in {"ADDED", "MODIFIED", "DELETED"} or uid is None:
            return  # a bookmark
        if change.type == "DELETED":
            self._known.pop(uid, None)
            yield change
            return
        old = self._known.get(uid)
        self._known[uid] = change.body
        if old is None:
            yield Change("ADDED", change.body)
        elif old["metadata"].get("resourceVersion") != change.body["metadata"].get("resourceVersion"):
            yield Change("MODIFIED", change.body)
