"""fork(2) into a cgroup, by clone3(2). Imported once, in the fork server.

Moving a process into a cgroup later waits for all CPUs (an RCU grace period: 10 ms where nobody else has moved one just
now). To be born in it costs nothing.
"""

import ctypes
import errno
import os

from reaper_runtime.stdlib import signal

_libc = ctypes.PyDLL(None, use_errno=True)  # which keeps the interpreter's lock, as the functions below need
_CLONE3 = 435  # on all architectures
_CLONE_INTO_CGROUP = 0x2_0000_0000


class _CloneArgs(ctypes.Structure):
    """struct clone_args of clone3(2), as of Linux 5.7"""

    _fields_ = tuple(
        (name, ctypes.c_uint64)
        for name in (
            "flags", "pidfd", "child_tid", "parent_tid", "exit_signal", "stack", "stack_size", "tls", "set_tid",
            "set_tid_size", "cgroup",
        )
    )  # fmt: skip


def fork_into(cgroup: str) -> int | None:
    """As os.fork(), with the child in this directory of cgroup version 2; None where that cannot be done.

    Only for single-threaded processes. Raises OSError when the node has no process left to give.
    """
    try:
        fd = os.open(cgroup, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return None
    args = _CloneArgs(flags=_CLONE_INTO_CGROUP, exit_signal=signal.SIGCHLD, cgroup=fd)
    ctypes.pythonapi.PyOS_BeforeFork()
    pid: int = _libc.syscall(_CLONE3, ctypes.byref(args), ctypes.sizeof(args))
    code = ctypes.get_errno()
    if pid == 0:
        ctypes.pythonapi.PyOS_AfterFork_Child()
        return 0
    ctypes.pythonapi.PyOS_AfterFork_Parent()
    os.close(fd)
    if pid < 0 and code in (errno.EAGAIN, errno.ENOMEM):
        raise OSError(code, os.strerror(code))
    return pid if pid > 0 else None  # an older kernel, or a filter that does not know the call
