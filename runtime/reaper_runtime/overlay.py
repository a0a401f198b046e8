"""An overlay of the node's file systems: what the host processes of a namespace write, kept off the node.

Mounted once, in the node's mount namespace, at BASE/<name>/merged; containers take it as their root directory. The root
file system and every other one of the node get layers of their own, so that none looks empty. No process holds it: what
is mounted stays until reset() or a reboot. The kernel's side of it: Documentation/filesystems/overlayfs.rst.
"""

import contextlib
import errno
import fcntl
import os
from _sha256 import sha256  # type: ignore[import-not-found]  # hashlib would load OpenSSL

from reaper_runtime.config import OVERLAY_BASE as BASE
from reaper_runtime.errors import FailedPrecondition, NotFound
from reaper_runtime.filesystems import expand, file_system_of, is_shown, remote
from reaper_runtime.host import file, libc, mounts, procfs, whiteout
from reaper_runtime.host.root import Root
from reaper_runtime.names import check_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reaper_runtime.host.root import Place

LOCKS = "/run/reaper/locks"
NODE = "@node"  # the one overlay of a node that does not isolate namespaces; @ is in no Kubernetes name
SHARED_TREES = ("proc", "sys", "dev", "run")  # the node's own, in every container

_OPTIONS = (",redirect_dir=on", "")  # directories of the node can be renamed; where the kernel refuses, they are copied
_NAME_BYTES = 255  # NAME_MAX
_SHARED = tuple(f"/{tree}/" for tree in SHARED_TREES)


def name_of(isolation: str, namespace: str, overlay: str = "", *, of_containerd: bool = False) -> str:
    """The name of an overlay, different for any two that must not be one.

    namespace: the Kubernetes namespace, or containerd's for containers that have none. overlay: a name within it.
    Raises InvalidArgument for a namespace that is not safe as a file name.
    """
    if isolation == "node":
        return NODE
    check_id(namespace, "namespace")
    owner = f"@containerd.{namespace}" if of_containerd else namespace
    return f"{owner}@{overlay}" if overlay else owner


class Overlay:
    """One overlay by name. The same on-disk layers are never mounted twice: LOCKS holds two locks for each name.

    "use" is shared by who runs in it, and exclusive for reset(); "make" is exclusive for who changes its mounts.
    """

    def __init__(self, name: str, base: str = BASE, locks: str = LOCKS, *, hidden: "Iterable[str]" = ()) -> None:
        """hidden: paths of the node that must not be seen inside, see whiteout.py."""
        self.name = name
        self.path = os.path.join(base, name)
        self.merged = os.path.join(self.path, "merged")
        self._base = base
        self._locks = locks
        self._hidden = tuple(hidden)

    def furnish(self) -> None:
        """Give it the trees that the node shares, to become the root directory of this process: merged.

        In a mount namespace of its own, after acquire(). No overlay is seen inside, neither this one nor another.
        Raises FailedPrecondition when a container has put something else in the place of such a tree.
        """
        with Root(self.merged) as root:
            for tree in SHARED_TREES:
                try:
                    found = root.own_directory(tree)
                except (FileNotFoundError, NotADirectoryError) as error:
                    raise FailedPrecondition(
                        f"overlay {self.name} on node {os.uname().nodename} has no directory /{tree}: a container in "
                        "it has put something else there; mend it, or reset the overlay"
                    ) from error
                with found as place:
                    mounts.bind(f"/{tree}", place.name)
        if self._base.startswith(_SHARED):  # elsewhere it is hidden, and nothing of the node's is mounted there
            inside = self.merged + self._base
            if mounts.is_mount_point(inside):
                libc.unmount(inside, mounts.MNT_DETACH)

    def open_lock(self) -> int:
        """A descriptor for acquire(): whoever keeps it open keeps the overlay in use. Raises FailedPrecondition."""
        try:
            return self._open_lock("use")
        except OSError as error:
            raise FailedPrecondition(
                f"the lock of overlay {self.name} cannot be had on node {os.uname().nodename}: "
                f"{error.strerror}: {error.filename}"
            ) from error

    def acquire(self, lock: int) -> None:
        """Mount what is not mounted yet, and mark it as in use through this descriptor until that is closed.

        Raises FailedPrecondition with the reason when it cannot be made: the container must not run without it.
        """
        fcntl.flock(lock, fcntl.LOCK_SH)
        wanted = self._wanted()
        if self._covered().issuperset(wanted):
            return
        making = self._open_lock("make")
        try:
            fcntl.flock(making, fcntl.LOCK_EX)
            self._make(wanted)
        except OSError as error:
            raise FailedPrecondition(
                f"overlay {self.name} cannot be made on node {os.uname().nodename}: {error.strerror or error}"
                f"{f': {error.filename}' if error.filename else ''}; {_remedy(error, self.name)}"
            ) from error
        finally:
            os.close(making)

    def reset(self) -> None:
        """Unmount it and forget all that was written in it; raises FailedPrecondition while a container uses it."""
        if not os.path.isdir(self.path):
            raise NotFound(f"there is no overlay {self.name} on node {os.uname().nodename}")
        with self._exclusively() as free:
            if not free:
                raise FailedPrecondition(
                    f"overlay {self.name} is in use on node {os.uname().nodename}: end the pods that run in it first"
                )
            self._unmount()
            _remove_tree(self.path)

    @property
    def made(self) -> float | None:
        """When it began, in seconds since the epoch; None for one that is not made to the end."""
        try:
            return os.stat(os.path.join(self.path, "made")).st_mtime
        except OSError:
            return None

    @property
    def mounted(self) -> bool:
        """Whether it is ready for use."""
        return bool(self._covered())

    @property
    def in_use(self) -> bool:
        """Whether a container runs in it."""
        with self._exclusively() as free:
            return not free

    @contextlib.contextmanager
    def _exclusively(self) -> "Iterator[bool]":
        """Whether nobody uses it, and until the end of this nobody begins to."""
        lock = self.open_lock()
        try:
            yield _take(lock) and not self._is_somebodys_root()
        finally:
            os.close(lock)

    def _is_somebodys_root(self) -> bool:
        """Whether a process runs in it whose shim was killed, and the lock with it."""
        if not mounts.is_mount_point(self.merged):
            return False
        device = os.stat(self.merged).st_dev
        return any(_device_of_root(process.pid) == device for process in procfs.processes())

    def _open_lock(self, kind: str) -> int:
        os.makedirs(self._locks, mode=0o700, exist_ok=True)
        return os.open(os.path.join(self._locks, f"{self.name}.{kind}"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _covered(self) -> set[str]:
        """The file systems of the node that it shows. Empty when it is not mounted, or not to the end."""
        try:
            covered = mounts.read(os.path.join(self.path, "ready"))
        except (FileNotFoundError, NotADirectoryError):
            return set()
        if not mounts.is_mount_point(self.merged):
            return set()  # since the last reboot
        return set(os.fsdecode(covered).split("\0"))

    def _wanted(self) -> list[str]:
        """Where the node has file systems that it should show, parents before children."""
        elsewhere = (*(f"/{tree}" for tree in SHARED_TREES), self._base, *self._hidden)
        table = mounts.table()
        below = tuple(f"{path}/" for path in (*elsewhere, *remote(table)))
        return sorted(
            path
            for path, mount in table.items()
            if not (path in elsewhere or path.startswith(below)) and is_shown(mount)
        )

    def _make(self, wanted: list[str]) -> None:
        covered = self._covered()  # somebody else may have made it while we waited
        if not covered:
            _prepare_base(self._base, self._locks)
            self._unmount()
            os.makedirs(self.merged, mode=0o755, exist_ok=True)
        if self.made is None:
            file.replace(os.path.join(self.path, "made"), "")
        covered.update(path for path in wanted if path not in covered and self._added(path))
        file.replace(os.path.join(self.path, "ready"), "\0".join(sorted(covered)))

    def _added(self, path: str) -> bool:
        """Show one file system of the node, unless it was unmounted after it had been found."""
        try:
            self._add(path)
        except OSError:
            if path in mounts.table():
                raise
            return False
        return True

    def _add(self, path: str) -> None:
        """Show one file system of the node: writable through layers, read-only where the kernel cannot do that.

        One that a server has to answer for is not asked for anything: read-only, and unless it must hide something.
        """
        with Root(self.merged) as root:
            found = root.open_as_written(path)
            if found is None:
                return  # removed inside, or a link in place of a part of it: nothing to see there
            with found as place:
                self._add_at(place, root)

    def _add_at(self, place: "Place", root: Root) -> None:
        table = mounts.table()
        path, unasked = place.path, remote(table)
        hidden = expand((*self._hidden, self._base), table, unasked)
        inside = [each for each in hidden if file_system_of(each, table, unasked) == path]
        if path in unasked:
            if not inside:
                _bind_read_only(path, place, root, table[path].flags)
        elif os.path.isdir(path):
            self._add_layer(path, place, inside, root)
        elif os.path.exists(path):
            _bind_read_only(path, place, root)

    def _add_layer(self, path: str, place: "Place", inside: list[str], root: Root) -> None:
        layer = os.path.join(self.path, "layers", _layer_name(path))
        upper, work = os.path.join(layer, "upper"), os.path.join(layer, "work")
        for directory in (upper, work):
            os.makedirs(directory, exist_ok=True)
        whiteout.copy_attributes(path, upper)
        whiteout.hide(inside, path, upper)
        try:
            _mount_overlay(path, upper, work, place.name)
        except OSError:
            if path == "/" or inside:  # a file system that must hide something is not shown as it is
                raise
            _bind_read_only(path, place, root)

    def _unmount(self) -> None:
        try:
            os.unlink(os.path.join(self.path, "ready"))
        except FileNotFoundError:
            pass
        while mounts.is_mount_point(self.merged):
            libc.unmount(self.merged, mounts.MNT_DETACH)


def overlays(base: str = BASE, locks: str = LOCKS) -> list[Overlay]:
    """All overlays that exist under a base directory, by name."""
    try:
        names = sorted(os.listdir(base))
    except FileNotFoundError:
        return []
    return [Overlay(name, base, locks) for name in names if os.path.isdir(os.path.join(base, name))]


def release_base(base: str = BASE, locks: str = LOCKS) -> None:
    """Unmount and remove the base directory itself, when no overlay is left in it. Harmless if it is not there.

    Removed here, in the node's mount namespace: in the node agent's it stays a mount point, and is busy.
    """
    with _base_lock(locks):
        if overlays(base, locks):
            return
        if base in mounts.table():
            libc.unmount(base, mounts.MNT_DETACH)
        try:
            os.rmdir(base)
        except FileNotFoundError:
            return


def _prepare_base(base: str, locks: str) -> None:
    """Make the base directory a mount of its own: what is mounted in it reaches no other mount namespace."""
    with _base_lock(locks):
        os.makedirs(base, mode=0o700, exist_ok=True)
        if base in mounts.table():
            return
        if base.startswith("/run/"):
            libc.mount("reaper", base, "tmpfs", mounts.MS_NODEV, "mode=0700")
        else:
            mounts.bind(base, base)
        libc.mount(None, base, None, mounts.MS_PRIVATE)


@contextlib.contextmanager
def _base_lock(locks: str) -> "Iterator[None]":
    os.makedirs(locks, mode=0o700, exist_ok=True)
    lock = os.open(os.path.join(locks, ".base"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _layer_name(path: str) -> str:
    """A path as one file name, cut where it would be too long for one: a digest tells such apart."""
    name = path.replace("%", "%25").replace("/", "%2F")
    if len(os.fsencode(name)) <= _NAME_BYTES:
        return name
    return f"{name[:32]}%{sha256(os.fsencode(path)).hexdigest()}"


def _take(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _device_of_root(pid: int) -> int:
    """The file system of a process's root directory, as a number; -1 when it has ended."""
    try:
        return os.stat(f"/proc/{pid}/root").st_dev
    except OSError:
        return -1


def _mount_overlay(lower: str, upper: str, work: str, target: str) -> None:
    layers = ",".join(
        f"{key}={_escape(path)}" for key, path in (("lowerdir", lower), ("upperdir", upper), ("workdir", work))
    )
    for extra in _OPTIONS:
        try:
            libc.mount("reaper", target, "overlay", 0, layers + extra)
        except OSError:
            if extra == _OPTIONS[-1]:
                raise
        else:
            return


def _escape(path: str) -> str:
    """A path as a mount option of overlayfs, where \\ : and , mean something."""
    return path.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")


def _bind_read_only(path: str, place: "Place", root: Root, kept: int | None = None) -> None:
    """kept: as for mounts.restrict()."""
    mounts.bind(path, place.name, recursive=False)
    found = root.open_as_written(path)  # what is mounted now, and not what it was mounted on
    if found is None:
        raise FileNotFoundError(errno.ENOENT, "a directory above it was moved meanwhile", path)
    with found as mounted:
        mounts.restrict(mounted.name, mounts.MS_RDONLY, kept)


def _remove_tree(path: str) -> None:
    import shutil

    shutil.rmtree(path)


def _remedy(error: OSError, name: str) -> str:
    """What to do on the node about an overlay that cannot be made, for those who can; where to look otherwise."""
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return "remove there what stands in the place of its directory"
    if error.errno == errno.ENOSPC:
        return "make room there, as with: reaper-runtime overlay list, and: reaper-runtime overlay reset NAME"
    if error.errno == errno.ENODEV:
        return "the kernel there has no overlayfs: modprobe overlay"
    return f"see there: reaper-runtime doctor, and once nothing runs in it: reaper-runtime overlay reset {name}"
