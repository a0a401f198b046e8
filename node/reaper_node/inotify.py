"""Changes in one folder, as the kernel tells them: inotify(7), by ctypes."""

from __future__ import annotations

import ctypes
import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from reaper_node.errors import NodeError

if TYPE_CHECKING:
    from pathlib import Path

FOLDER_GONE = "FolderGone"
MOVED_FROM, MOVED_TO, DELETE, DELETE_SELF, MOVE_SELF = 0x40, 0x80, 0x200, 0x400, 0x800
ONLYDIR, UNMOUNT, OVERFLOW, IGNORED = 0x01000000, 0x2000, 0x4000, 0x8000
_EVENT = struct.Struct("iIII")  # struct inotify_event, then so many bytes of name
_BUFFER = 1 << 16


@dataclass(frozen=True)
class Changes:
    """Names of files that came, went or were replaced; or that nobody knows which, and all have to be read again."""

    names: frozenset[str]
    unknown: bool


class Inotify:
    """Watches one folder for files that are renamed into it and removed from it."""

    def __init__(self, folder: Path) -> None:
        """Raises NodeError if the folder cannot be watched."""
        self._folder = folder
        libc = ctypes.CDLL(None, use_errno=True)
        self._fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        if self._fd < 0:
            raise self._refused()
        wanted = MOVED_FROM | MOVED_TO | DELETE | DELETE_SELF | MOVE_SELF | ONLYDIR
        if libc.inotify_add_watch(self._fd, os.fsencode(folder), ctypes.c_uint32(wanted)) < 0:
            error = self._refused()
            os.close(self._fd)
            raise error

    def _refused(self) -> NodeError:
        return NodeError("CannotWatch", f"{self._folder} cannot be watched: {os.strerror(ctypes.get_errno())}")

    def fileno(self) -> int:
        """Readable when there are changes."""
        return int(self._fd)

    def read(self) -> Changes:
        """What has changed since the last call. Raises NodeError when the folder itself is gone."""
        names: set[str] = set()
        unknown = False
        for mask, name in self._events():
            if mask & (DELETE_SELF | MOVE_SELF | UNMOUNT | IGNORED):
                raise NodeError(FOLDER_GONE, f"{self._folder} was removed, and nothing is seen of what follows it")
            unknown |= bool(mask & OVERFLOW)
            if name:
                names.add(os.fsdecode(name))
        return Changes(frozenset(names), unknown)

    def _events(self) -> list[tuple[int, bytes]]:
        try:
            data = os.read(self._fd, _BUFFER)
        except BlockingIOError:
            return []
        return parse(data)

    def close(self) -> None:
        """Watch no more."""
        os.close(self._fd)


def parse(data: bytes) -> list[tuple[int, bytes]]:
    """Mask and name of each event; the name is empty where the event is about the folder, or about all."""
    found = []
    place = 0
    while place < len(data):
        _, mask, _, length = _EVENT.unpack_from(data, place)
        place += _EVENT.size
        found.append((mask, data[place : place + length].rstrip(b"\0")))
        place += length
    return found
