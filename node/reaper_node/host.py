"""The node, seen from a privileged pod: its files, its programs, its processes.

Everything that touches the node goes through a `Host`, so that the steps can be tried on a
folder that only looks like a node.
"""

from __future__ import annotations

import os
import shlex
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol

from reaper_node.errors import CommandError, NodeError

if TYPE_CHECKING:
    from collections.abc import Iterator

_ENVIRONMENT = {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG": "C.UTF-8"}
_MAX_LINKS = 40  # as many as the kernel follows


@dataclass(frozen=True)
class Process:
    """A running process of the node."""

    pid: int
    executable: str
    """Path of the program file, as the node sees it."""


class Host(Protocol):
    """What the steps need of a node."""

    def resolved(self, absolute: str) -> str:
        """A path of the node with all symbolic links followed: as the node's kernel names it in /proc."""

    def path(self, absolute: str) -> Path:
        """Where a path of the node is found from here, all symbolic links followed inside the node."""

    def run(self, *command: str, stdin: bytes = b"", timeout: float = 60) -> str:
        """Run a program of the node in the node's root; its standard output, or CommandError."""

    def processes(self) -> Iterator[Process]:
        """The processes of the node."""

    def start_time(self, pid: int) -> float:
        """When a process started, in seconds since the epoch."""

    def kill(self, pid: int, number: signal.Signals) -> None:
        """Signal a process; one that is gone already is fine."""


class ChrootHost:
    """The node whose root is mounted at `root`, in a pod that shares the node's process ids."""

    def __init__(self, root: str) -> None:
        self.root = Path(root)

    def path(self, absolute: str) -> Path:
        return self.root.joinpath(self.resolved(absolute).removeprefix("/"))

    def resolved(self, absolute: str) -> str:
        """Follow links as the node would: its /opt may be a link to /var/opt, which is not this pod's."""
        pending = list(PurePosixPath(absolute).parts[1:])
        found: list[str] = []
        links = 0
        while pending:
            part = pending.pop(0)
            if part == "..":
                found = found[:-1]
                continue
            candidate = self.root.joinpath(*found, part)
            if candidate.is_symlink():
                links += 1
                if links > _MAX_LINKS:
                    raise NodeError("BadPath", f"too many symbolic links in the node's path {absolute}")
                target = PurePosixPath(candidate.readlink())
                if target.is_absolute():
                    found = []
                pending = [p for p in target.parts if p != "/"] + pending
                continue
            found.append(part)
        return f"/{'/'.join(found)}"

    def run(self, *command: str, stdin: bytes = b"", timeout: float = 60) -> str:
        shown = shlex.join(command)
        try:
            done = subprocess.run(
                command,
                input=stdin,
                capture_output=True,
                timeout=timeout,
                check=False,
                env=_ENVIRONMENT,
                # One thread only here, so running Python between fork and exec is safe.
                preexec_fn=self._enter,
            )
        except FileNotFoundError as error:
            raise CommandError(shown, None, "", f"{command[0]} was not found") from error
        except (OSError, subprocess.SubprocessError) as error:
            raise CommandError(shown, None, "", str(error)) from error
        if done.returncode != 0:
            raise CommandError(shown, done.returncode, _text(done.stdout), _text(done.stderr))
        return _text(done.stdout)

    def _enter(self) -> None:
        os.chroot(self.root)
        os.chdir("/")
        # The installer blocks SIGTERM to wait for it; what it starts must be able to end by it.
        signal.pthread_sigmask(signal.SIG_SETMASK, [])

    def processes(self) -> Iterator[Process]:
        for entry in (self.root / "proc").iterdir():
            if not entry.name.isdigit():
                continue
            try:
                executable = str((entry / "exe").readlink())
            except OSError:
                continue  # a kernel thread, or gone meanwhile
            yield Process(int(entry.name), executable)

    def start_time(self, pid: int) -> float:
        try:
            fields = (self.root / "proc" / str(pid) / "stat").read_text().rpartition(")")[2].split()
        except OSError as error:
            raise NodeError("ProcessGone", f"process {pid} of the node is gone: {error.strerror}") from error
        since_boot = int(fields[19]) / os.sysconf("SC_CLK_TCK")
        return time.time() - time.clock_gettime(time.CLOCK_BOOTTIME) + since_boot

    def kill(self, pid: int, number: signal.Signals) -> None:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            return


def _text(output: bytes) -> str:
    return output.decode(errors="replace")
