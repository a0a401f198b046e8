"""The election: one replica holds the Lease and renews it, the others wait for it. Decisions are in lease.py.

A process leads at most once. Whoever loses the Lease ends (run.py), so nothing that it had in mind as the leader is
left to be done by accident.
"""

import logging
from collections.abc import Callable
from datetime import datetime
from typing import Protocol

from reaper_operator import lease
from reaper_operator.complaints import Complaints
from reaper_operator.errors import AlreadyExists, ClusterError, Conflict, NotFound
from reaper_operator.lease import Found, Record, Seen, Terms
from reaper_operator.tenure import Tenure

logger = logging.getLogger(__name__)

_AFTER_END = 0.1  # retry periods after the end of a Lease, at least, until it is looked at
_RELEASE_TRIES = 3
_STOOD_STILL = "this process stood still"


class Leases(Protocol):
    """The Lease at the API server. Every call may raise a ClusterError, and comes back within `timeout` seconds."""

    name: str  # namespace/name, for the log

    async def read(self, timeout: float) -> Found | None:
        """The Lease, or None if there is none."""

    async def create(self, record: Record, timeout: float) -> Found:
        """Make it. AlreadyExists if somebody was faster."""

    async def write(self, record: Record, version: str, timeout: float) -> Found:
        """Change it. Conflict if it is not at `version` any more, NotFound if it was deleted."""


class Surroundings(Protocol):
    """What the election asks of the process that it runs in."""

    def clock(self) -> float:
        """Seconds that go on while the process is stopped and while the machine sleeps."""

    def wall(self) -> datetime:
        """The time of day, in UTC."""

    async def pause(self, seconds: float) -> None:
        """Wait."""

    def chance(self) -> float:
        """A random number from 0 to 1."""


class Election:
    """One candidate: `acquire`, then `hold`, then `release`."""

    def __init__(
        self,
        leases: Leases,
        tenure: Tenure,
        terms: Terms,
        identity: str,
        here: Surroundings,
        *,
        looked: Callable[[bool], None],
    ) -> None:
        """`identity` is that of this process, of no other and of no earlier one. `looked` is told after each try
        whether the API server has answered."""
        self._leases = leases
        self._tenure = tenure
        self._terms = terms
        self._me = identity
        self._here = here
        self._looked = looked
        self._seen: Seen | None = None
        self._version: str | None = None  # None: there is no Lease
        self._unanswered = False  # a claim was sent, and was granted for all we know
        self._said = ""
        self._complaints = Complaints(here.clock)

    @property
    def holder(self) -> str:
        """Who held the Lease when it was seen last."""
        return (self._seen.record.holder if self._seen is not None else "") or "nobody"

    async def acquire(self) -> None:
        """Wait until this process leads."""
        while True:
            pause = self._terms.retry * (1 + lease.JITTER * self._here.chance())
            try:
                if await self._try():
                    self._say(logging.INFO, f"leading as {self._me}")
                    return
                pause = min(pause, self._until_free())
                self._say(logging.INFO, f"standing by: {self.holder} leads")
            except ClusterError as error:
                # Not for longer than a leader would be given: the Lease may be free, and /healthz counts the looks.
                pause = max(pause, min(error.retry_after or 0.0, self._terms.renew))
                self._say(logging.WARNING, f"standing by: the Lease cannot be had, which is tried again: {error}")
            await self._here.pause(pause)

    async def hold(self) -> str:
        """Renew until this process leads no more; why that is."""
        failure, began = _STOOD_STILL, self._here.clock()
        while True:
            pause = max(0.0, self._terms.retry - (self._here.clock() - began))  # a slow answer is not waited for twice
            await self._here.pause(min(pause, self._tenure.seconds_left()))
            began = self._here.clock()
            if not self._tenure.leads():
                return f"not renewed for {self._terms.renew:g} s: {failure}"
            try:
                renewed = await self._try()
                if not renewed and self.holder != self._me:
                    self._tenure.end()
                    return f"taken over by {self.holder}"
                failure = "others write it too" if self._tenure.leads() and not renewed else _STOOD_STILL
            except ClusterError as error:
                failure, left = str(error), self._tenure.seconds_left()
                # Not over with the next renewal: what fails now and then would be told each time.
                text, more = f"the Lease is not renewed: {error}", f"; {left:.1f} s left"
                self._complaints.about(text, more=more, extra=self._object)

    async def release(self) -> None:
        """End leading, and free the Lease if it is ours, so that nobody has to wait for its end."""
        self._tenure.end()
        if not self._unanswered and self.holder != self._me:
            return
        try:
            for _ in range(_RELEASE_TRIES):
                if await self._released():
                    return
            logger.warning("the Lease is not released, and runs out: others write it too", extra=self._object)
        except ClusterError as error:
            logger.warning("the Lease is not released, and runs out: %s", error, extra=self._object)

    async def _try(self) -> bool:
        """Claim the Lease, if it may be claimed. Whether this process leads by that."""
        try:
            leads = await self._claim_or_look()
        except ClusterError:
            self._looked(False)
            raise
        self._looked(True)
        return leads

    async def _claim_or_look(self) -> bool:
        # Nobody else should have written while we lead: one request instead of two. If somebody has, it was a person
        # who set a label or deleted the Lease, or a renewal of ours whose answer was lost.
        if self._tenure.leads() and await self._claim():
            return True
        await self._look()
        return lease.may_claim(self._seen, self._me, self._here.clock()) and await self._claim()

    async def _claim(self) -> bool:
        asked = self._here.clock()
        if not await self._put(lease.claim(self._seen, self._me, self._terms, self._here.wall())):
            return False
        return self._tenure.confirm(asked)

    async def _released(self) -> bool:
        if self._unanswered or self._version is None:
            await self._look()
        if self._seen is None or self._version is None or self.holder != self._me:
            return True
        if not await self._put(lease.release(self._seen, self._here.wall())):
            self._unanswered = True  # what is there now may be an earlier renewal of ours
            return False
        logger.info("released", extra=self._object)
        return True

    async def _look(self) -> None:
        found = await self._leases.read(self._timeout)
        self._unanswered = False
        self._note(found)

    async def _put(self, record: Record) -> bool:
        """Write the Lease as it was seen last. False if it is another by now."""
        self._unanswered = True
        try:
            if self._version is None:
                found = await self._leases.create(record, self._timeout)
            else:
                found = await self._leases.write(record, self._version, self._timeout)
        except (AlreadyExists, Conflict, NotFound):
            self._unanswered = False
            return False
        self._unanswered = False
        self._note(found)
        return True

    def _note(self, found: Found | None) -> None:
        self._version = None if found is None else found.version
        if found is not None:
            self._seen = lease.seen(self._seen, found.record, self._here.clock())

    @property
    def _timeout(self) -> float:
        """Seconds for one request: two fit into the time that a leader has."""
        half = self._terms.renew / 2
        return min(half, self._tenure.seconds_left()) or half

    def _until_free(self) -> float:
        """Seconds until it is worth to look again at a Lease that somebody else holds."""
        expires = self._seen.expires if self._seen is not None else 0.0
        return max(0.0, expires - self._here.clock()) + _AFTER_END * self._terms.retry

    @property
    def _object(self) -> dict[str, str]:
        return {"object": self._leases.name}

    def _say(self, level: int, text: str) -> None:
        """Only what is new: a standby says the same for days."""
        if text != self._said:
            logger.log(level, "%s", text, extra=self._object)
        self._said = text
