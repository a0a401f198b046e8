"""An overlay of the node's file systems: what the host processes of a namespace write, kept off the node.

Mounted once, in the node's mount namespace, at BASE/<name>/merged; containers take it as their root directory. The root
file system and every other one of the node get layers of their own, so that none looks empty. No process holds it: what
is mounted stays until reset() or a reboot. The kernel's side of it: Documentation/filesystems/overlayfs.rst.
"""

import contextlib
import errno
import fcntl
import os
import time

from reaper_runtime import layers
from reaper_runtime.config import OVERLAY_BASE as BASE
from reaper_runtime.errors import FailedPrecondition, NotFound
from reaper_runtime.filesystems import expand, file_system_of, follow, is_shown, remote
from reaper_runtime.host import file, libc, mounts, procfs
from reaper_runtime.host.root import Root
from reaper_runtime.names import check_id

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Set

    from reaper_runtime.host.mounts import MountPoint
    from reaper_runtime.host.root import Place

LOCKS = "/run/reaper/locks"
NODE = "@node"  # the one overlay of a node that does not isolate namespaces; @ is in no Kubernetes name
SHARED_TREES = ("proc", "sys", "dev", "run")  # the node's own, in every container

_HALF = "~"  # at the end of the name of one that is being removed; it is in no name of an overlay
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
        """Mount what is missing, unmount what the node has unmounted; in use until this descriptor is closed.

        Raises FailedPrecondition with the reason when it cannot be made: the container must not run without it.
        """
        fcntl.flock(lock, fcntl.LOCK_SH)
        if not self._lacks(self._wanted()):
            return
        making = self._open_lock("make")
        try:
            fcntl.flock(making, fcntl.LOCK_EX)
            wanted = self._wanted()  # not of before the lock: who had it may have seen more
            if self._lacks(wanted):
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
        half = self.path + _HALF  # of a reset that was cut short
        if not os.path.isdir(self.path) and not os.path.isdir(half):
            raise NotFound(f"there is no overlay {self.name} on node {os.uname().nodename}")
        with self._exclusively() as free:
            if not free or self._device() in procfs.roots():
                raise FailedPrecondition(
                    f"overlay {self.name} is in use on node {os.uname().nodename}: end the pods that run in it first"
                )
            self._unmount()
            _remove_tree(half)
            if os.path.isdir(self.path):
                os.rename(self.path, half)  # from now on nobody takes what is left of it for an overlay
                _remove_tree(half)

    @property
    def kept(self) -> tuple[str, ...]:
        """Directories on the node with all that was written in it."""
        return (os.path.join(self.path, "layers"), os.path.join(self.path, "aside"), self.path + _HALF)

    @property
    def made(self) -> float | None:
        """When it began, in seconds since the epoch; None for one that is not made to the end.

        By the clock as it is now, which may have been set since: counted from the boot, if it was made after that.
        """
        path = os.path.join(self.path, "made")
        try:
            noted = os.fsdecode(mounts.read(path)).split()
            boot, since = _now()
            if noted[:1] == [boot]:
                return time.time() - (float(since) - float(noted[1]))
            return os.stat(path).st_mtime
        except OSError:
            return None

    @property
    def mounted(self) -> bool:
        """Whether it is ready for use."""
        return bool(self._covered())

    def is_used(self, roots: "Set[int]") -> bool:
        """Whether a container runs in it. roots: what procfs.roots() gives."""
        with self._exclusively() as free:
            return not free or self._device() in roots

    @contextlib.contextmanager
    def _exclusively(self) -> "Iterator[bool]":
        """Whether nobody holds it in use, and until the end of this nobody begins to.

        A process in it whose shim was killed, and the lock with it, is found by its root directory.
        """
        lock = self.open_lock()
        try:
            yield _take(lock)
        finally:
            os.close(lock)

    def _device(self) -> int:
        """The file system of its root directory, as a number; -1 where it is not mounted."""
        return os.stat(self.merged).st_dev if mounts.is_mount_point(self.merged) else -1

    def _open_lock(self, kind: str) -> int:
        os.makedirs(self._locks, mode=0o700, exist_ok=True)
        return os.open(os.path.join(self._locks, f"{self.name}.{kind}"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def _covered(self) -> set[str]:
        """Where it has taken in a file system of the node. Empty when it is not mounted, or not to the end."""
        covered = self._noted("ready")
        if not covered or not mounts.is_mount_point(self.merged):
            return set()  # the latter since the last reboot
        return set(covered)

    def _noted(self, name: str) -> list[str]:
        try:
            return os.fsdecode(mounts.read(os.path.join(self.path, name))).split("\0")
        except (FileNotFoundError, NotADirectoryError):
            return []

    def _note(self, name: str, lines: "Iterable[str]") -> None:
        file.replace(os.path.join(self.path, name), "\0".join(sorted(lines)))

    def _wanted(self) -> "dict[str, MountPoint]":
        """The file systems of the node that it should show, by path, parents before children."""
        table = mounts.table()
        unasked = remote(table)
        hidden = follow(self._hidden, unasked)
        elsewhere = (*(f"/{tree}" for tree in SHARED_TREES), self._base, *hidden)
        below = tuple(f"{path}/" for path in (*elsewhere, *unasked))
        return {
            path: mount
            for path, mount in sorted(table.items())
            if not (path in elsewhere or path.startswith(below)) and is_shown(mount)
        }

    def _lacks(self, wanted: "Mapping[str, MountPoint]") -> bool:
        """Whether something is missing in it, or shown that the node has unmounted or replaced since."""
        covered = self._covered()
        return covered != wanted.keys() or bool(self._stale(covered, wanted))

    def _stale(self, covered: "Set[str]", wanted: "Mapping[str, MountPoint]") -> set[str]:
        """What is shown and is not there any more, and what goes with it: all that is mounted below."""
        devices = dict(line.split(" ", 1)[::-1] for line in self._noted("devices"))
        stale = {
            path
            for path in covered
            if path != "/" and (path not in wanted or devices.get(path, wanted[path].device) != wanted[path].device)
        }
        below = tuple(f"{path}/" for path in stale)
        return stale | {path for path in covered if path.startswith(below)}

    def _make(self, wanted: "Mapping[str, MountPoint]") -> None:
        covered = self._covered()
        if not covered:
            _prepare(self.merged, self._base, self._locks)
            self._unmount()
        if self.made is None:
            self._note("made", (" ".join(_now()),))
        stale = self._stale(covered, wanted)
        if stale:
            self._forget(stale)
            covered -= stale
        covered.update(path for path in wanted if path not in covered and self._added(path))
        self._note("devices", (f"{mount.device} {path}" for path, mount in wanted.items()))
        self._note("ready", covered)

    def _forget(self, paths: "Set[str]") -> None:
        """Show these no more; what was written over them is set aside, for those who have them still.

        Whoever is killed here leaves them stale, for the next one: they are noted as shown until all is done.
        """
        aside = os.path.join(self.path, "aside")
        os.makedirs(aside, exist_ok=True)
        with Root(self.merged) as root:
            for path in sorted(paths, reverse=True):
                layers.unmount(path, root)
                layer = self._layer(path)
                if os.path.isdir(layer):
                    os.rename(layer, os.path.join(aside, str(time.monotonic_ns())))

    def _layer(self, path: str) -> str:
        return os.path.join(self.path, "layers", layers.name_of(path))

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
        hidden = set(follow(expand((*self._hidden, self._base), table, unasked), unasked))
        inside = [each for each in hidden if file_system_of(each, table, unasked) == path]
        if path in unasked:
            if not inside:
                layers.bind_read_only(path, place, root, table[path].flags)
        elif os.path.isdir(path):
            try:
                layers.mount(path, self._layer(path), place, inside)
            except OSError:
                if path == "/" or inside:  # a file system that must hide something is not shown as it is
                    raise
                layers.bind_read_only(path, place, root)
        elif os.path.exists(path):
            layers.bind_read_only(path, place, root)

    def _unmount(self) -> None:
        try:
            os.unlink(os.path.join(self.path, "ready"))
        except FileNotFoundError:
            pass
        while mounts.is_mount_point(self.merged):
            libc.unmount(self.merged, mounts.MNT_DETACH)


def overlays(base: str = BASE, locks: str = LOCKS) -> list[Overlay]:
    """All overlays that exist under a base directory, by name, and what a reset that was cut short has left of one."""
    try:
        names = [name for name in os.listdir(base) if os.path.isdir(os.path.join(base, name))]
    except FileNotFoundError:
        return []
    return [Overlay(name, base, locks) for name in sorted({name.removesuffix(_HALF) for name in names})]


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


def _prepare(merged: str, base: str, locks: str) -> None:
    """Make a directory in the base directory, and that a mount of its own: what is mounted there reaches no other mount
    namespace. Both under one lock: release_base() takes away a base directory in which there is nothing.
    """
    with _base_lock(locks):
        os.makedirs(base, mode=0o700, exist_ok=True)
        if base not in mounts.table():
            if base.startswith("/run/"):
                libc.mount("reaper", base, "tmpfs", mounts.MS_NODEV, "mode=0700")
            else:
                mounts.bind(base, base)
            libc.mount(None, base, None, mounts.MS_PRIVATE)
        os.makedirs(merged, mode=0o755, exist_ok=True)


@contextlib.contextmanager
def _base_lock(locks: str) -> "Iterator[None]":
    os.makedirs(locks, mode=0o700, exist_ok=True)
    lock = os.open(os.path.join(locks, ".base"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
    finally:
        os.close(lock)


def _now() -> tuple[str, str]:
    """Which boot this is (random(4)), and the seconds since then (CLOCK_BOOTTIME)."""
    boot = os.fsdecode(mounts.read("/proc/sys/kernel/random/boot_id")).strip()
    return boot, repr(time.clock_gettime(time.CLOCK_BOOTTIME))


def _take(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _remove_tree(path: str) -> None:
    import shutil

    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        return


def _remedy(error: OSError, name: str) -> str:
    """What to do on the node about an overlay that cannot be made, for those who can; where to look otherwise."""
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return "remove there what stands in the place of its directory"
    if error.errno == errno.ENOSPC:
        return "make room there, as with: reaper-runtime overlay list, and: reaper-runtime overlay reset NAME"
    if error.errno == errno.ENODEV:
        return "the kernel there has no overlayfs: modprobe overlay"
    return f"see there: reaper-runtime doctor, and once nothing runs in it: reaper-runtime overlay reset {name}"
