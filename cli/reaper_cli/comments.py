"""The comments of a YAML document, taken off their places and put to where the fields have gone. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import CommentMark
from ruamel.yaml.tokens import CommentToken

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from reaper_api.conversion.report import Path

_ATTRIBUTE = "_yaml_comment"  # where ruamel keeps comments of a node
_BASE = 2  # columns that a level is indented by


@dataclass(frozen=True)
class Comment:
    """One line of comment."""

    line: int  # from 0
    text: str  # without # and the space after it
    beside: bool  # behind something on its line, not alone on it


@dataclass(frozen=True)
class Commented:
    """What the comments of a document are about."""

    head: list[str]
    """Before the first field."""
    before: dict[Path, list[str]]
    beside: dict[Path, str]
    after: list[str]
    """At the end of the document."""


def take(document: Any, source: str) -> Commented:
    """Take all comments off a document that was read from `source`; the document is without them then."""
    places = sorted(_places(document, ()), key=lambda place: (place[0], place[1]))
    before: dict[Path, list[str]] = {}
    beside: dict[Path, str] = {}
    after: list[str] = []
    for comment in sorted(set(_comments(document, source.split("\n"))), key=lambda c: (c.line, c.text)):
        if comment.beside:
            path = next((path for line, _, path in reversed(places) if line <= comment.line), ())
            beside[path] = f"{beside[path]} {comment.text}" if path in beside else comment.text
            continue
        following = next((path for line, _, path in places if line > comment.line), None)
        if following is None:
            after.append(comment.text)
        else:
            before.setdefault(following, []).append(comment.text)
    _strip(document)
    head = before.pop(places[0][2], []) if places else []
    return Commented(head, before, beside, after)


def apart(comments: Commented, places: Sequence[Path]) -> list[Commented]:
    """The comments of each of these parts of a document, such as the items of a List, in their order. What is in none
    of them stands at the head of the first or at the end of the last."""
    parts = [Commented(list(comments.before.get(place, ())), {}, {}, []) for place in places]
    first: list[str] = list(comments.head)
    for path, lines in comments.before.items():
        inside = _inside(path, places)
        if inside is None and path not in places:
            first += lines
        elif inside is not None:
            parts[inside].before[path[len(places[inside]) :]] = lines
    for path, text in comments.beside.items():
        inside = _inside(path, places)
        if inside is None:
            first.append(text)
        else:
            parts[inside].beside[path[len(places[inside]) :]] = text
    if parts:
        parts[0].head[:0] = first
        parts[-1].after.extend(comments.after)
    return parts


def _inside(path: Path, places: Sequence[Path]) -> int | None:
    """The number of the place that a path is below."""
    return next((n for n, place in enumerate(places) if len(path) > len(place) and path[: len(place)] == place), None)


def put(document: CommentedMap, comments: Commented, moves: Mapping[Path, Path]) -> int:
    """Put comments to where their fields have gone; how many lines went with fields that have not gone anywhere."""
    lost = 0
    if comments.head:
        document.yaml_set_start_comment("\n".join(comments.head))
    for path, lines in comments.before.items():
        target = _target(document, path, moves)
        lost += 0 if target and _write(document, target, "\n".join(lines), beside=False) else len(lines)
    for path, text in comments.beside.items():
        target = _target(document, path, moves)
        lost += 0 if target and _write(document, target, text, beside=True) else 1
    return lost


def as_commented(value: Any) -> Any:
    """Plain mappings and lists as ruamel's, which can hold comments."""
    if isinstance(value, dict):
        found = value if isinstance(value, CommentedMap) and not value.merge else _own(value)
        for key in found:
            found[key] = as_commented(found[key])
        return found
    if isinstance(value, list):
        items = value if isinstance(value, CommentedSeq) else CommentedSeq(value)
        for number, item in enumerate(items):
            items[number] = as_commented(item)
        return items
    return value


def _target(document: CommentedMap, path: Path, moves: Mapping[Path, Path]) -> Path:
    """metadata and spec are such in every object, however far apart what was in them is now."""
    return path if len(path) == 1 and path[0] in document else _moved(path, moves)


def _own(value: dict[Any, Any]) -> CommentedMap:
    """With everything written out that a merge key (<<) brought: what it named may not have come along."""
    found = CommentedMap(value)
    if isinstance(value, CommentedMap) and value.fa.flow_style():
        found.fa.set_flow_style()
    return found


def _moved(path: Path, moves: Mapping[Path, Path]) -> Path:
    """Where a place has gone to: with itself, with what it is in, or with the first of what is below it."""
    for length in range(len(path), 0, -1):
        if path[:length] in moves:
            return (*moves[path[:length]], *path[length:])
    for source, target in moves.items():
        if source[: len(path)] == path and target:
            below = 0
            limit = min(len(source) - len(path), len(target) - (1 if len(path) == 1 else 2))
            while below < limit and source[-1 - below] == target[-1 - below]:
                below += 1
            return target[: len(target) - below]
    return ()


def _write(document: CommentedMap, target: Path, text: str, *, beside: bool) -> bool:
    found = _holder(document, target)
    if found is None:
        return False
    node, key, depth = found
    filled = isinstance(node[key], (CommentedMap, CommentedSeq)) and node[key] and not node[key].fa.flow_style()
    if beside and not filled:
        _write_beside(node, key, text)
    else:
        node.yaml_set_comment_before_after_key(key, before=text, indent=_BASE * depth)
    return True


def _write_beside(node: Any, key: str | int, text: str) -> None:
    above = node.ca.items.get(key) if isinstance(node, CommentedSeq) else None
    if above is None:
        node.yaml_add_eol_comment(text, key, column=0)
    else:  # an item of a list with a comment above it is more than ruamel's own way can do
        above[0] = CommentToken(f"# {text}", CommentMark(0))


def _holder(document: CommentedMap, target: Path) -> tuple[Any, str | int, int] | None:
    """The node that can hold a comment about a place, the key in it, and how deep it is. None if nothing is there."""
    node: Any = document
    for depth, part in enumerate(target):
        if not isinstance(node, (CommentedMap, CommentedSeq)) or not _has(node, part):
            return None
        inner = node[part]
        within_a_line = isinstance(inner, (CommentedMap, CommentedSeq)) and inner.fa.flow_style()
        if depth == len(target) - 1 or within_a_line:
            return node, part, depth
        node = inner
    return None


def _has(node: Any, part: str | int) -> bool:
    return part in node if isinstance(node, dict) else isinstance(part, int) and part < len(node)


def _places(node: Any, path: Path) -> Iterator[tuple[int, int, Path]]:
    if isinstance(node, CommentedMap):
        for key in node:
            if key not in (node.lc.data or ()):  # what a merge key (<<) brings stands elsewhere
                continue
            line, column = node.lc.key(key)
            yield line, column, (*path, key)
            yield from _places(node[key], (*path, key))
    elif isinstance(node, CommentedSeq):
        for number, item in enumerate(node):
            line, column = node.lc.item(number)
            yield line, column - 1, (*path, number)
            yield from _places(item, (*path, number))


def _comments(node: Any, lines: list[str]) -> Iterator[Comment]:
    for token in _tokens(node):
        # The mark of a token is where its text begins or where the line before it ends: the text itself is looked for.
        line = max(token.start_mark.line - 1, 0)
        for part in token.value.split("\n"):
            text = part.strip()
            if not text.startswith("#"):
                continue
            found = next((n for n in range(line, len(lines)) if lines[n].rstrip().endswith(text)), line)
            yield Comment(found, text.removeprefix("#").removeprefix(" "), lines[found].strip() != text)
            line = found + 1


def _tokens(node: Any) -> Iterator[CommentToken]:
    yield from _flat(getattr(node, "comment", None))  # of a block of text
    if not isinstance(node, (CommentedMap, CommentedSeq)):
        return
    if hasattr(node, _ATTRIBUTE):
        yield from _flat(node.ca.comment)
        yield from _flat(node.ca.end)
        yield from _flat(list(node.ca.items.values()))
    for inner in node.values() if isinstance(node, CommentedMap) else node:
        yield from _tokens(inner)


def _flat(found: Any) -> Iterator[CommentToken]:
    if isinstance(found, CommentToken):
        yield found
    elif isinstance(found, (list, tuple)):
        for each in found:
            yield from _flat(each)


def _strip(node: Any) -> None:
    if isinstance(node, str) and hasattr(node, "comment"):
        delattr(node, "comment")
    if not isinstance(node, (CommentedMap, CommentedSeq)):
        return
    if hasattr(node, _ATTRIBUTE):
        delattr(node, _ATTRIBUTE)
    for inner in node.values() if isinstance(node, CommentedMap) else node:
        _strip(inner)
