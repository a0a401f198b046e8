"""The `mounts` of an OCI config.json (runtime-spec config.md, "Mounts"), checked."""

import os

from reaper_runtime.errors import FailedPrecondition, InvalidBundle
from reaper_runtime.oci.text import is_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_FLAGS = {"ro": 1, "nosuid": 2, "nodev": 4, "noexec": 8}  # MS_RDONLY and its like (mount(2))
_DEFAULTS = frozenset(
    ("rw", "suid", "dev", "exec", "bind", "rbind", "relatime", "private", "rprivate", "slave", "rslave")
)
OPTIONS = frozenset((*_FLAGS, *_DEFAULTS))  # those that a bind mount takes
_REFUSED = {
    "shared": "mounts made inside would have to reach the node (mountPropagation: Bidirectional)",
    "rshared": "mounts made inside would have to reach the node (mountPropagation: Bidirectional)",
    "idmap": "a host process has the node's own users",
    "ridmap": "a host process has the node's own users",
}
# What containerd and kubelet mount for the sake of an image's root file system, which a host process does not have.
_STANDARD = frozenset(("/proc", "/dev", "/dev/pts", "/dev/shm", "/dev/mqueue", "/sys", "/run", "/sys/fs/cgroup"))  # noqa: S108
_SANDBOX_FILES = "io.containerd.grpc.v1.cri/sandboxes/"


class Mount:
    """One mount: a bind of `source`, or a tmpfs with `options` where source is empty."""

    __slots__ = ("destination", "flags", "options", "recursive", "source")

    def __init__(self, destination: str, source: str, flags: int, options: str, *, recursive: bool) -> None:
        self.destination = destination
        self.source = source
        self.flags = flags
        self.options = options
        self.recursive = recursive

    @property
    def of_sandbox(self) -> bool:
        """Whether it shows a file that containerd wrote for the pod: hostname, resolv.conf, a /dev/shm."""
        return _SANDBOX_FILES in self.source


def parse(entries: "Any", where: str) -> tuple[Mount, ...]:
    """The mounts that a host process may want, in their order; raises InvalidBundle or FailedPrecondition.

    Left out is what makes a container's own root file system: /proc, /dev and their like are the node's.
    """
    if not isinstance(entries, list):
        raise InvalidBundle(f"{where}: mounts must be a list")
    parsed = (_parse_one(entry, where) for entry in entries)
    return tuple(mount for mount in parsed if mount is not None)


def _parse_one(entry: "Any", where: str) -> Mount | None:
    destination = entry.get("destination") if isinstance(entry, dict) else None
    if not is_text(destination) or not destination:
        raise InvalidBundle(f"{where}: mounts has the entry {entry!r}, which has no destination")
    if not destination.startswith("/"):
        raise InvalidBundle(f"{where}: mount destination {destination!r} must be an absolute path")
    destination = os.path.normpath(destination)
    options = entry.get("options") or []
    if not isinstance(options, list) or not all(isinstance(option, str) for option in options):
        raise InvalidBundle(f"{where}: the options of the mount {destination} must be a list of strings")
    kind = entry.get("type") or "bind"
    if kind == "bind" or "bind" in options or "rbind" in options:
        source = entry.get("source")
        if not is_text(source) or not source.startswith("/"):
            raise InvalidBundle(f"{where}: the mount {destination} has the source {source!r}, not an absolute path")
        flags, rest = _flags(options, destination)
        if rest:
            raise FailedPrecondition(f"mount {destination} has the option {rest[0]!r}, which cannot be honoured")
        return Mount(destination, source, flags, "", recursive="bind" not in options)
    if destination in _STANDARD:
        return None
    if kind != "tmpfs":
        raise FailedPrecondition(
            f"mount {destination} is of type {kind!r}: this runtime mounts host paths (bind) and tmpfs"
        )
    flags, rest = _flags(options, destination)
    return Mount(destination, "", flags, ",".join(rest), recursive=False)


def _flags(options: list[str], destination: str) -> tuple[int, list[str]]:
    """Mount flags, and the options that are none."""
    flags, rest = 0, []
    for option in options:
        if option in _REFUSED:
            raise FailedPrecondition(f"mount {destination} has the option {option!r}: {_REFUSED[option]}")
        if option in _FLAGS:
            flags |= _FLAGS[option]
        elif option not in _DEFAULTS:
            rest.append(option)
    return flags, rest
