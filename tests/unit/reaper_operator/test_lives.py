"""Whole lives of a task, with everything that can happen to it in any order: crashes in the middle of any call, errors,
other writers, kubelet, users. No attempt runs twice, no two at once, and what is over stays over."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from reaper_api.translate import pod_name
from reaper_api.vocabulary import FINAL_PHASES
from reaper_operator.errors import ClusterError, Unavailable, Waiting
from reaper_operator.observe import PodObservation, observe
from tests.fakes.cluster import no_fault
from tests.fakes.world import World

if TYPE_CHECKING:
    from reaper_operator.key import Key
    from reaper_operator.known import KnownTasks

pytestmark = pytest.mark.timeout(60)

Step = tuple[Any, ...]
NAME = "hello"
LEFT = 5  # attempts that a story may need to come to its end when it is left alone


class Crash(BaseException):
    """kill -9 in the middle of a call."""


GO, NEXT = ("go",), ("next",)  # an attempt gets to run; the one after the back-off does
OVER = st.tuples(st.just("over"), st.sampled_from([0, 1, 1, 1, 137]))  # it ends, and that is seen
DETAILS = st.one_of(
    st.just(("reconcile",)),
    st.just(("start",)),
    st.tuples(st.just("end"), st.sampled_from([0, 1, 137])),
    st.tuples(st.just("wait"), st.sampled_from([1, 10, 60, 400])),
    st.just(("kubelet",)),
    st.tuples(st.just("crash"), st.integers(0, 6), st.booleans()),
    st.tuples(st.just("unavailable"), st.integers(0, 6), st.booleans()),
    st.just(("delete pod",)),
    st.just(("delete pod by force",)),
    st.just(("user writes",)),
    st.just(("restart",)),
    st.tuples(st.just("suspend"), st.booleans()),
    st.tuples(st.just("deadline"), st.sampled_from([1, 30, 3600])),
)
STEPS = st.lists(st.one_of(st.sampled_from([GO, NEXT]), OVER, DETAILS, DETAILS), max_size=20)
STORIES = st.tuples(st.sampled_from([[], [GO], [GO, ("over", 1), NEXT]]), STEPS).map(lambda parts: parts[0] + parts[1])
LIMITS = st.sampled_from([0, 1, 3, 3])


class Life:
    """One task and what is known of its past."""

    def __init__(self, backoff_limit: int) -> None:
        self.world = World()
        self.key = self.world.cluster.add_task(NAME, backoffLimit=backoff_limit)
        self.backoff_limit = backoff_limit
        self.was_suspended = False
        self.final: dict[str, Any] | None = None
        self.started_when_final = 0
        self.counts = (0, 0, 0, 0)

    @property
    def status(self) -> dict[str, Any]:
        return self.world.cluster.status(self.key)

    @property
    def pod(self) -> Key:
        """The newest Pod's key, if there is any."""
        names = [pod_name(NAME, number) for number in range(40, 0, -1)]
        found = [self.key._replace(name=name) for name in names]
        return next((key for key in found if key in self.world.cluster.pods), self.key)

    def check(self) -> None:
        cluster, status = self.world.cluster, self.status
        attempts = [attempt for _, attempt in cluster.attempts_started]
        assert len(set(attempts)) == len(attempts), "an attempt runs once"
        running = [pod for pod in cluster.pods.values() if pod["status"]["phase"] == "Running"]
        assert len(running) <= 1, "no two attempts at once"
        if self.backoff_limit == 0 and not self.was_suspended:
            assert len(attempts) <= 1, "nobody agreed to a second attempt"
        counts = (
            status.get("attempts", 0),
            status.get("failures", 0),
            status.get("interruptions", 0),
            status.get("lastFailure", {}).get("attempt", 0),
        )
        assert all(new >= old for new, old in zip(counts, self.counts, strict=True)), "counts only grow"
        self.counts = counts
        if self.final is not None:
            assert {**status, "observedGeneration": 0} == {**self.final, "observedGeneration": 0}
            assert len(attempts) == self.started_when_final, "what is over does not run again"
        elif status.get("phase") in FINAL_PHASES:
            self.final, self.started_when_final = dict(status), len(attempts)

    def look(self) -> None:
        """What the watch tells."""
        for pod in self.world.cluster.pods.values():
            self.world.last_seen.record(self.key, observe(pod))

    async def live(self, step: Step) -> None:
        match step:
            case ("reconcile",):
                self.look()
                await self.reconcile()
            case ("go",):
                await self.live_all(("reconcile",), ("start",), ("reconcile",))
            case ("next",):
                kubelet: list[Step] = [("kubelet",), ("reconcile",)]
                await self.live_all(("wait", 400), *kubelet, *kubelet, ("start",), ("reconcile",))
            case ("over", int(code)):
                await self.live_all(("end", code), ("reconcile",))
            case ("restart",):
                self.world.restart()
            case ("crash" | "unavailable" as kind, int(at), bool(after)):
                error = Crash() if kind == "crash" else Unavailable(500, "down")
                await self.interrupted(error, at, after=after)
            case _:
                self.happen(step)

    async def live_all(self, *steps: Step) -> None:
        for step in steps:
            await self.live(step)

    def happen(self, step: Step) -> None:
        """What the operator has no part in."""
        cluster = self.world.cluster
        match step:
            case ("start",):
                cluster.start(self.pod)
            case ("end", int(code)):
                cluster.end(self.pod, code)
            case ("wait", int(seconds)):
                self.pass_time(seconds)
            case ("kubelet",):
                cluster.tick()
            case ("delete pod",):
                cluster.delete_pod(self.pod)
            case ("delete pod by force",):
                cluster.delete_pod(self.pod, force=True)
            case ("user writes",):
                cluster.touch(self.key)
            case ("suspend", bool(wanted)):
                self.was_suspended |= wanted
                cluster.edit(self.key, suspend=wanted)
            case ("deadline", int(seconds)):
                cluster.edit(self.key, activeDeadlineSeconds=seconds)

    def pass_time(self, seconds: float) -> None:
        self.world.clock.advance(seconds)
        self.world.cluster.time = self.world.clock.now.isoformat().replace("+00:00", "Z")

    async def reconcile(self) -> None:
        with suppress(ClusterError, Waiting):  # the queue would come again
            await self.world.reconcile(self.key)

    async def interrupted(self, error: BaseException, at: int, *, after: bool) -> None:
        """A reconcile whose `at`-th call fails: before it has an effect, or after."""
        calls = 0

        def fault(call: str, done: bool) -> None:  # noqa: FBT001 - see Fault
            nonlocal calls
            calls += not done
            if calls > at and done == after:
                raise error

        self.world.cluster.fault = fault
        try:
            await self.reconcile()
        except Crash:
            self.world.restart()
        finally:
            self.world.cluster.fault = no_fault

    async def end_well(self) -> None:
        """Whatever has happened: left alone, every process succeeds, and the task comes to its end."""
        self.world.restart()
        self.world.cluster.edit(self.key, suspend=False, activeDeadlineSeconds=10**6)
        for _ in range(LEFT):
            self.pass_time(400)
            for _ in range(2):
                self.world.cluster.tick()
                self.look()
                await self.reconcile()
                self.check()
            self.world.cluster.start(self.pod)
            self.world.cluster.end(self.pod, 0)


class WatchedLife(Life):
    """One whose operator goes by what watches have told, which is how things were some looks ago."""

    def __init__(self, backoff_limit: int, lag: int) -> None:
        super().__init__(backoff_limit)
        self.lag = lag
        self._past: list[tuple[dict[str, Any], dict[str, PodObservation]]] = []
        self._told_to: KnownTasks | None = None  # the memory of which life of the operator
        self._told: dict[str, PodObservation] = {}

    def look(self) -> None:
        pods = [observe(pod) for pod in self.world.cluster.pods.values()]
        self._past.append((deepcopy(self.world.cluster.tasks[self.key]), {pod.uid: pod for pod in pods}))
        if self._told_to is not self.world.known:
            self._told_to, self._told = self.world.known, {}
        task, there = self._past[max(0, len(self._past) - 1 - self.lag)]
        self.world.known.heard(self.key, task)
        for pod in there.values():
            if self._told.get(pod.uid) != pod:
                self.world.last_seen.heard(self.key, pod, gone=False)
        for uid in self._told.keys() - there.keys():
            self.world.last_seen.heard(self.key, self._told[uid], gone=True)
        self._told = there

    async def reconcile(self) -> None:
        with suppress(ClusterError, Waiting):
            await self.world.knowing(self.key)

    async def end_well(self) -> None:
        self.lag = 0
        await super().end_well()


@settings(max_examples=250)
@given(STORIES, LIMITS)
# Resumed while its process is still being ended.
@example(
    [("reconcile",), ("start",), ("suspend", True), ("reconcile",), ("suspend", False), ("kubelet",), ("reconcile",)], 0
)
# The answer to the record is lost, and the Pod is deleted before anybody reads it.
@example([("unavailable", 2, True), ("delete pod",), ("reconcile",), ("wait", 60), ("reconcile",)], 1)
def test_no_attempt_ever_runs_twice_whatever_happens_when(story: list[Step], backoff_limit: int) -> None:
    asyncio.run(_tell(Life(backoff_limit), story))


@settings(max_examples=250)
@given(STORIES, LIMITS, st.sampled_from([0, 1, 1, 3]))
def test_nor_by_what_a_watch_has_told_however_late_it_is(story: list[Step], backoff_limit: int, lag: int) -> None:
    asyncio.run(_tell(WatchedLife(backoff_limit, lag), story))


async def _tell(life: Life, story: list[Step]) -> None:
    for step in story:
        await life.live(step)
        life.check()
    await life.end_well()
    assert life.status["phase"] in FINAL_PHASES
    assert "reaper.io/process" not in life.world.cluster.tasks[life.key]["metadata"].get("finalizers", [])


@settings(max_examples=100)
@given(STORIES, st.booleans())
def test_a_deleted_task_goes_when_its_process_is_gone_and_not_before(story: list[Step], orphan: bool) -> None:  # noqa: FBT001
    asyncio.run(_tell_and_delete(story, orphan=orphan))


async def _tell_and_delete(story: list[Step], *, orphan: bool) -> None:
    life = Life(2)
    for step in story:
        await life.live(step)
    cluster = life.world.cluster
    cluster.delete(life.key, orphan=orphan)
    before = len(cluster.starts)
    for _ in range(4):
        life.look()
        await life.reconcile()
        running = [pod for pod in cluster.pods.values() if pod["status"]["phase"] == "Running"]
        assert orphan or life.key in cluster.tasks or not running
        if not orphan:
            cluster.tick()
        cluster.collect()
        for key in list(cluster.pods):
            cluster.start(key)
    assert life.key not in cluster.tasks
    assert orphan or not cluster.pods
    assert len(cluster.starts) <= before + 1, "at most the Pod whose gate was off already"
