"""How the Pods of each unfinished task were seen last.

A Pod that is deleted right after it ended is gone from the API before a reconcile can read it; its exit
code was in the last watch event. This is only a memory of what the API said: losing it costs an exit code,
never a second run.

What a watch has just told of a Pod need not be asked for: it is news, once, for the reconcile that it brings about. Any
other reconcile asks, because a watch may have lost what came after.
"""

from dataclasses import replace

from reaper_operator.key import Key
from reaper_operator.observe import PodObservation


class LastSeenPods:
    """The last observation of each Pod, by task."""

    def __init__(self) -> None:
        self._last: dict[Key, dict[str, PodObservation]] = {}
        self._news: dict[Key, set[str]] = {}  # UIDs
        self._started: dict[Key, set[str]] = {}  # UIDs

    def __len__(self) -> int:
        """Tasks of which something is remembered."""
        return len({*self._last, *self._news, *self._started})

    def record(self, key: Key, pod: PodObservation) -> None:
        """`pod` belongs to a task `key` and was seen just now."""
        self._last.setdefault(key, {})[pod.uid] = pod

    def heard(self, key: Key, pod: PodObservation, *, gone: bool) -> None:
        """The same by a watch. `gone`: this was the last of it."""
        if pod.gated and pod.uid in self._started.get(key, ()):
            pod = replace(pod, gated=False)  # as it was before we let it go: the watch lags behind
        self.record(key, pod)
        if gone:
            self._news.get(key, set()).discard(pod.uid)
        else:
            self._news.setdefault(key, set()).add(pod.uid)

    def started(self, key: Key, uid: str) -> None:
        """We have let a Pod go: what was heard of its gate before is past."""
        self._started.setdefault(key, set()).add(uid)
        pod = self.get(key, uid)
        if pod is not None:
            self.record(key, replace(pod, gated=False))

    def news(self, key: Key, uid: str | None) -> PodObservation | None:
        """What a watch has told of one Pod since this was asked last."""
        told = self._news.pop(key, set())
        return self.get(key, uid) if uid in told else None

    def get(self, key: Key, uid: str | None) -> PodObservation | None:
        """The last observation of one Pod."""
        return self._last.get(key, {}).get(uid or "")

    def gated(self, key: Key) -> list[PodObservation]:
        """The Pods that had not been let go when they were seen last."""
        return [pod for pod in self._last.get(key, {}).values() if pod.gated]

    def drop(self, key: Key, uid: str) -> None:
        """One Pod is over or gone, and that is in the status."""
        for remembered in (self._news, self._started):
            remembered.get(key, set()).discard(uid)
        self._last.get(key, {}).pop(uid, None)

    def forget(self, key: Key) -> None:
        """The task is over or gone."""
        for remembered in (self._last, self._news, self._started):
            remembered.pop(key, None)
