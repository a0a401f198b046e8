"""What a Lease says, and who may write himself into it. Pure: what was read and the time come in as arguments.

The rules are those of client-go's leader election. Times of the record are for people: the clocks of two machines are
never compared. A candidate measures, on its own clock, for how long the record has not changed before its eyes.
Source: k8s.io/client-go/tools/leaderelection/leaderelection.go.
"""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

JITTER = 1.2  # client-go's: a candidate waits for one to 2.2 times the retry period, so that they do not meet
NOBODY = ""  # the holder of a Lease that was released
_RELEASED_SECONDS = 1  # a Lease needs a duration above zero, also when it is free


@dataclass(frozen=True)
class Terms:
    """How long things take, in seconds; `lease` > `renew` > `retry`."""

    lease: int  # the others wait for this long without a change of the record, then one of them takes over
    renew: float  # a leader that was not confirmed for this long leads no more
    retry: float  # between two tries of anybody


@dataclass(frozen=True)
class Record:
    """The spec of a Lease."""

    holder: str
    lease_seconds: int
    acquired: datetime | None
    renewed: datetime | None
    transitions: int


class Found(NamedTuple):
    """A Lease as the API server holds it."""

    record: Record
    version: str  # its resourceVersion


@dataclass(frozen=True)
class Seen:
    """A record, and when it was first seen as it is, in seconds of our own clock."""

    record: Record
    since: float

    @property
    def expires(self) -> float:
        """From when on anybody may take it, unless it changes before."""
        return self.since + self.record.lease_seconds


def seen(last: Seen | None, record: Record, now: float) -> Seen:
    """`record` was read, and the answer was there at `now`."""
    return last if last is not None and last.record == record else Seen(record, now)


def may_claim(last: Seen | None, me: str, now: float) -> bool:
    """Whether `me` may write himself into the Lease seen last, or create it if there never was one.

    A Lease that somebody deleted counts as unchanged: its holder may not know yet.
    """
    return last is None or last.record.holder in {NOBODY, me} or now >= last.expires


def claim(last: Seen | None, me: str, terms: Terms, wall: datetime) -> Record:
    """The record that makes `me` the holder, or keeps him. `wall` is the time of day."""
    if last is None:
        return Record(me, terms.lease, wall, wall, transitions=0)
    if last.record.holder == me:
        return replace(last.record, lease_seconds=terms.lease, renewed=wall)
    return Record(me, terms.lease, wall, wall, transitions=last.record.transitions + 1)


def release(last: Seen, wall: datetime) -> Record:
    """The record that frees the Lease at once."""
    return Record(NOBODY, _RELEASED_SECONDS, wall, wall, last.record.transitions)
