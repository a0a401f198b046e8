"""The node's file systems, as an overlay sees them: which it shows, and in which of them a path is.

By the mount table and by links alone: a file system whose server is gone answers nothing, and whoever asks it waits.
"""

import os

from reaper_runtime.host.root import MAX_LINKS, steps

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Set

    from reaper_runtime.host.mounts import MountPoint

_OTHERS_STATE = ("/var/lib/kubelet/", "/var/lib/containerd/", "/var/lib/docker/", "/var/lib/containers/")
_OF_PODS = frozenset(("volumes", "volume-subpaths", "containers", "plugins", "etc-hosts"))  # <root>/pods/<uid>/…
_NO_FILES = frozenset(("autofs", "nsfs"))  # mounts that have nothing to show


def is_shown(mount: "MountPoint") -> bool:
    """Whether a mount of the node is one that containers should see, apart from the trees that they share with it."""
    if mount.path.startswith(_OTHERS_STATE) or _is_of_a_pod(mount.path) or mount.kind in _NO_FILES:
        return False  # kubelet's and container engines': other pods' volumes and file systems
    return not (mount.kind == "overlay" and mount.path.endswith(("/merged", "/rootfs")))


def _is_of_a_pod(path: str) -> bool:
    """Whether kubelet has mounted it, whose root directory may be anywhere."""
    parts = path.split("/")
    return any(name == "pods" and kind in _OF_PODS for name, _, kind in zip(parts, parts[1:], parts[2:], strict=False))


def remote(table: "Mapping[str, MountPoint]") -> frozenset[str]:
    """Mount points that are not asked for anything, nor for what is below them. The node's own root has to answer."""
    return frozenset(path for path, mount in table.items() if mount.is_remote and path != "/")


def file_system_of(path: str, table: "Mapping[str, MountPoint]", unasked: "Set[str]") -> str:
    """The mount point of the node, one of the table's, below which a path is; `path` itself is not followed.

    unasked: remote() of the table.
    """
    place = _without_links(os.path.dirname(path), unasked)
    while place not in table and place != "/":
        place = os.path.dirname(place)
    return place


def follow(paths: "Iterable[str]", unasked: "Set[str]") -> "Iterator[str]":
    """Paths, and for each what it is without links, if that is another. unasked: remote() of the mount table."""
    for path in paths:
        yield path
        place = _without_links(path, unasked)
        if place != path and place not in unasked:
            yield place


def _without_links(path: str, unasked: "Set[str]") -> str:
    """Where a path leads, what is missing being no link; the mount point of the first remote file system on the way."""
    place, ahead, links = "/", steps(path), 0
    while ahead:
        part = ahead.pop()
        if part == "..":
            place = os.path.dirname(place)
            continue
        there = os.path.join(place, part)
        if there in unasked:
            return there
        link = _link(there) if links < MAX_LINKS else ""
        if not link:
            place = there
            continue
        links += 1
        ahead += steps(link)
        if link.startswith("/"):
            place = "/"
    return place


def expand(patterns: "Iterable[str]", table: "Mapping[str, MountPoint]", unasked: "Set[str]") -> "Iterator[str]":
    """Paths, with those that have a *, ? or [ replaced by what is there; within a remote file system they stay.

    unasked: remote() of the table.
    """
    for pattern in patterns:
        if _is_pattern(pattern):
            yield from _expand("/", list(reversed(steps(pattern))), table, unasked)
        else:
            yield pattern


def _expand(place: str, parts: list[str], table: "Mapping[str, MountPoint]", unasked: "Set[str]") -> "Iterator[str]":
    for number, part in enumerate(parts):
        if not _is_pattern(part):
            place = os.path.join(place, part)
            continue
        rest = parts[number + 1 :]
        if file_system_of(os.path.join(place, part), table, unasked) in unasked:
            yield os.path.join(place, part, *rest)
            return
        for name in _matching(place, part):
            yield from _expand(os.path.join(place, name), rest, table, unasked)
        return
    yield place


def _is_pattern(path: str) -> bool:
    return "*" in path or "?" in path or "[" in path


def _matching(directory: str, pattern: str) -> list[str]:
    """The names in a directory that match."""
    try:
        return [name for name in os.listdir(directory) if matches(name, pattern)]
    except OSError:
        return []


def matches(name: str, pattern: str) -> bool:
    """In the manner of a shell, in which nothing but a dot stands for one at the beginning. fnmatch(3)."""
    if name[0] == "." and pattern[0] != ".":
        return False
    if "?" in pattern or "[" in pattern:
        from fnmatch import fnmatchcase  # `re`, for the few who write such patterns

        return fnmatchcase(name, pattern)
    first, *others, last = pattern.split("*")
    if len(name) < len(first) + len(last) or not (name.startswith(first) and name.endswith(last)):
        return False
    rest = name[len(first) : len(name) - len(last)]
    for part in others:
        _, found, rest = rest.partition(part) if part else ("", "*", rest)
        if not found:
            return False
    return True


def _link(path: str) -> str:
    try:
        return os.readlink(path)
    except OSError:
        return ""
