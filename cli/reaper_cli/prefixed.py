"""The output of several tasks at once: each line with the name of its task before it."""

from __future__ import annotations

import threading
import zlib
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple

import click

from reaper_cli.cluster import TASKS, Cluster, Lines, Selection
from reaper_cli.errors import Problem
from reaper_cli.following import has_run, logs_of
from reaper_cli.session import talk
from reaper_cli.task import Task
from reaper_cli.waiting import TICK

if TYPE_CHECKING:
    from collections.abc import Sequence

_COLOURS = ("cyan", "green", "magenta", "yellow", "blue", "bright_red")


class _Run(NamedTuple):
    """One run of a task's process."""

    namespace: str
    pod: str
    restarts: int


class Prefixed:
    """Prints lines of several tasks; whole lines only, in the order in which they came."""

    def __init__(self, cluster: Cluster, flags: Sequence[str], *, everywhere: bool, most: int) -> None:
        self._cluster = cluster
        self._flags = flags
        self._everywhere = everywhere
        self._most = most
        self._lock = threading.Lock()
        self._readers: dict[_Run, tuple[threading.Thread, Lines]] = {}

    def once(self, tasks: Sequence[Task]) -> None:
        """What is there now, task by task."""
        for task in tasks:
            if has_run(task):
                self._copy(task, self._cluster.lines(*logs_of(task.namespace, task.pod), *self._flags))
            else:
                talk(f"{task.name}: {task.state}")

    def follow(self, selection: Selection, names: Sequence[str]) -> None:
        """What is there and what comes, also from tasks that come, until all that are there are over."""
        tasks: dict[str, Task] = {}
        try:
            with closing(self._cluster.watch(TASKS, selection, TICK)) as changes:
                for change in changes:
                    if change is not None and (not names or change.body["metadata"]["name"] in names):
                        task = Task.read(change.body)
                        before = tasks.pop(task.uid, task)
                        if change.type != "DELETED":
                            tasks[task.uid] = task
                            self._read_on(task, before)
                    elif change is None and self._over(tasks):
                        return
        finally:
            for _, lines in self._readers.values():
                lines.close()

    def _over(self, tasks: dict[str, Task]) -> bool:
        reading = any(thread.is_alive() for thread, _ in self._readers.values())
        return not reading and all(task.finished for task in tasks.values())

    def _read_on(self, task: Task, before: Task) -> None:
        """What it writes now, and what was over before anybody saw it run."""
        run = _Run(task.namespace, task.pod, task.restarts)
        if has_run(task) and run not in self._readers:
            self._start(task, run)
        read = {(each.namespace, each.pod) for each in self._readers}
        if task.failed_pod not in ("", before.failed_pod) and (task.namespace, task.failed_pod) not in read:
            self._start(task, _Run(task.namespace, task.failed_pod, 0))

    def _start(self, task: Task, run: _Run) -> None:
        if sum(thread.is_alive() for thread, _ in self._readers.values()) >= self._most:
            raise Problem(
                f"more than {self._most} tasks write at the same time",
                "a narrower -l, or a higher --max-log-requests",
            )
        lines = self._cluster.lines(*logs_of(run.namespace, run.pod), "--follow", *self._flags)
        thread = threading.Thread(target=self._copy, args=(task, lines), daemon=True)
        self._readers[run] = thread, lines
        thread.start()

    def _copy(self, task: Task, lines: Lines) -> None:
        prefix = self._prefix(task)
        for line in lines:
            with self._lock:
                click.echo(f"{prefix} {line}")
        if lines.close() != 0 and lines.complaint:
            talk(f"{task.name}: {lines.complaint}")

    def _prefix(self, task: Task) -> str:
        name = f"{task.namespace}/{task.name}" if self._everywhere else task.name
        name += f" #{task.attempts}" if task.attempts > 1 else ""
        return click.style(f"[{name}]", fg=_COLOURS[zlib.crc32(task.uid.encode()) % len(_COLOURS)])
