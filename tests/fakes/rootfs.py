"""Overlays that end with the test, and commands inside a file system that a container would have."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from reaper_runtime.host import libc, mounts
from reaper_runtime.overlay import Overlay, overlays
from reaper_runtime.rootfs import Rootfs

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reaper_runtime.host import process


class Overlays:
    """Makes overlays under a folder of the test."""

    def __init__(self, folder: Path) -> None:
        self.base = str(folder / "overlays")
        self.locks = str(folder / "locks")

    def __call__(self, name: str = "team-a", hidden: tuple[str, ...] = ()) -> Overlay:
        return Overlay(name, self.base, self.locks, hidden=hidden)

    def remove(self) -> None:
        """Unmount all of it."""
        for overlay in overlays(self.base, self.locks):
            overlay.reset()
        while self.base in mounts.table():
            libc.unmount(self.base, mounts.MNT_DETACH)


def inside(rootfs: process.Rootfs, command: str) -> tuple[str, int]:
    """Output and exit code of a shell command that runs in this file system."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            os.dup2(writer, 1)
            os.dup2(writer, 2)
            try:
                rootfs.enter(rootfs.fds)
            except Exception as error:
                os.write(2, str(error).encode())
                raise
            os.execv("/bin/sh", ["sh", "-c", command])
        finally:
            os._exit(125)
    os.close(writer)
    with open(reader, "rb") as output:  # noqa: PTH123
        text = output.read().decode()
    return text, os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def sleeper(rootfs: process.Rootfs) -> int:
    """The pid of a program that waits in this file system to be killed; it has been executed."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        try:
            rootfs.enter(rootfs.fds)
            os.write(writer, b"x")
            os.execv("/bin/sleep", ["sleep", "60"])
        finally:
            os._exit(1)
    os.close(writer)
    assert os.read(reader, 2) == b"x"
    assert os.read(reader, 1) == b"", "it has executed, and with that given up the lock"
    os.close(reader)
    return pid


def run(overlay: Overlay, command: str) -> tuple[str, int]:
    """The same in a container that has this overlay and no mounts of its own."""
    rootfs = Rootfs(overlay)
    try:
        return inside(rootfs, command)
    finally:
        rootfs.close()


def mounts_at(path: str) -> Iterator[str]:
    """The type of each file system that is mounted there."""
    for line in Path("/proc/self/mountinfo").read_text().splitlines():
        if line.split()[4] == path:
            yield line.partition(" - ")[2].split()[0]
