"""What a process is given before it executes: limits, scheduling, capabilities. Applied, or an error says why not."""

import errno
import os
import resource

from reaper_runtime.errors import FailedPrecondition, InvalidArgument
from reaper_runtime.host import libc, privileges

TYPE_CHECKING = False
if TYPE_CHECKING:
    from reaper_runtime.oci.process import ProcessSpec

_NO_KEYS = (errno.ENOSYS, errno.EPERM)  # a kernel without keys, or a filter that the process inherits
_NO_LIMIT = (1 << 64) - 1


def set_before_user(spec: "ProcessSpec") -> None:
    """What only root may set; raises FailedPrecondition or InvalidArgument."""
    _leave_keyring()
    _set_limits(spec)
    _set_scheduling(spec)
    if spec.capabilities is not None:
        lacking = spec.capabilities.beyond(privileges.held_capabilities())
        if lacking:  # the kernel would only say that it is not permitted
            raise FailedPrecondition(f"node {os.uname().nodename} has no {lacking} to give to a process")
        privileges.limit_bounding_set(spec.capabilities)


def set_after_user(spec: "ProcessSpec") -> None:
    """What the change of the user would undo, or what would be in its way."""
    if spec.capabilities is not None:
        privileges.set_capabilities(spec.capabilities)
    if spec.no_new_privileges:
        libc.set_no_new_privileges()


def _leave_keyring() -> None:
    """The keys of the session that containerd was started in are not the process's. session-keyring(7)

    As root: the keyring counts for root's quota, and whoever has it as his session's may use it.
    """
    try:
        libc.leave_session_keyring()
    except OSError as error:
        if error.errno not in _NO_KEYS:
            raise FailedPrecondition(
                f"a session keyring cannot be made on node {os.uname().nodename}: {error.strerror}"
            ) from error


def _set_limits(spec: "ProcessSpec") -> None:
    if spec.oom_score_adj is not None:
        try:
            with open("/proc/self/oom_score_adj", "w") as file:
                file.write(str(spec.oom_score_adj))
        except OSError as error:
            raise FailedPrecondition(
                f"oom_score_adj {spec.oom_score_adj} cannot be set on node {os.uname().nodename}: {error.strerror}"
            ) from error
    for name, soft, hard in spec.rlimits:
        number = getattr(resource, name, None)
        if not name.startswith("RLIMIT_") or number is None:
            raise InvalidArgument(f"rlimit {name} is unknown on node {os.uname().nodename}")
        try:
            resource.setrlimit(number, (_limit(soft), _limit(hard)))
        except OverflowError as error:  # what Python can pass on ends before what the kernel takes
            raise FailedPrecondition(
                f"{name} cannot be set to {soft}/{hard}: limits end at {(1 << 63) - 1}, and {_NO_LIMIT} is none"
            ) from error
        except (OSError, ValueError) as error:
            raise FailedPrecondition(
                f"{name} cannot be set to {soft}/{hard} on node {os.uname().nodename}: {error}"
            ) from error


def _set_scheduling(spec: "ProcessSpec") -> None:
    if spec.scheduler is not None:
        privileges.set_scheduler(spec.scheduler)
    if spec.io_priority is not None:
        privileges.set_io_priority(spec.io_priority)
    if spec.personality is not None:
        privileges.set_personality(spec.personality)


def _limit(value: int) -> int:
    """The largest number of config.json means no limit, as for setrlimit(2); Python calls it -1."""
    return resource.RLIM_INFINITY if value >= _NO_LIMIT else value
