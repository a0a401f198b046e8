"""The few system calls that Python 3.11 does not offer, by ctypes. Imported once, in the fork server."""

import ctypes
import os

_libc = ctypes.CDLL(None, use_errno=True)
_PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 36, 38  # prctl(2)
_RT_SIGACTION = {"x86_64": 13, "ppc64le": 173, "s390x": 174}.get(os.uname().machine, 134)  # 134: asm-generic/unistd.h
_KEYCTL = {"x86_64": 250, "ppc64le": 271, "s390x": 280}.get(os.uname().machine, 219)  # 219: asm-generic/unistd.h
_KEYCTL_JOIN_SESSION_KEYRING = 1  # keyctl(2)
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


def leave_session_keyring() -> None:
    """Have a session keyring of our own, with nothing in it, for keyctl(2); raises OSError."""
    if _libc.syscall(_KEYCTL, _KEYCTL_JOIN_SESSION_KEYRING, None) < 0:
        _raise(None)


def _prctl(option: int) -> None:
    if _libc.prctl(option, 1, 0, 0, 0) != 0:
        _raise(None)


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


def mount(source: str | None, target: str, kind: str | None, flags: int, options: str | None = None) -> None:
    """mount(2); raises OSError."""
    if _libc.mount(_bytes(source), _bytes(target), _bytes(kind), ctypes.c_ulong(flags), _bytes(options)) != 0:
        _raise(target)


def unmount(target: str, flags: int = 0) -> None:
    """umount2(2); raises OSError."""
    if _libc.umount2(_bytes(target), flags) != 0:
        _raise(target)


def pivot_root(new: str, old: str) -> None:
    """pivot_root(2); raises OSError."""
    if _libc.pivot_root(_bytes(new), _bytes(old)) != 0:
        _raise(new)


def unshare(flags: int) -> None:
    """Leave namespaces that are shared with others (unshare(2)); raises OSError."""
    if _libc.unshare(flags) != 0:
        _raise(None)


def enter_namespace(fd: int, kind: int) -> None:
    """Enter the namespace of this descriptor, of this CLONE_NEW… kind (setns(2)); raises OSError."""
    if _libc.setns(fd, kind) != 0:
        _raise(None)


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else os.fsencode(text)


def _raise(path: str | None) -> None:
    code = ctypes.get_errno()
    raise OSError(code, os.strerror(code), path)
