"""What can go wrong in the runtime. Each error knows its gRPC code and the exit code of a command.

Codes are those of google.rpc.Code. containerd takes 5 for "gone already" and 6 for "there already", and goes on; 14 is
for what may succeed later. They are never used for anything else.
"""


class ReaperError(Exception):
    """Base of all errors of the runtime; the message is one sentence that a user can act on."""

    ttrpc_code = 2  # UNKNOWN
    exit_code = 1


class InvalidArgument(ReaperError):
    """The caller asked for something that can never be right."""

    ttrpc_code = 3
    exit_code = 2


class InvalidBundle(InvalidArgument):
    """The OCI bundle is missing, or its config.json cannot be run."""


class DeadlineExceeded(ReaperError):
    """The caller's time for the answer is over."""

    ttrpc_code = 4


class NotFound(ReaperError):
    """No such container or process. containerd takes it as "already gone"."""

    ttrpc_code = 5


class AlreadyExists(ReaperError):
    """The id is in use."""

    ttrpc_code = 6


class ResourceExhausted(ReaperError):
    """A message is larger than the protocol allows."""

    ttrpc_code = 8


class FailedPrecondition(ReaperError):
    """Not in this state: for example deleting what still runs, or a program that is not on the node."""

    ttrpc_code = 9


class Unimplemented(ReaperError):
    """This runtime does not do that, and says so."""

    ttrpc_code = 12


class Internal(ReaperError):
    """A defect of the runtime itself."""

    ttrpc_code = 13


class Unavailable(ReaperError):
    """The other side cannot be reached; trying again may help."""

    ttrpc_code = 14


class MalformedMessage(InvalidArgument):
    """Bytes that are not the protobuf message or ttrpc frame they claim to be."""
