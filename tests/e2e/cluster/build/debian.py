"""Reading the base archive: its members by their absolute path, and the files that belong to packages."""

from __future__ import annotations

import tarfile
from typing import TYPE_CHECKING

from cluster.build.dpkg import Records
from cluster.build.layers import Directory, File, Link

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from typing import Self

    from cluster.build.layers import Entry, Tree

_RECORDS = "/var/lib/dpkg/"


class BaseArchive:
    """The base system's archive, open for reading."""

    def __init__(self, path: Path) -> None:
        self._tar = tarfile.open(path, "r:")  # noqa: SIM115 - closed by __exit__
        self.members = {absolute(member.name): member for member in self._tar}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._tar.close()

    def read(self, path: str) -> bytes:
        """A file's content, through links."""
        member = self.members[path]
        if member.issym():
            return self.read(_resolved(path, member.linkname))
        stream = self._tar.extractfile(self.members[absolute(member.linkname)] if member.islnk() else member)
        if stream is None:
            raise KeyError(path)
        return stream.read()

    def copy(self, path: str, target: tarfile.TarFile) -> None:
        """Append a member as it is, with its owner and mode."""
        member = self.members[path]
        target.addfile(member, self._tar.extractfile(member) if member.isreg() else None)

    def packaged(self, *packages: str) -> Tree:
        """The files of packages and of everything that they depend on."""
        paths = self._records().paths(*packages)
        return {path: self._entry(path) for path in paths if path in self.members}

    def _entry(self, path: str) -> Entry:
        member = self.members[path]
        if member.isdir():
            return Directory(member.mode)
        return Link(member.linkname) if member.issym() else File(self.read(path), member.mode)

    def _records(self) -> Records:
        records = Records()
        records.add_status(self.read(f"{_RECORDS}status").decode())
        for name in self._lists():
            records.add_list(name, self.read(f"{_RECORDS}info/{name}").decode())
        return records

    def _lists(self) -> Iterator[str]:
        folder = f"{_RECORDS}info/"
        for path in self.members:
            if path.startswith(folder) and path.endswith(".list"):
                yield path.removeprefix(folder)


def absolute(name: str) -> str:
    """`./usr/bin/` and `usr/bin` as `/usr/bin`."""
    return f"/{name.removeprefix('.').strip('/')}"


def _resolved(path: str, target: str) -> str:
    parts: list[str] = [] if target.startswith("/") else path.split("/")[1:-1]
    for part in target.split("/"):
        if part == "..":
            parts.pop()
        elif part not in ("", "."):
            parts.append(part)
    return "/" + "/".join(parts)
