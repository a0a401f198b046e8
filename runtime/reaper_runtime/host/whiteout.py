"""What a layer hides of the directory below it: whiteouts, opaque directories and locked password files.

Written into an overlay's upper layer before it is mounted (Documentation/filesystems/overlayfs.rst, "whiteouts and
opaque directories"), and not bind-mounted over it: programs can rename over what they find there, as useradd does.
"""

import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

_PASSWORD_FILES = frozenset(("/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-"))


def hide(paths: "Iterable[str]", lower: str, upper: str) -> None:
    """Hide these paths of the lower directory in the upper one, also those that come only later to a directory there.

    A directory becomes empty, a file disappears, a password file keeps its names and loses its passwords.
    """
    for path in paths:
        parent = os.path.realpath(os.path.dirname(path))
        path = os.path.join(parent, os.path.basename(path))
        if not os.path.isdir(parent):
            continue
        found = _lstat(path)
        target = _make_parents(parent, lower, upper, os.path.basename(path))
        if target is None or os.path.lexists(target):
            continue  # hidden before, or written inside since
        if found is not None and stat.S_ISDIR(found.st_mode):
            os.mkdir(target)
            copy_attributes(path, target)
            os.setxattr(target, "trusted.overlay.opaque", b"y")
        elif found is not None and path in _PASSWORD_FILES:
            _lock_passwords(path, target)
        else:
            os.mknod(target, stat.S_IFCHR, 0)


def _lstat(path: str) -> "os.stat_result | None":
    try:
        return os.lstat(path)
    except FileNotFoundError:
        return None


def copy_attributes(source: str, target: str) -> None:
    """Give a directory or file the mode, owner and times of another."""
    found = os.stat(source)
    os.chown(target, found.st_uid, found.st_gid)
    os.chmod(target, stat.S_IMODE(found.st_mode))
    os.utime(target, ns=(found.st_atime_ns, found.st_mtime_ns))


def lock_passwords(text: str) -> str:
    """The lines of shadow(5) or gshadow(5) with a second field that no password matches."""
    lines = []
    for line in text.splitlines():
        fields = line.split(":")
        if len(fields) > 1:
            fields[1] = "!"
        lines.append(":".join(fields))
    return "".join(f"{line}\n" for line in lines)


def _lock_passwords(path: str, target: str) -> None:
    with open(path, errors="surrogateescape") as file:
        locked = lock_passwords(file.read())
    fd = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    with open(fd, "w", errors="surrogateescape") as file:
        file.write(locked)
    copy_attributes(path, target)


def _make_parents(parent: str, lower: str, upper: str, name: str) -> str | None:
    """The path in the upper layer, with directories above it like those of the lower one.

    None where a container has put something else in the place of one: that hides all below it, and a link there would
    lead to the node.
    """
    below, there = lower.rstrip("/"), upper
    for part in os.path.relpath(parent, lower).split("/"):
        if part == ".":
            continue
        below, there = f"{below}/{part}", f"{there}/{part}"
        found = _lstat(there)
        if found is None:
            os.mkdir(there)
            copy_attributes(below, there)
        elif not stat.S_ISDIR(found.st_mode):
            return None
    return os.path.join(there, name)
