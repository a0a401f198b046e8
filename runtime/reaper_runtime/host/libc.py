"""The few system calls that Python 3.11 does not offer, by ctypes. Imported once, in the fork server."""

import ctypes
import os

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 36, 38  # prctl(2)
_RT_SIGACTION = {"x86_64": 13, "ppc64le": 173, "s390x": 174}.get(os.uname().machine, 134)  # 134: asm-generic/unistd.h
_LIBRARY_SIGNALS = (32, 33)  # nptl(7): sigaction(3) refuses them, and posix_spawn(3) of glibc leaves them ignored
_SIGSET_SIZE = 8


def become_subreaper() -> None:
    """Orphans among our descendants become our children (prctl(2), PR_SET_CHILD_SUBREAPER); raises OSError."""
    _prctl(_PR_SET_CHILD_SUBREAPER)


def set_no_new_privileges() -> None:
    """No program executed from here on gains privileges (prctl(2), PR_SET_NO_NEW_PRIVS); raises OSError."""
    _prctl(_PR_SET_NO_NEW_PRIVS)


def reset_library_signals() -> None:
    """Give the C library's own signals their default action, which a program that we execute would inherit ignored."""
    default = ctypes.create_string_buffer(32)  # struct sigaction of the kernel: SIG_DFL, no flags, empty mask
    for number in _LIBRARY_SIGNALS:
        _libc.syscall(_RT_SIGACTION, number, default, None, _SIGSET_SIZE)


def _prctl(option: int) -> None:
    if _libc.prctl(option, 1, 0, 0, 0) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def set_command_line(text: str) -> None:
    """Show this text in ps and /proc/PID/cmdline, by writing over our own argument area (proc(5)).

    Cut to the length of that area: the fork server is started with arguments that are long enough.
    """
    with open("/proc/self/stat", "rb") as stat:
        fields = stat.read().rpartition(b")")[2].split()
    start, end = int(fields[45]), int(fields[46])  # arg_start and arg_end: fields 48 and 49 of proc(5)
    size = end - start
    if start == 0 or size < 2:
        return
    data = text.encode()[: size - 1].replace(b" ", b"\0").ljust(size, b"\0")
    ctypes.memmove(start, data, size)
    with open("/proc/self/comm", "wb") as comm:
        comm.write(text.split(" ")[0].rpartition("/")[2].encode()[:15])
