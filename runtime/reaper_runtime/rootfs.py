"""The file system of a container: its overlay as root directory, and mounts of its own that end with it.

Entered by the forked child, before it changes user: a mount namespace of its own, the overlay as root, the node's
/proc, /sys, /dev and /run in it, then volumes. Volumes are the container's alone: its processes see them, and they are
gone with the last of these.
"""

import os

from reaper_runtime.errors import FailedPrecondition
from reaper_runtime.host import libc, mounts
from reaper_runtime.host.root import Root
from reaper_runtime.overlay import SHARED_TREES

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from reaper_runtime.host.root import Place
    from reaper_runtime.oci.mounts import Mount
    from reaper_runtime.overlay import Overlay

CLONE_NEWNET = 0x40000000


class Rootfs:
    """What init makes and enters. Keep it until the container is deleted, then close()."""

    def __init__(
        self,
        overlay: "Overlay | None",
        volumes: "Sequence[Mount]" = (),
        *,
        working_directory: str = "/",
        read_only: bool = False,
        network: str = "",
    ) -> None:
        """overlay: None leaves the node's own file system. network: the path of a network namespace to enter.

        The working directory is made where it is missing in an overlay, never on the node.
        """
        self._overlay = overlay
        self._volumes = tuple(volumes)
        self._working_directory = working_directory
        self._read_only = read_only
        self._network = network
        self._lock = -1 if overlay is None else overlay.open_lock()

    @property
    def overlay(self) -> str:
        """The name of the overlay, "" for the node's own file system."""
        return "" if self._overlay is None else self._overlay.name

    @property
    def fds(self) -> tuple[int, ...]:
        """Descriptors that enter() needs."""
        return () if self._lock < 0 else (self._lock,)

    def enter(self, fds: tuple[int, ...]) -> None:
        """Called in the child; raises FailedPrecondition with what cannot be had, and why."""
        if self._network:
            _enter_network(self._network)
        if self._overlay is None and not self._volumes and not self._read_only:
            return
        try:
            if self._overlay is not None:
                self._overlay.acquire(fds[0])
            mounts.private_namespace()
            if self._overlay is None:
                placed = self._mount_volumes("/")
            else:
                self._overlay.furnish()
                placed = self._mount_volumes(self._overlay.merged)
                mounts.change_root(self._overlay.merged)
                mounts.drop_old_root()
                self._make_working_directory()
            if self._read_only:
                _restrict(placed)
        except OSError as error:
            raise FailedPrecondition(
                f"the container's file system cannot be made on node {os.uname().nodename}: "
                f"{error.strerror}{f': {error.filename}' if error.filename else ''}"
            ) from error

    def close(self) -> None:
        """Give the overlay up. Harmless when done before."""
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def _mount_volumes(self, root_directory: str) -> list[str]:
        """The paths at which they are now, without links. While /proc, and what sources name, are the node's."""
        sources = [(volume, _open_source(volume)) for volume in self._volumes]  # before one hides another's source
        with Root(root_directory) as root:
            return [mount(volume, source, root, may_create=self._overlay is not None) for volume, source in sources]

    def _make_working_directory(self) -> None:
        try:
            with Root("/") as root:
                root.make_directory(self._working_directory, but_not_in=SHARED_TREES).close()
        except FileNotFoundError:
            return  # not on the node: entering it fails, with a sentence of its own


def _restrict(volumes: list[str]) -> None:
    """No writing but to volumes and to what the node shares: securityContext.readOnlyRootFilesystem."""
    kept = [*volumes, *(f"/{tree}" for tree in SHARED_TREES)]
    below = tuple(f"{path}/" for path in kept)
    with Root("/") as root:
        for path, mount in mounts.table().items():
            if path in kept or path.startswith(below):
                continue
            try:
                found = root.open(path)
            except FileNotFoundError:
                continue  # hidden by a later mount, or its directory is deleted: nobody can write to it
            with found as place:
                mounts.restrict(place.name, mounts.MS_RDONLY, mount.flags)


class JoinedRootfs:
    """What an exec enters: the namespaces of the container's init, held by descriptors until close()."""

    def __init__(self, pid: int) -> None:
        """pid: of an init that is running, and not reaped. Raises FailedPrecondition when it has just ended."""
        self.fds: tuple[int, ...] = ()
        try:
            for kind in ("net", "mnt"):
                self.fds += (os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY | os.O_CLOEXEC),)
        except OSError as error:
            self.close()
            raise FailedPrecondition(f"the container has just ended: {error.strerror}") from error

    def enter(self, fds: tuple[int, ...]) -> None:
        """Called in the child; raises FailedPrecondition with the namespace, what the descriptor is, and the reason."""
        for fd, kind in zip(fds, (CLONE_NEWNET, mounts.CLONE_NEWNS), strict=True):
            try:
                libc.enter_namespace(fd, kind)
            except OSError as error:
                raise FailedPrecondition(
                    f"the container's {'network' if kind == CLONE_NEWNET else 'mount'} namespace cannot be entered on "
                    f"node {os.uname().nodename}: {error.strerror} ({_name_of(fd)})"
                ) from error

    def close(self) -> None:
        """Once the child has been forked."""
        for fd in self.fds:
            os.close(fd)
        self.fds = ()


def _name_of(fd: int) -> str:
    """What an open descriptor is, for a message."""
    try:
        return os.readlink(f"/proc/self/fd/{fd}")
    except OSError:
        return "it is closed"


def _enter_network(path: str) -> None:
    try:
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        libc.enter_namespace(fd, CLONE_NEWNET)
        os.close(fd)
    except OSError as error:
        raise FailedPrecondition(
            f"the pod's network namespace {path} cannot be entered on node {os.uname().nodename}: {error.strerror}"
        ) from error


def _open_source(volume: "Mount") -> int:
    """A descriptor of the source on the node, -1 for a tmpfs."""
    if not volume.source:
        return -1
    try:
        return os.open(volume.source, os.O_PATH | os.O_CLOEXEC)
    except OSError as error:
        raise FailedPrecondition(
            f"volume {volume.destination} cannot be mounted: {volume.source} on node {os.uname().nodename}: "
            f"{error.strerror}"
        ) from error


def mount(volume: "Mount", source: int, root: Root, *, may_create: bool) -> str:
    """Mount a volume; gives the path in this root at which it is, without links. The source is closed.

    Raises FailedPrecondition with the volume's destination and the reason.
    """
    name = f"/proc/self/fd/{source}"
    try:
        with _mount_point(volume, root, directory=source < 0 or os.path.isdir(name), may_create=may_create) as place:
            _check_is_no_setting(volume, place)
            if source < 0:
                libc.mount("tmpfs", place.name, "tmpfs", volume.flags, volume.options)
            else:
                mounts.bind(name, place.name, recursive=volume.recursive)
            if source >= 0 and volume.flags:
                _limit(volume, source, root)
            return place.path
    except OSError as error:
        raise FailedPrecondition(
            f"volume {volume.destination} cannot be mounted on node {os.uname().nodename}: {error.strerror}"
        ) from error
    finally:
        if source >= 0:
            os.close(source)


def _mount_point(volume: "Mount", root: Root, *, directory: bool, may_create: bool) -> "Place":
    """The file or directory to mount on, made where it is missing, as container runtimes do in a root file system."""
    path = volume.destination
    if may_create:
        return _made_mount_point(path, root, directory=directory)
    try:
        return root.open(path)
    except FileNotFoundError as error:
        raise FailedPrecondition(
            f"volume {path} cannot be mounted: there is no such {'directory' if directory else 'file'} on node "
            f"{os.uname().nodename}, and without an overlay none is made"
        ) from error


def _made_mount_point(path: str, root: Root, *, directory: bool) -> "Place":
    """Nothing is made on the node where a link leads to: root would do that for who can only make the link."""
    but_not_in = () if _shared_tree(path) else SHARED_TREES
    make = root.make_directory if directory else root.make_file
    try:
        return make(path, but_not_in=but_not_in)
    except FileNotFoundError as error:
        if not but_not_in:
            raise  # of /proc and /sys: who asks for a path there gets what the kernel says
        raise FailedPrecondition(
            f"volume {path} cannot be mounted: a link leads from there into a tree that node {os.uname().nodename} "
            f"shares ({', '.join(f'/{tree}' for tree in SHARED_TREES)}), where nothing is made; remove it"
        ) from error


def _shared_tree(path: str) -> str:
    """The name of the node's tree that a path without links is in, or says itself that it is in; "" of any other."""
    first = path.removeprefix("/var/" if f"{path}/".startswith("/var/run/") else "/").split("/")[0]
    return first if first in SHARED_TREES else ""


def _check_is_no_setting(volume: "Mount", place: "Place") -> None:
    """A link must not have what the node tells, or is told, replaced: in /proc (CVE-2019-16884 of runc), /sys or /dev.

    In /run it may: many nodes have such links of their own, /etc/resolv.conf for one.
    """
    wanted, found = _shared_tree(volume.destination), _shared_tree(place.path)
    if (found == "proc" and wanted != "proc") or (found in ("sys", "dev") and not wanted):
        raise FailedPrecondition(
            f"volume {volume.destination} cannot be mounted: a link leads from there to {place.path}; remove it"
        )


def _limit(volume: "Mount", source: int, root: Root) -> None:
    """Make what was just mounted read-only and the like: to be found once more, on top of what it was mounted on."""
    with root.open(volume.destination) as mounted:
        if not mounted.is_same_file(source):
            raise FailedPrecondition(
                f"volume {volume.destination} cannot be mounted: its mount point was replaced meanwhile"
            )
        mounts.restrict(mounted.name, volume.flags)
