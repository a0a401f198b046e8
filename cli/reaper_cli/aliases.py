"""What YAML can say and JSON cannot, so that no object is written in it. Pure."""

from __future__ import annotations

from typing import Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import YAMLError

_KEYS = (str, int, float, type(None))  # kubectl makes text of numbers and the like
_OPEN = -1  # the size of a node that is still being counted
# A document whose aliases stand for more than so many values, and for so many times what is written, is no manifest.
_MANY, _REPEATED = 100_000, 10


def refuse_what_json_cannot_hold(document: Any) -> None:
    """YAMLError for a key that is a mapping or a list, for an anchor that refers to itself, and for anchors that are
    repeated until nobody can read it all."""
    sizes: dict[int, int] = {}
    size = _size(document, sizes)
    if size > _MANY and size > _REPEATED * len(sizes):
        raise YAMLError(f"aliases make {size} values of it: write it out")


def _size(node: Any, sizes: dict[int, int]) -> int:
    """How many values there are with every alias written out. `sizes`: of each mapping and list, by its id()."""
    if not isinstance(node, (CommentedMap, CommentedSeq)):
        return 1
    known = sizes.get(id(node))
    if known == _OPEN:
        raise YAMLError(f"line {node.lc.line + 1}: an anchor refers to itself")
    if known is None:
        sizes[id(node)] = _OPEN
        if isinstance(node, CommentedMap) and not all(isinstance(key, _KEYS) for key in node):
            raise YAMLError(
                f"line {node.lc.line + 1}: a mapping or a list is a key: if this is a template, render it first, as "
                "with helm template"
            )
        inner = node.values() if isinstance(node, CommentedMap) else node
        known = sizes[id(node)] = 1 + sum(_size(each, sizes) for each in inner)
    return known
