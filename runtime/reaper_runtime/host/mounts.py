"""The mount table (proc_pid_mountinfo(5)), and the few mounts that a container is made of (mount(2))."""

import os

from reaper_runtime.host import libc

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC, MS_REMOUNT = 1, 2, 4, 8, 32
MS_NOATIME, MS_NODIRATIME, MS_BIND, MS_REC, MS_RELATIME = 1024, 2048, 4096, 16384, 1 << 21
MS_UNBINDABLE, MS_PRIVATE, MS_SLAVE, MS_SHARED = 1 << 17, 1 << 18, 1 << 19, 1 << 20
MNT_DETACH = 2
CLONE_NEWNS = 0x00020000

# What a read-only remount has to repeat: the kernel refuses to clear them for a mount that came from elsewhere.
_KEPT = (
    (os.ST_NOSUID, MS_NOSUID),
    (os.ST_NODEV, MS_NODEV),
    (os.ST_NOEXEC, MS_NOEXEC),
    (os.ST_NOATIME, MS_NOATIME),
    (os.ST_NODIRATIME, MS_NODIRATIME),
    (os.ST_RELATIME, MS_RELATIME),
)
_OPTIONS = {
    b"nosuid": MS_NOSUID,
    b"nodev": MS_NODEV,
    b"noexec": MS_NOEXEC,
    b"noatime": MS_NOATIME,
    b"nodiratime": MS_NODIRATIME,
    b"relatime": MS_RELATIME,
}
_REMOTE = frozenset((
    "nfs", "nfs4", "cifs", "smb3", "smbfs", "ceph", "9p", "afs", "coda", "lustre", "gpfs", "beegfs", "virtiofs",
    "pvfs2", "orangefs",  # OrangeFS, by the name that the kernel has kept for it; and by its own
))  # fmt: skip


class MountPoint:
    """One line of the mount table: where, what kind of file system, which one, and whether it may be written."""

    __slots__ = ("_options", "device", "kind", "path", "read_only")

    def __init__(
        self, path: str, kind: str, *, read_only: bool, device: str = "", options: "Iterable[bytes]" = ()
    ) -> None:
        """device: major:minor, the same for all mounts of one file system, and for no two at the same time."""
        self.path = path
        self.device = device
        self.kind = kind
        self.read_only = read_only
        self._options = options

    @property
    def is_remote(self) -> bool:
        """Whether a server answers for it, a machine or a process: when that is gone, stat(2) and statfs(2) hang."""
        return self.kind in _REMOTE or self.kind.startswith("fuse")

    @property
    def flags(self) -> int:
        """Those that a remount has to repeat, without asking the file system: for restrict()."""
        flags = 0
        for option in self._options:
            flags |= _OPTIONS.get(option, 0)
        return flags


def table() -> dict[str, MountPoint]:
    """What is mounted, by path, in the order of mounting. Of two at one path the later counts: it hides the other."""
    return parse(read("/proc/self/mountinfo"))


def read(path: str) -> bytes:
    """A whole file. Without the layers of open(): in a process that was just forked, each costs page faults."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        data = b""
        while more := os.read(fd, 1 << 16):
            data += more
        return data
    finally:
        os.close(fd)


def parse(text: bytes) -> dict[str, MountPoint]:
    """The lines of a mountinfo file. A line that this kernel's format does not explain is left out."""
    found: dict[str, MountPoint] = {}
    for line in text.splitlines():
        fields, _, tail = line.partition(b" - ")
        words, kind = fields.split(b" "), tail.split(b" ")
        if len(words) < 6 or len(kind) < 3:
            continue
        path = _unescape(words[4])
        options = words[5].split(b",")
        read_only = b"ro" in options or b"ro" in kind[2].split(b",")
        found.pop(path, None)
        found[path] = MountPoint(
            path, os.fsdecode(kind[0]), read_only=read_only, device=os.fsdecode(words[2]), options=options
        )
    return found


def _unescape(path: bytes) -> str:
    r"""Undo the kernel's \040 for a blank, and its like for tab, newline and backslash."""
    if b"\\" not in path:
        return os.fsdecode(path)
    first, *rest = path.split(b"\\")
    return os.fsdecode(first + b"".join(bytes([int(part[:3], 8)]) + part[3:] for part in rest))


def is_mount_point(path: str) -> bool:
    """Whether something is mounted at this directory; of a bind mount of the same file system it sees nothing."""
    try:
        return os.stat(path).st_dev != os.stat(os.path.dirname(path)).st_dev
    except FileNotFoundError:
        return False


def private_namespace() -> None:
    """Leave the node's mount namespace: what is mounted here stays here, what the node unmounts goes here too."""
    libc.unshare(CLONE_NEWNS)
    libc.mount(None, "/", None, MS_REC | MS_SLAVE)


def bind(source: str, target: str, *, recursive: bool = True) -> None:
    """Show source at target too, with what is mounted below it."""
    libc.mount(source, target, None, MS_BIND | (MS_REC if recursive else 0))


def restrict(path: str, flags: int, kept: int | None = None) -> None:
    """Add MS_RDONLY, MS_NOSUID, MS_NODEV or MS_NOEXEC to the mount at this path, and to it alone.

    kept: the flags that it has, by MountPoint.flags; None asks the file system, which must be one that answers.
    """
    libc.mount(None, path, None, MS_REMOUNT | MS_BIND | flags | (_flags(path) if kept is None else kept))


def _flags(path: str) -> int:
    has, flags = os.statvfs(path).f_flag, 0
    for bit, kept in _KEPT:
        if has & bit:
            flags |= kept
    return flags


def change_root(path: str) -> None:
    """Make the mount at this path the root; the old one stays mounted over it until drop_old_root()."""
    os.chdir(path)
    libc.pivot_root(".", ".")


def drop_old_root() -> None:
    """Unmount what change_root() left. Names that begin with / have meant the new root since then."""
    libc.unmount(".", MNT_DETACH)
    os.chdir("/")
