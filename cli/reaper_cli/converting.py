"""Manifests converted as text: comments and order kept, and what became of each field."""

from __future__ import annotations

import textwrap
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from reaper_api.conversion import Conversion, Field, Verdict, holds_pod, to_pod, to_task
from reaper_api.conversion.report import text
from reaper_api.vocabulary import KIND
from reaper_cli import comments
from reaper_cli.manifests import checked, documents, located

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reaper_api.conversion.report import Path

_WIDTH = 100  # columns of a note
_FIRST = ("apiVersion", "kind", "metadata", "spec")


@dataclass(frozen=True)
class Converted:
    """One object of a file."""

    title: str
    """Kind and name of the old one."""

    body: Any
    """The new one; the old one where its kind is not converted; None where it is refused."""

    conversion: Conversion | None = None
    """None where the kind is passed on as it is."""

    remarks: list[str] = field(default_factory=list)
    ending: tuple[str, ...] = ()
    """Comments from the end of the document."""
    heading: tuple[str, ...] = ()
    """Comments from before the first document."""

    @property
    def faithful(self) -> bool:
        """Whether nothing is lost."""
        return self.conversion is None or self.conversion.faithful


def convert_text(source: str, *, node: str = "") -> Iterator[Converted]:
    """Each object of a YAML stream: what holds a Pod becomes a ReaperTask, a ReaperTask a Pod. Raises YAMLError."""
    heading = _heading(source)
    for document in documents(source):
        for converted in _convert_document(document, source, node):
            there = converted.body is not None
            yield replace(converted, heading=heading) if there else converted
            heading = () if there else heading


def _heading(source: str) -> tuple[str, ...]:
    """The comments before the first `---`, which are in no document."""
    before: list[str] = []
    for line in source.splitlines():
        if line.startswith("---"):
            return tuple(text.removeprefix("#").removeprefix(" ") for text in before if text.startswith("#"))
        if line.strip() and not line.startswith(("#", "%")):
            break
        before.append(line)
    return ()


def _convert_document(document: Any, source: str, node: str) -> Iterator[Converted]:
    found = [(path, checked(body)) for path, body in located(document)]
    if [path for path, _ in found] == [()]:
        body = found[0][1]
        taken = comments.take(body, source) if _is_converted(body) else None
        yield _convert(body, taken, node)
        return
    parts = comments.apart(comments.take(document, source), [path for path, _ in found])
    for (_, body), part in zip(found, parts, strict=True):
        yield _convert(body, part, node)


def _is_converted(body: Any) -> bool:
    return holds_pod(body) or body.get("kind") == KIND


def _convert(body: Any, taken: comments.Commented | None, node: str) -> Converted:
    """`taken`: the comments of the object; None where it still has them."""
    kind = body.get("kind")
    metadata = body.get("metadata") or {}
    title = f"{kind} {metadata.get('name') or metadata.get('generateName') or 'without a name'}"
    if not _is_converted(body):
        if taken is not None:
            comments.put(body, taken, {(key,): (key,) for key in body})
        return Converted(title, body, ending=tuple(taken.after if taken else ()))
    conversion = to_pod(body) if kind == KIND else to_task(body, node)
    if conversion.result is None:
        return Converted(title, None, conversion)
    ordered = {key: conversion.result[key] for key in _FIRST if conversion.result.get(key) not in (None, {})}
    new = comments.as_commented(ordered)
    moves = {field.source: field.target for field in conversion.fields if field.source and field.target}
    lost = comments.put(new, taken, moves) if taken is not None else 0
    remarks = [f"comments that went with their fields: {lost} lines"] if lost else []
    return Converted(title, new, conversion, remarks, tuple(taken.after if taken is not None else ()))


def report(converted: Converted, *, full: bool) -> Iterator[str]:
    """What became of it, for people. Not `full`: what is carried and what says nothing are only counted."""
    yield f"{converted.title}: {_summary(converted)}"
    if converted.conversion is None:
        return
    for (note, verdict), places in _told(converted.conversion, full=full).items():
        for place in places:
            yield f"  {verdict:8} {place}"
        yield from (f"           {line}" for line in textwrap.wrap(note, _WIDTH))
    for remark in converted.remarks:
        yield f"  {remark}"


def _told(conversion: Conversion, *, full: bool) -> dict[tuple[str, Verdict], list[str]]:
    """Which places have which note. Of an object that is refused, why; nothing else matters then."""
    if conversion.result is None and not full:
        shown = conversion.of(Verdict.REFUSED)
    elif full:
        shown = conversion.fields
    else:
        shown = tuple(entry for entry in conversion.of(Verdict.CHANGED, Verdict.ADDED, Verdict.LOST) if entry.note)
    told: dict[tuple[str, Verdict], list[str]] = {}
    items_of = Counter(_item(entry) for entry in shown)
    for entry in shown:
        together = not full and items_of[_item(entry)] > 1
        place = text(_item(entry)[1] if together else _path(entry)) or "the whole"
        places = told.setdefault((entry.note, entry.verdict), [])
        if place not in places:
            places.append(place)
    return told


def _path(entry: Field) -> Path:
    return entry.source or entry.target


def _item(entry: Field) -> tuple[str, Path]:
    """The list item that a field is in, with the note: several fields of an item that share a note are one line. The
    one container is no item: nearly all fields are in it."""
    path = _path(entry)
    numbers = [number for number, part in enumerate(path) if isinstance(part, int)]
    if not numbers or (path[numbers[-1] - 1] == "containers" and entry.verdict is not Verdict.REFUSED):
        return entry.note, path
    return entry.note, path[: numbers[-1] + 1]


def _summary(converted: Converted) -> str:
    if converted.conversion is None:
        return "passed on as it is"
    if converted.body is None:
        return "cannot be converted"
    counts = {verdict: len(converted.conversion.of(verdict)) for verdict in Verdict}
    return ", ".join(f"{count} {verdict}" for verdict, count in counts.items() if count)
