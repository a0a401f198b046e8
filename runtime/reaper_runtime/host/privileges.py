"""Capabilities, scheduling and personality of the calling process, by ctypes. Imported once, in the fork server."""

import ctypes
import os

from reaper_runtime.errors import FailedPrecondition

TYPE_CHECKING = False
if TYPE_CHECKING:
    from reaper_runtime.oci.capabilities import Capabilities
    from reaper_runtime.oci.scheduling import Scheduler

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_KEEPCAPS, _PR_CAPBSET_READ, _PR_CAPBSET_DROP, _PR_CAP_AMBIENT = 8, 23, 24, 47  # prctl(2)
_AMBIENT_RAISE, _AMBIENT_CLEAR_ALL = 2, 4
_VERSION_3 = 0x20080522  # _LINUX_CAPABILITY_VERSION_3: two words a set
_WORD = (1 << 32) - 1
_IOPRIO_WHO_PROCESS = 1
# sched_setattr(2) and ioprio_set(2) have no wrapper in the C library; the default is asm-generic/unistd.h
_SCHED_SETATTR = {"x86_64": 314, "ppc64le": 355, "s390x": 345}.get(os.uname().machine, 274)
_IOPRIO_SET = {"x86_64": 251, "ppc64le": 273, "s390x": 282}.get(os.uname().machine, 30)


class _Header(ctypes.Structure):
    """struct __user_cap_header_struct"""

    _fields_ = (("version", ctypes.c_uint32), ("pid", ctypes.c_int))


class _SchedAttr(ctypes.Structure):
    """struct sched_attr, as of Linux 3.14"""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("policy", ctypes.c_uint32),
        ("flags", ctypes.c_uint64),
        ("nice", ctypes.c_int32),
        ("priority", ctypes.c_uint32),
        ("runtime", ctypes.c_uint64),
        ("deadline", ctypes.c_uint64),
        ("period", ctypes.c_uint64),
    )


def limit_bounding_set(wanted: "Capabilities") -> None:
    """Before the user changes: drop what may never be had, and keep the rest over that change. Raises OSError."""
    number = 0
    while (held := _libc.prctl(_PR_CAPBSET_READ, number, 0, 0, 0)) >= 0:  # -1 beyond the kernel's last
        if held and not wanted.bounding >> number & 1:
            _call(_libc.prctl(_PR_CAPBSET_DROP, number, 0, 0, 0))
        number += 1
    _call(_libc.prctl(_PR_SET_KEEPCAPS, 1, 0, 0, 0))


def set_capabilities(wanted: "Capabilities") -> None:
    """After the user has changed: exactly these sets; raises OSError (EPERM: more than the process ever had)."""
    words = [
        half for shift in (0, 32) for mask in (wanted.effective, wanted.permitted, wanted.inheritable)
        for half in (mask >> shift & _WORD,)
    ]  # fmt: skip
    _call(_libc.capset(ctypes.byref(_Header(_VERSION_3, 0)), (ctypes.c_uint32 * 6)(*words)))
    _call(_libc.prctl(_PR_SET_KEEPCAPS, 0, 0, 0, 0))
    _call(_libc.prctl(_PR_CAP_AMBIENT, _AMBIENT_CLEAR_ALL, 0, 0, 0))
    for number in range(wanted.ambient.bit_length()):
        if wanted.ambient >> number & 1:
            _call(_libc.prctl(_PR_CAP_AMBIENT, _AMBIENT_RAISE, number, 0, 0))


def held_capabilities() -> int:
    """The permitted set of this process."""
    with open("/proc/self/status") as file:
        return next(int(line.split()[1], 16) for line in file if line.startswith("CapPrm:"))


def set_scheduler(wanted: "Scheduler") -> None:
    """sched_setattr(2) for this process; raises FailedPrecondition."""
    attr = _SchedAttr(
        ctypes.sizeof(_SchedAttr), wanted.policy, wanted.flags, wanted.nice, wanted.priority,
        wanted.runtime, wanted.deadline, wanted.period,
    )  # fmt: skip
    try:
        _call(_libc.syscall(_SCHED_SETATTR, 0, ctypes.byref(attr), 0))
    except OSError as error:
        raise FailedPrecondition(
            f"scheduler {wanted.name} cannot be set on node {os.uname().nodename}: {error.strerror}"
        ) from error


def set_io_priority(value: int) -> None:
    """ioprio_set(2) for this process; raises FailedPrecondition."""
    try:
        _call(_libc.syscall(_IOPRIO_SET, _IOPRIO_WHO_PROCESS, 0, value))
    except OSError as error:
        raise FailedPrecondition(f"ioPriority cannot be set on node {os.uname().nodename}: {error.strerror}") from error


def set_personality(value: int) -> None:
    """personality(2); raises FailedPrecondition."""
    if _libc.personality(ctypes.c_ulong(value)) < 0:
        raise FailedPrecondition(f"personality {value:#x} cannot be set on node {os.uname().nodename}")


def _call(result: int) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))
