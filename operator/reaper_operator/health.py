"""What the operator knows about itself, and no more.

Alive means that its loops turn. It does not depend on the API server: killing the operator would not bring that back.
Ready means that a replica does what its part is. A standby looks at the Lease; the leader watches, and its last resync
went well not long ago.
"""

from collections.abc import Callable

MISSED = 3  # intervals without a try before something is wrong


class Pulse:
    """The tries of a part that tries again and again. Times are seconds of a monotonic clock."""

    def __init__(self, monotonic: Callable[[], float], *, interval: float, slack: float) -> None:
        """A try is due every `interval` seconds and may itself take `slack`."""
        self._monotonic = monotonic
        self._limit = MISSED * interval + slack
        self.restart()

    def restart(self) -> None:
        """The part begins now."""
        self._tried = self._succeeded = self._monotonic()
        self.succeeded = False  # ever

    def beat(self, succeeded: bool) -> None:  # noqa: FBT001 - the election calls it as it calls any listener
        """It was tried just now."""
        self._tried = self._monotonic()
        if succeeded:
            self._succeeded, self.succeeded = self._tried, True

    def seconds_still(self) -> float | None:
        """For how long nothing was tried, if that is too long."""
        return self._too_long(self._tried)

    def seconds_failing(self) -> float | None:
        """For how long nothing has succeeded, if that is too long."""
        return self._too_long(self._succeeded)

    def _too_long(self, since: float) -> float | None:
        age = self._monotonic() - since
        return age if age > self._limit else None


class Health:
    """Signs of life, written by the parts, read by the probes."""

    def __init__(self, lease: Pulse, resync: Pulse) -> None:
        self.lease = lease
        self.resync = resync
        self.leading = False
        self.watching = False
        self.watch_fault = ""  # why not, where it is known
        self.stopping = False
        self.webhooks: str | None = None  # why they are not served, where they are to be

    def lead(self) -> None:
        """This replica leads from now on."""
        self.resync.restart()
        self.leading = True

    def liveness_problem(self) -> str | None:
        """Why the process should be restarted, if it should."""
        pulse, what = (self.resync, "resync") if self.leading else (self.lease, "look at the Lease")
        still = pulse.seconds_still()
        return None if still is None else f"no {what} was even tried for {still:.0f} s"

    def readiness_problem(self) -> str | None:
        """Why this replica does not do its part, if it does not."""
        if self.stopping:
            return "stopping"
        if self.webhooks is not None:
            return self.webhooks
        if not self.leading:
            return self._standby_problem()
        if not self.watching:
            return self.watch_fault or "not watching yet"
        failing = self.resync.seconds_failing()
        return None if failing is None else f"the API server has not answered a resync for {failing:.0f} s"

    def _standby_problem(self) -> str | None:
        if not self.lease.succeeded:
            return "the Lease was not seen yet"
        failing = self.lease.seconds_failing()
        return None if failing is None else f"the Lease was not seen for {failing:.0f} s"
