"""What has to be done when: one entry a name, with a delay that doubles while it fails."""

from __future__ import annotations

FIRST_RETRY = 0.5
LONGEST_RETRY = 60.0


class Agenda:
    """Times are the caller's, in seconds."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}
        self._failures: dict[str, int] = {}

    def add(self, name: str, due: float) -> None:
        """Do this at that time, and at no other; earlier failures are forgotten."""
        self._due[name] = due
        self._failures.pop(name, None)

    def take(self, now: float) -> str | None:
        """The one that has been due for longest, once. Call add() or retry() to have it again."""
        name = min(self._due, key=self._due.__getitem__, default=None)
        if name is None or self._due[name] > now:
            return None
        del self._due[name]
        return name

    def retry(self, name: str, now: float) -> float:
        """Again later, because it failed; in how many seconds."""
        failed = self._failures[name] = self._failures.get(name, 0) + 1
        delay = min(FIRST_RETRY * 2.0 ** min(failed - 1, 20), LONGEST_RETRY)
        self._due[name] = now + delay
        return delay

    def done(self, name: str) -> None:
        """It worked."""
        self._failures.pop(name, None)

    def has(self, name: str) -> bool:
        """Whether it is still to be done."""
        return name in self._due

    def wait(self, now: float) -> float | None:
        """Seconds until something is due; None if nothing is."""
        return max(min(self._due.values()) - now, 0.0) if self._due else None
