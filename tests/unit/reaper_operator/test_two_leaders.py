"""Candidates in a world without mercy: never two that lead at the same moment, and always one when it calms down."""

from __future__ import annotations

from datetime import timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from tests.fakes.candidates import TERMS, Candidate, Link, World

WHO = st.integers(0, 3)  # 3: the leader, if there is one
DELAYS = st.sampled_from([0.0, 0.0, 0.25, 1.0, 4.5])
CALM = 3.0 * TERMS.lease  # seconds in which one of them has to lead, once all is well


class Candidates(RuleBasedStateMachine):
    """Clocks of the same rate. Stronger than one leader at most: nobody leads while a write of another may be done."""

    rates = (1.0, 1.0, 1.0)

    @initialize()
    def begin(self) -> None:
        self.world = World(exact=len(set(self.rates)) == 1)
        for rate in self.rates:
            self.world.add(rate=rate)

    @rule(seconds=st.sampled_from([0.25, 1.0, 2.0, 4.0, 8.0, 14.75, 15.0, 40.0]))
    def time_passes(self, seconds: float) -> None:
        self.world.pass_time(seconds)

    @rule(number=WHO, link=st.sampled_from(Link))
    def the_network_changes(self, number: int, link: Link) -> None:
        self._candidate(number).link = link

    @rule(number=WHO, there=DELAYS, back=DELAYS)
    def the_network_is_slow(self, number: int, there: float, back: float) -> None:
        candidate = self._candidate(number)
        candidate.there, candidate.back = there, back

    @rule(number=st.integers(0, 9))
    def a_request_arrives_late(self, number: int) -> None:
        if self.world.under_way:
            self.world.under_way[number % len(self.world.under_way)].executes = self.world.now
            self.world.deliver()

    @rule(number=WHO)
    def a_process_is_stopped_or_woken(self, number: int) -> None:
        candidate = self._candidate(number)
        candidate.stopped = not candidate.stopped

    @rule(number=WHO, hours=st.integers(-48, 48))
    def a_clock_jumps(self, number: int, hours: int) -> None:
        self._candidate(number).skew = timedelta(hours=hours)

    @rule(number=WHO)
    def a_process_is_killed_and_started_anew(self, number: int) -> None:
        self._replace(self._candidate(number))

    @rule(number=WHO)
    def a_process_is_told_to_end(self, number: int) -> None:
        self._candidate(number).terminate()

    @rule(dice=st.lists(st.floats(0, 1), min_size=3, max_size=3))
    def they_wait_for_different_times(self, dice: list[float]) -> None:
        for candidate, chance in zip(self.world.candidates, dice, strict=True):
            candidate.dice = chance

    @rule()
    def somebody_sets_a_label(self) -> None:
        self.world.lease.touch()

    @invariant()
    def one_leads_at_most(self) -> None:
        self.world.check()

    def teardown(self) -> None:
        """It calms down; and what ended is started anew, as kubelet does."""
        world = self.world
        for candidate in world.candidates:
            candidate.link, candidate.stopped = Link.FINE, False
            candidate.there = candidate.back = 0.0
            candidate.run()
        for request in world.under_way:
            request.executes = world.now
        world.deliver()
        for candidate in list(world.candidates):
            if candidate.over:
                self._replace(candidate)
        world.pass_time(CALM)
        assert len(world.leaders()) == 1
        (before,) = world.leaders()
        world.pass_time(CALM)
        assert world.leaders() == [before]

    def _candidate(self, number: int) -> Candidate:
        leaders = self.world.leaders()
        candidate = leaders[0] if leaders and number == 3 else self.world.candidates[number % 3]
        return self._replace(candidate) if candidate.over else candidate

    def _replace(self, candidate: Candidate) -> Candidate:
        candidate.kill()
        return self.world.add(rate=candidate.rate)


class CandidatesWithoutOneClock(Candidates):
    """A clock may go wrong by less than lease to renew: here by a tenth each way."""

    rates = (0.9, 1.0, 1.1)


TestCandidates = Candidates.TestCase
TestCandidates.settings = settings(max_examples=100, stateful_step_count=40)
TestCandidatesWithoutOneClock = CandidatesWithoutOneClock.TestCase
TestCandidatesWithoutOneClock.settings = TestCandidates.settings
