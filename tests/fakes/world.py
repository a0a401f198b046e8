"""A cluster and one life of the operator, stepped by hand."""

from typing import Any

from reaper_operator.key import Key
from reaper_operator.known import KnownTasks
from reaper_operator.last_seen import LastSeenPods
from reaper_operator.reconcile import Reconciler
from tests.fakes.cluster import FakeClock, FakeCluster


class World:
    """A cluster and one life of the operator."""

    def __init__(self) -> None:
        self.cluster = FakeCluster()
        self.clock = FakeClock()
        self.restart()

    def restart(self) -> None:
        """A new operator process: it remembers nothing."""
        self.last_seen = LastSeenPods()
        self.looks: dict[Key, float] = {}
        self.known = KnownTasks()
        self.reconcile = Reconciler(
            self.cluster, self.last_seen, self.clock, self.looks.__setitem__, KnownTasks(limit=0)
        )
        self.knowing = Reconciler(self.cluster, self.last_seen, self.clock, self.looks.__setitem__, self.known)

    def condition(self, key: Key, kind: str) -> dict[str, Any] | None:
        conditions = self.cluster.status(key).get("conditions", [])
        return next((condition for condition in conditions if condition["type"] == kind), None)

    async def running(self, **spec: Any) -> Key:
        """A task whose process runs."""
        key = self.cluster.add_task(**spec)
        await self.reconcile(key)
        assert self.cluster.start(key)
        await self.reconcile(key)
        return key
