"""A Lease, candidates for it, and a world in which everything that delays them can happen.

No thread and no event loop: each candidate is a coroutine that is driven by hand, on a clock of its own. So processes
can be stopped between any two steps, and requests can be lost, or be executed long after their sender gave up.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from math import inf
from types import coroutine
from typing import TYPE_CHECKING, Any

from reaper_operator.election import Election
from reaper_operator.errors import AlreadyExists, ClusterError, Conflict, NotFound, NotLeader, Unavailable
from reaper_operator.lease import Found, Record, Terms
from reaper_operator.tenure import Tenure

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator

TERMS = Terms(lease=15, renew=10, retry=2)
STEP = 0.25  # seconds between two looks at every candidate, when time passes
_NOON = datetime(2026, 11, 23, 12, tzinfo=UTC)


class FakeLease:
    """The API server's side: one Lease with optimistic concurrency."""

    def __init__(self) -> None:
        self.record: Record | None = None
        self.version = 0
        self.holders: list[str] = []  # whoever took it, in turn

    def read(self) -> Found | None:
        return None if self.record is None else Found(self.record, str(self.version))

    def create(self, record: Record) -> Found:
        if self.record is not None:
            raise AlreadyExists(409, "leases already exists")
        return self._store(record)

    def write(self, record: Record, version: str) -> Found:
        if self.record is None:
            raise NotFound(404, "leases not found")
        if version != str(self.version):
            raise Conflict(409, "the object has been modified")
        return self._store(record)

    def touch(self) -> None:
        """Somebody sets a label."""
        self.version += 1

    def _store(self, record: Record) -> Found:
        if record.holder and record.holder not in self.holders[-1:]:
            self.holders.append(record.holder)
        self.record = record
        self.version += 1
        return Found(record, str(self.version))


class Link(Enum):
    """What becomes of the requests of a candidate."""

    FINE = "executed and answered"
    REFUSED = "answered with 500, and not executed"
    PUT_OFF = "answered with 429 and an hour in Retry-After, and not executed"
    ANSWER_LOST = "executed, and never answered"
    HELD = "held back on the way there: not executed yet, not answered"


@dataclass
class Request:
    """On its way to the API server, or back. Times are true ones, but for `give_up`."""

    call: Callable[[], Found | None]
    give_up: float  # on the candidate's clock
    executes: float = 0.0
    answers: float = 0.0
    executed: bool = False
    answer: Found | ClusterError | None = None

    def execute(self) -> None:
        self.executed = True
        try:
            self.answer = self.call()
        except ClusterError as error:
            self.answer = error


@dataclass
class Pause:
    """A candidate that waits."""

    until: float  # on its clock


@coroutine
def wait_for(what: Request | Pause) -> Generator[Request | Pause, Any, Any]:
    """Hand control to the world."""
    return (yield what)


@dataclass
class World:
    """One Lease, the true time, and candidates."""

    lease: FakeLease = field(default_factory=FakeLease)
    now: float = 0.0
    candidates: list[Candidate] = field(default_factory=list)
    dead: list[Candidate] = field(default_factory=list)
    under_way: list[Request] = field(default_factory=list)
    born: int = 0
    exact: bool = True

    def add(self, *, rate: float = 1.0, terms: Terms = TERMS) -> Candidate:
        self.born += 1
        candidate = Candidate(self, f"candidate-{self.born}", rate, terms)
        self.candidates.append(candidate)
        return candidate

    def leaders(self) -> list[Candidate]:
        """Whoever would write right now, if he were asked."""
        return [candidate for candidate in self.candidates if candidate.tenure.leads()]

    def pass_time(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now = min(end, self.now + STEP)
            self.deliver()
            for candidate in self.candidates:
                candidate.run()
            self.check()

    def deliver(self) -> None:
        """What is due arrives at the API server."""
        due = [request for request in self.under_way if request.executes <= self.now]
        self.under_way = [request for request in self.under_way if request not in due]
        for request in sorted(due, key=lambda request: request.executes):
            request.execute()

    def check(self) -> None:
        """Nobody leads while another leads; nor, if clocks are exact, while a write of another may still be done."""
        for candidate in self.candidates:
            candidate.may_begin_a_write()
        for leader in self.leaders():
            for other in self.candidates + self.dead:
                writes = other.writes_until > self.now if self.exact else other.tenure.leads()
                assert other is leader or not writes, (leader.name, other.name)


class Candidate:
    """A process. It is also its own Leases and its own Surroundings."""

    def __init__(self, world: World, name: str, rate: float, terms: Terms) -> None:
        """`rate`: how fast its clock goes."""
        self.world, self.name, self.rate = world, name, rate
        self.link, self.stopped, self.skew = Link.FINE, False, timedelta()
        self.there = self.back = 0.0  # seconds that a request takes
        self.looks: list[bool] = []
        self.dice = 0.5
        self.lost: str | None = None  # why it leads no more
        self.writes_until = 0.0  # true time
        self.terms = terms
        self.tenure = Tenure(self.clock, terms)
        self.election = Election(self, self.tenure, terms, name, self, looked=self.looks.append)
        self._life: Coroutine[Any, Any, None] | None = self._live()
        self._waits: Request | Pause | None = None

    @property
    def over(self) -> bool:
        """It has come to its end."""
        return self._life is None

    def may_begin_a_write(self) -> None:
        """It does, if it is let, and takes all the time that it gets."""
        with contextlib.suppress(NotLeader):
            self.writes_until = max(self.writes_until, self.world.now + self.tenure.seconds_for_a_write())

    # Surroundings

    def clock(self) -> float:
        return 1000.0 * len(self.name) + self.world.now * self.rate

    def wall(self) -> datetime:
        return _NOON + timedelta(seconds=self.world.now) + self.skew

    async def pause(self, seconds: float) -> None:
        await wait_for(Pause(self.clock() + seconds))

    def chance(self) -> float:
        return self.dice

    # Leases

    async def read(self, timeout: float) -> Found | None:
        found: Found | None = await self._request(self.world.lease.read, timeout)
        return found

    async def create(self, record: Record, timeout: float) -> Found:
        found: Found = await self._request(lambda: self.world.lease.create(record), timeout)
        return found

    async def write(self, record: Record, version: str, timeout: float) -> Found:
        found: Found = await self._request(lambda: self.world.lease.write(record, version), timeout)
        return found

    async def _request(self, call: Callable[[], Found | None], timeout: float) -> Any:
        return await wait_for(Request(call, self.clock() + timeout))

    # What happens to it

    def terminate(self) -> None:
        """SIGTERM; a process that is stopped does not notice."""
        if self._life is not None and not self.stopped:
            self._life.close()
            self.writes_until = 0.0  # the work is done before the Lease is released: see leading.py
            self._life, self._waits = self.election.release(), None
            self.run()

    def kill(self) -> None:
        """kill -9, and nobody starts it again. What it has sent goes its way."""
        if self._life is not None:
            self._life.close()
        self._life = None
        self.tenure.end()
        self.world.candidates.remove(self)
        self.world.dead.append(self)

    def run(self) -> None:
        """Go on until it has to wait for time or for an answer."""
        while self._life is not None and not self.stopped and self._go_on(self._life):
            pass

    def _go_on(self, life: Coroutine[Any, Any, None]) -> bool:
        waits, answer = self._waits, None
        if isinstance(waits, Pause) and self.clock() < waits.until:
            return False
        if isinstance(waits, Request):
            answered = waits.executed and waits.answers <= self.world.now
            if not answered and self.clock() < waits.give_up:
                return False
            answer = waits.answer if answered else Unavailable(0, "timed out")
        try:
            self._waits = life.throw(answer) if isinstance(answer, ClusterError) else life.send(answer)
        except StopIteration:
            self._life = None
            return False
        if isinstance(self._waits, Request):
            self._send(self._waits)
        return True

    def _send(self, request: Request) -> None:
        request.executes = self.world.now + self.there
        request.answers = request.executes + self.back
        match self.link:
            case Link.REFUSED:
                request.executed, request.answer = True, Unavailable(500, "etcdserver: leader changed")
                return
            case Link.PUT_OFF:
                request.executed, request.answer = True, Unavailable(429, "too many requests", retry_after=3600)
                return
            case Link.ANSWER_LOST:
                request.answers = inf
            case Link.HELD:
                request.executes = inf
        self.world.under_way.append(request)
        self.world.deliver()

    async def _live(self) -> None:
        await self.election.acquire()
        self.lost = await self.election.hold()
        self.tenure.end()  # os._exit: see run.py
