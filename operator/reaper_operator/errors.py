"""Errors that carry their consequence: what becomes of the task, and whether it is tried again.

Outcome
├── Waiting       said in the status, tried again
└── Stalled       said in the status and in the condition Stalled; a person has to act
ClusterError      a call to the API server failed; tried again unless somebody decides otherwise
├── AlreadyExists
├── Conflict      somebody else wrote first: read again, decide again
├── Forbidden     RBAC, admission or quota
├── Invalid       the object has wrong fields
├── NotFound
├── NotLeader     the Lease is not ours, or not any more: the request was not sent
├── Unavailable   timeouts, 429, 5xx, no connection, no JSON
└── Unreadable    an object that makes no sense to this operator
"""


class Outcome(Exception):
    """A reconcile that cannot go on, for a reason that the user should read."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message


class Waiting(Outcome):
    """It may pass by itself: try again after the queue's back-off, or after `retry_after` seconds if that is later."""

    def __init__(self, reason: str, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(reason, message)
        self.retry_after = retry_after


class Stalled(Outcome):
    """A person has to act: no retry with back-off. The resync looks again, so nobody has to tell the operator."""


class ClusterError(Exception):
    """The API server refused or failed. The message is its own."""

    def __init__(self, status: int, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status  # HTTP status; 0 without an answer
        self.message = message
        self.retry_after = retry_after  # seconds, where the server named them


class AlreadyExists(ClusterError):
    """409 on create: the name is taken."""


class Conflict(ClusterError):
    """409: somebody else wrote first."""


class Forbidden(ClusterError):
    """403, or 400, 413 or 422 on create without a word about a field: RBAC, admission or a quota."""


class Invalid(ClusterError):
    """422 with the names of wrong fields: as it is, the object will not be taken."""


class NotFound(ClusterError):
    """404."""


class NotLeader(ClusterError):
    """The request was not sent: only the leader may write."""

    def __init__(self, age: float | None) -> None:
        """`age`: seconds since the last confirmed renewal; None if there was none."""
        why = "this replica does not lead" if age is None else f"the Lease was not renewed for {age:.1f} s"
        super().__init__(0, f"not sent: {why}")


class Unavailable(ClusterError):
    """No answer, one that is not from Kubernetes, 429 or 5xx."""


class Unreadable(ClusterError):
    """An object that makes no sense to this operator: somebody else's schema allows it."""

    def __init__(self, what: str) -> None:
        super().__init__(200, what)
