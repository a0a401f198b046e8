"""Lines and columns of places in a YAML document, counted from 1. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reaper_api.ruleset.rule import Path

Place = tuple[int, int]


def place_of(body: CommentedMap, path: Path) -> Place:
    """Of what is at a path, or of the nearest thing above it that is there."""
    *_, last = places_on(body, path)
    return last


def places_on(body: CommentedMap, path: Path) -> Iterator[Place]:
    """The places on the way to a path, as far as it is there: first the whole object's, then each field's."""
    yield body.lc.line + 1, body.lc.col + 1
    node: Any = body
    for part in path:
        if isinstance(node, CommentedMap) and part in node:
            found = node.lc.data and node.lc.data.get(part)  # none of what a merge key (<<) brings
        elif isinstance(node, CommentedSeq) and isinstance(part, int) and part < len(node):
            found = node.lc.data and node.lc.data.get(part)
        else:
            return
        if found:
            yield found[0] + 1, found[1] + 1
        node = node[part]
