"""Errors that carry their consequence: what becomes of the task, and whether it is tried again.

Outcome
├── Waiting       said in the status, tried again
└── Stalled       said in the status and in the condition Stalled; a person has to act
ClusterError      a call to the API server failed; tried again unless somebody decides otherwise
├── AlreadyExists
├── Conflict      somebody else wrote first: read again, decide again
├── Forbidden     RBAC, admission or quota
├── Invalid       the object can never be right
├── NotFound
└── Unavailable   timeouts, 429, 5xx, no connection
"""


class Outcome(Exception):
    """A reconcile that cannot go on, for a reason that the user should read."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(f"{reason}: {message}")
        self.reason = reason
        self.message = message


class Waiting(Outcome):
    """It will pass by itself: try again after the queue's back-off."""


class Stalled(Outcome):
    """It will not pass by itself: no retry with back-off, only the periodic look of the resync."""


class ClusterError(Exception):
    """The API server refused or failed. The message is its own."""

    def __init__(self, status: int, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.status = status  # HTTP status; 0 without an answer
        self.message = message
        self.retry_after = retry_after  # seconds, where the server named them


class AlreadyExists(ClusterError):
    """409 on create."""


class Conflict(ClusterError):
    """409 on patch: the object is not the one that was read."""


class Forbidden(ClusterError):
    """403: RBAC, an admission plugin or a quota."""


class Invalid(ClusterError):
    """400, 413 or 422: no retry can help."""


class NotFound(ClusterError):
    """404."""


class Unavailable(ClusterError):
    """No answer, 429 or 5xx."""
