"""The node agent's loop: files of the runtime and ends of processes in, two fields of ReaperTasks out.

Nothing is polled: the kernel tells when a file changes (inotify) and when a process ends (pidfd). No task waits for it,
and its end changes nothing: what it missed it finds in the files when it starts again.
"""

from __future__ import annotations

import logging
import os
import selectors
import time
from typing import TYPE_CHECKING

from reaper_node import processes
from reaper_node.agenda import Agenda
from reaper_node.errors import NodeError
from reaper_node.inotify import FOLDER_GONE, Inotify

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from typing import NoReturn

    from reaper_node.processes import TaskProcess
    from reaper_node.statuses import Statuses

log = logging.getLogger(__name__)

SETTLE = 0.25  # seconds: what ends at once is over before anybody could read its pid
GRACE = 2.0  # seconds after an end, in which the operator mostly writes it down itself, without the pid


SHORTEST_PAUSE, LONGEST_PAUSE = 2.0, 60.0  # seconds between two beginnings


def keep(make: Callable[[], Watch], sleep: Callable[[float], None] = time.sleep) -> NoReturn:
    """Watch, and begin again after whatever ended it, such as a node that has no inotify or descriptor left to give.

    A Pod that is not Ready would hold up an upgrade, and nothing but two fields of a status depends on this. Raises
    NodeError when the folder is gone: only a new container sees another one there.
    """
    pause = SHORTEST_PAUSE
    while True:
        began = time.monotonic()
        try:
            _run(make())
        except NodeError as error:
            if error.reason == FOLDER_GONE:
                raise
            log.warning("%s; the next try is in %g s", error, pause)
        except Exception:
            log.exception("tasks are not watched; the next try is in %g s", pause)
        sleep(pause)
        worked = time.monotonic() - began > LONGEST_PAUSE
        pause = SHORTEST_PAUSE if worked else min(pause * 2, LONGEST_PAUSE)


def _run(watch: Watch) -> NoReturn:
    try:
        watch.run()
    finally:
        watch.close()


class _Followed:
    """A process, and its pidfd while it runs."""

    __slots__ = ("fd", "forgotten", "process")

    def __init__(self, process: TaskProcess, fd: int | None) -> None:
        self.process = process
        self.fd = fd
        self.forgotten = False  # by the runtime: its Pod is over


class Watch:
    """Of one folder."""

    def __init__(self, folder: Path, statuses: Statuses, clock: Callable[[], float] = time.monotonic) -> None:
        """Raises NodeError if the folder cannot be watched."""
        self._folder = folder
        self._statuses = statuses
        self._clock = clock
        self._agenda = Agenda()
        self._known: dict[str, _Followed] = {}
        self._selector = selectors.DefaultSelector()
        self._inotify = Inotify(folder)
        self._selector.register(self._inotify, selectors.EVENT_READ, None)
        self._read_all()

    def run(self) -> NoReturn:
        """Until a signal ends it. Raises NodeError when the folder is gone."""
        while True:
            self.turn(self._agenda.wait(self._clock()))

    def turn(self, timeout: float | None) -> None:
        """Wait for something to happen, then tell of at most one process: so no slow answer hides what happens."""
        for key, _ in self._selector.select(timeout):
            if key.data is None:
                self._take_changes()
            else:
                self._ended(*key.data)
        name = self._agenda.take(self._clock())
        if name is not None:
            self._tell(name)

    def close(self) -> None:
        """Watch nothing any more."""
        for followed in self._known.values():
            self._let_go(followed)
        self._selector.close()
        self._inotify.close()

    def _take_changes(self) -> None:
        changes = self._inotify.read()
        if changes.unknown:
            log.info("more has changed than the kernel could tell: everything is read again")
            self._read_all()
            return
        for name in changes.names:
            self._read(name)

    def _read_all(self) -> None:
        for name in {*self._known, *os.listdir(self._folder)}:  # noqa: PTH208 - names are wanted, not paths
            self._read(name)

    def _read(self, name: str) -> None:
        if name.endswith("~"):
            return  # half written
        known = self._known.get(name)
        try:
            process = processes.read(self._folder / name)
            if process is None:
                self._forget(name)
            elif known is None or known.process != process:
                self._follow(name, process)
        except NodeError as error:
            log.warning("%s", error)

    def _follow(self, name: str, process: TaskProcess) -> None:
        fd = processes.hold(process)
        if name in self._known:
            self._let_go(self._known[name])
        followed = self._known[name] = _Followed(process, fd)
        if fd is not None:
            self._selector.register(fd, selectors.EVENT_READ, (name, followed))
        self._agenda.add(name, self._clock() + (GRACE if fd is None else SETTLE))

    def _ended(self, name: str, followed: _Followed) -> None:
        if followed.fd is None:
            return  # a file that came at the same time has told of another process since
        self._let_go(followed)
        self._agenda.add(name, self._clock() + GRACE)

    def _forget(self, name: str) -> None:
        known = self._known.get(name)
        if known is None or known.forgotten:
            return
        known.forgotten = True
        self._ended(name, known)  # the runtime removes the file after the end: the pidfd only was not looked at yet
        if not self._agenda.has(name):
            del self._known[name]

    def _let_go(self, followed: _Followed) -> None:
        if followed.fd is not None:
            self._selector.unregister(followed.fd)
            os.close(followed.fd)
            followed.fd = None

    def _tell(self, name: str) -> None:
        followed = self._known[name]
        try:
            self._statuses.tell(followed.process, runs=followed.fd is not None)
        except NodeError as error:
            delay = self._agenda.retry(name, self._clock())
            log.warning("%s; next try in %g s", error, delay)
            return
        self._agenda.done(name)
        if followed.forgotten:
            del self._known[name]
