"""Failpoints in the manner of containerd's containerd-shim-runc-fp-v1, around a service's methods. For tests only.

An annotation `io.containerd.runtime.v2.shim.failpoint.Start` with the value `1*off->1*delay(50)->error(x)` leaves the
first Start alone, delays the second by 50 ms and fails all others (containerd's internal/failpoint). Of our own is
`after(Delete)`, which waits until a Delete has been handled: an order that no load can turn round.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from reaper_runtime.errors import ReaperError
from reaper_runtime.loop import Future

if TYPE_CHECKING:
    from collections.abc import Mapping

    from reaper_runtime.loop import Loop
    from reaper_runtime.wire.protobuf import Message
    from reaper_runtime.wire.server import Handler, Methods

PREFIX = "io.containerd.runtime.v2.shim.failpoint."
_TERM = re.compile(r"(?:(\d+)\*)?(off|error|panic|delay|after)(?:\((.*)\))?")
_FOR_EVER = 1 << 31


class Term(NamedTuple):
    """What happens the next `times` times."""

    times: int
    action: str
    argument: str


class Panic(Exception):  # containerd's word
    """What no code expects: the server has to survive it."""


class Failpoint:
    """The terms of one method, used up one after the other; off when there is none left."""

    def __init__(self, text: str) -> None:
        """Raises ValueError for what is no list of terms."""
        self._terms = [_parse(term) for term in text.split("->")]

    def next(self) -> Term:
        """What happens this time."""
        while self._terms:
            term = self._terms[0]
            self._terms[0] = term._replace(times=term.times - 1)
            if term.times > 0:
                return term
            del self._terms[0]
        return Term(1, "off", "")


def _parse(text: str) -> Term:
    found = _TERM.fullmatch(text.strip())
    if found is None:
        raise ValueError(f"not a failpoint's term: {text!r}")
    count, action, argument = found.groups()
    if action == "delay":
        float(argument or "")
    return Term(int(count) if count else _FOR_EVER, action, argument or "")


def intercept(loop: Loop, methods: Methods, annotations: Mapping[str, str]) -> Methods:
    """The methods, each behind its failpoint. Raises KeyError for a method that there is not."""
    failpoints = {name: Failpoint("off") for name in methods}
    for key, terms in annotations.items():
        if key.startswith(PREFIX):
            failpoints[key.removeprefix(PREFIX)] = Failpoint(terms)
    handled = {name: Future() for name in methods}
    intercepted = {}
    for name, failpoint in failpoints.items():
        kind, handler = methods[name]
        intercepted[name] = kind, _behind(loop, failpoint, handler, name, handled)
    return intercepted


def _behind(loop: Loop, failpoint: Failpoint, handler: Handler, name: str, handled: Mapping[str, Future]) -> Handler:
    async def guarded(request: Message) -> Message:
        term = failpoint.next()
        if term.action == "error":
            raise ReaperError(term.argument)
        if term.action == "panic":
            raise Panic(term.argument)
        if term.action == "delay":
            over = Future()
            loop.call_later(float(term.argument) / 1000, over.set)
            await over
        if term.action == "after":
            await handled[term.argument]
        try:
            return await handler(request)
        finally:
            if not handled[name].done:
                handled[name].set()

    return guarded
