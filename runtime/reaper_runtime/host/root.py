"""Paths inside a root directory that others write to: followed a step at a time, so that no link leads out of it.

What is found is held by a descriptor and mounted on through that: a name that is looked up twice may have become a link
to another place in between, and with it the mount (CVE-2021-30465 and its like of runc). openat2(2), RESOLVE_IN_ROOT,
finds the same, but only what is there already, and not before Linux 5.6; the walk that makes what is missing has to be
done here anyway, and this one is the same on every kernel.
"""

import errno
import os

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection
    from typing import Self

_FLAGS = os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC
MAX_LINKS = 40  # on one path, as the kernel has it (path_resolution(7))


class Place:
    """A file or directory that was found: a descriptor, open until close(), and its path in the root, without links."""

    __slots__ = ("fd", "path")

    def __init__(self, fd: int, path: str) -> None:
        self.fd = fd
        self.path = path

    @property
    def name(self) -> str:
        """A name for system calls that leads nowhere else. For one that was opened before something was mounted on it,
        it is what lies below that.
        """
        return f"/proc/self/fd/{self.fd}"

    def is_same_file(self, fd: int) -> bool:
        """Whether another descriptor is of the same file."""
        return os.path.samestat(os.fstat(self.fd), os.fstat(fd))

    def close(self) -> None:
        os.close(self.fd)

    def __enter__(self) -> "Self":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class Root:
    """A directory whose paths are resolved as if it were /: absolute links begin at it, and `..` ends at it."""

    def __init__(self, path: str) -> None:
        """Raises OSError. Open it in the mount namespace in which it is used."""
        self._fd = os.open(path, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        os.close(self._fd)

    def __enter__(self) -> "Self":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self, path: str) -> Place:
        """What is at this path, with links followed; raises OSError with the path."""
        return self._walk(path, "", ())

    def own_directory(self, name: str) -> Place:
        """The directory of this name right in the root; raises OSError, NotADirectoryError for a link too."""
        return Place(os.open(name, _FLAGS | os.O_DIRECTORY, dir_fd=self._fd), f"/{name}")

    def open_as_written(self, path: str) -> Place | None:
        """What is at this absolute path when no part of it is a link; None where one is, or where there is nothing.

        Nothing is asked of where a link leads: that may be a file system which does not answer. Raises OSError.
        """
        fd = os.dup(self._fd)
        for name in path.split("/")[1:] if path != "/" else ():
            above = fd
            try:
                fd = os.open(name, _FLAGS, dir_fd=above)
            except (FileNotFoundError, NotADirectoryError):  # the latter of what is below a link too
                return None
            finally:
                os.close(above)
        place = Place(fd, path)
        if _link(fd) is None:
            return place
        place.close()
        return None

    def make_directory(self, path: str, *, but_not_in: "Collection[str]" = ()) -> Place:
        """As open(), but what is missing is made, also where a link points to it; directories of mode 0755.

        but_not_in: names of directories in the root, below which nothing is made: it is a FileNotFoundError there.
        """
        return self._walk(path, "directory", but_not_in)

    def make_file(self, path: str, *, but_not_in: "Collection[str]" = ()) -> Place:
        """As make_directory(), with an empty file of mode 0644 at the end."""
        return self._walk(path, "file", but_not_in)

    def _walk(self, path: str, make: str, but_not_in: "Collection[str]") -> Place:
        walk = _Walk(self._fd)
        try:
            walk.follow(path, make, but_not_in)
            return walk.place()
        except OSError as error:
            error.filename = path
            raise
        finally:
            walk.close()


class _Walk:
    """On the way: the directories from the root down to where we are, each held by a descriptor."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._names: list[str] = []
        self._fds: list[int] = []
        self._ahead: list[str] = []
        self._detours = 0

    def follow(self, path: str, make: str, but_not_in: "Collection[str]") -> None:
        self._plan(path)
        while self._ahead:
            name = self._ahead.pop()
            if name == "..":
                self._back(1)
                continue
            try:
                fd = self._open(name)
            except FileNotFoundError:
                if not make or (self._names and self._names[0] in but_not_in):
                    raise
                if self._made(name, directory=bool(self._ahead) or make == "directory"):
                    self._plan(name)
                else:
                    self._detour(name)  # it may come and go for ever
                continue
            link = _link(fd)
            if link is None:
                self._names.append(name)
                self._fds.append(fd)
            else:
                os.close(fd)
                self._detour(link)

    def place(self) -> Place:
        return Place(os.dup(self._here), f"/{'/'.join(self._names)}")

    def close(self) -> None:
        self._back(len(self._fds))

    @property
    def _here(self) -> int:
        return self._fds[-1] if self._fds else self._root

    def _open(self, name: str) -> int:
        """One step. On the way to something further: O_DIRECTORY has an automount mounted, O_PATH alone does not."""
        if self._ahead:
            try:
                return os.open(name, _FLAGS | os.O_DIRECTORY, dir_fd=self._here)
            except NotADirectoryError:
                pass  # a link, or a file
        return os.open(name, _FLAGS, dir_fd=self._here)

    def _back(self, steps: int) -> None:
        for _ in range(min(steps, len(self._fds))):
            self._names.pop()
            os.close(self._fds.pop())

    def _plan(self, path: str) -> None:
        self._ahead += steps(path)

    def _detour(self, path: str) -> None:
        self._detours += 1
        if self._detours > MAX_LINKS:
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
        if path.startswith("/"):
            self.close()
        self._plan(path)

    def _made(self, name: str, *, directory: bool) -> bool:
        """Whether it is made here: what somebody else put in its place is looked at as anything that is found there."""
        try:
            if directory:
                os.mkdir(name, 0o755, dir_fd=self._here)
            else:
                os.close(os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644, dir_fd=self._here))
        except FileExistsError:
            return False
        return True


def steps(path: str) -> list[str]:
    """The names on a path, the last first."""
    return [name for name in reversed(path.split("/")) if name not in ("", ".")]


def _link(fd: int) -> str | None:
    """Where a link points; None of anything else. Of the text of a link in /proc only: it is never jumped through."""
    try:
        return os.readlink("", dir_fd=fd)
    except OSError:  # ENOENT, or EINVAL of older kernels
        return None
