"""Two operators at work at once, interleaved between any two calls to the API server: still one run at most.

The chart never wants two. An upgrade that goes wrong, or a request that outlives its operator, makes two.
"""

from __future__ import annotations

from types import coroutine
from typing import TYPE_CHECKING, Any

from hypothesis import example, given, settings
from hypothesis import strategies as st

from reaper_api.vocabulary import FINAL_PHASES, GATE_RECORDED
from reaper_operator.errors import ClusterError, Outcome
from reaper_operator.known import KnownTasks
from reaper_operator.last_seen import LastSeenPods
from reaper_operator.observe import observe
from reaper_operator.reconcile import Reconciler
from tests.fakes.cluster import FakeClock, FakeCluster

if TYPE_CHECKING:
    from collections.abc import Coroutine, Generator

    from reaper_operator.key import Key


@coroutine
def other_things_happen() -> Generator[None, None, None]:
    """Hand control to whoever drives the coroutine by hand."""
    yield


class SlowCluster:
    """Each call of a FakeCluster, with time for others before it and after it."""

    def __init__(self, cluster: FakeCluster) -> None:
        self._cluster = cluster

    def __getattr__(self, name: str) -> Any:
        call = getattr(self._cluster, name)

        async def slow(*arguments: Any) -> Any:
            await other_things_happen()
            result = await call(*arguments)
            await other_things_happen()
            return result

        return slow


class Operator:
    """One of the two. Its watch tells it everything as it happens."""

    def __init__(self, cluster: FakeCluster, key: Key, clock: FakeClock) -> None:
        self._cluster, self._key = cluster, key
        self._last_seen = LastSeenPods()
        self._reconcile = Reconciler(SlowCluster(cluster), self._last_seen, clock, lambda *_: None, KnownTasks(limit=0))
        self._at_work: Coroutine[Any, Any, None] | None = None

    def step(self) -> bool:
        """Go on to the next call. True if that was the end of a reconcile."""
        for pod in self._cluster.pods.values():
            self._last_seen.record(self._key, observe(pod))
        if self._at_work is None:
            self._at_work = self._reconcile(self._key)
        try:
            self._at_work.send(None)
        except (StopIteration, Outcome, ClusterError):
            self._at_work = None
        return self._at_work is None

    def finish(self) -> None:
        """The rest of this reconcile, and a whole one more for each thing that it may have found."""
        for _ in range(4):
            while not self.step():
                pass


class Stage:
    """A task, two operators, and a world that goes on."""

    def __init__(self, backoff_limit: int) -> None:
        self.cluster, self.clock = FakeCluster(), FakeClock()
        self.key = self.cluster.add_task(backoffLimit=backoff_limit)
        self.limit = backoff_limit
        self.operators = {name: Operator(self.cluster, self.key, self.clock) for name in "ab"}

    def happen(self, step: str) -> None:
        match step:
            case "a" | "b":
                self.operators[step].step()
            case "start":
                for pod in list(self.cluster.pods):
                    self.cluster.start(pod)
            case "end" | "fail":
                for pod in list(self.cluster.pods):
                    self.cluster.end(pod, 0 if step == "end" else 1)
            case "delete pod":
                for pod in list(self.cluster.pods):
                    self.cluster.delete_pod(pod, force=True)
            case "wait":
                self.clock.advance(400)

    def check(self) -> None:
        attempts = [attempt for _, attempt in self.cluster.attempts_started]
        assert len(set(attempts)) == len(attempts), "an attempt runs once"
        assert self.limit > 0 or len(attempts) <= 1, "nobody agreed to a second attempt"
        running = [pod for pod in self.cluster.pods.values() if pod["status"]["phase"] == "Running"]
        assert len(running) <= 1, "no two attempts at once"

    def end_well(self) -> None:
        """Left alone, the task comes to its end, and no Pod is left that can never start."""
        for _ in range(4):
            for operator in self.operators.values():
                operator.finish()
                self.check()
            for step in ("start", "end", "wait"):
                self.happen(step)
        for operator in self.operators.values():
            operator.finish()
        self.check()
        status = self.cluster.status(self.key)
        assert status["phase"] in FINAL_PHASES
        gated = [
            p for p in self.cluster.pods.values() if {"name": GATE_RECORDED} in p["spec"].get("schedulingGates", [])
        ]
        assert gated == []


WORLD = st.sampled_from(["start", "fail", "wait", "delete pod", "start", "end"])
WORK = st.sampled_from(["a", "b"])
BURST = st.tuples(WORK, st.integers(1, 16)).map(lambda burst: [burst[0]] * burst[1])
STORIES = st.lists(st.one_of(BURST, BURST, WORLD.map(lambda step: [step])), max_size=14).map(
    lambda parts: [step for part in parts for step in part]
)


@settings(max_examples=150)
@given(STORIES, st.sampled_from([0, 2]))
# B decides to create; A creates, records and is done; A's Pod is deleted; B creates.
@example([*"bbb", *("a" * 14), "delete pod", *("b" * 14)], 0)
# The same, but A's Pod has run by then.
@example([*"bbb", *("a" * 14), "start", "end", *("a" * 14), "delete pod", *("b" * 14)], 0)
# The same, with another attempt of A's between.
@example([*"bbb", *("a" * 14), "start", "fail", *("a" * 14), "wait", *("a" * 14), "delete pod", *("b" * 30)], 2)
def test_two_operators_never_run_an_attempt_twice(story: list[str], backoff_limit: int) -> None:
    stage = Stage(backoff_limit)
    for step in story:
        stage.happen(step)
        stage.check()
    stage.end_well()
