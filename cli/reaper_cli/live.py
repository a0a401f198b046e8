"""A table of tasks that is redrawn in place as they change and as time passes."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import click

from reaper_cli import table
from reaper_cli.cluster import TASKS, Cluster, Selection
from reaper_cli.task import Task

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from reaper_cli.session import Session

_TICK = 1.0  # seconds between two redraws when nothing happens
_UP, _ERASE = "\x1b[{}A", "\x1b[J"
_HIDE_CURSOR, _SHOW_CURSOR = "\x1b[?25l", "\x1b[?25h"
_HEADER = ["NAME", "PHASE", "EXIT", "NODE", "TIME", "WHY"]
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"


class Live:
    """The tasks of a selection, on a terminal."""

    def __init__(self, session: Session, names: Sequence[str], *, everywhere: bool) -> None:
        self._session = session
        self._names = names
        self._everywhere = everywhere
        self._tasks: dict[str, Task] = {}
        self._drawn = 0  # lines on the screen
        self._frame = 0

    def show(self, cluster: Cluster, selection: Selection, limit: float | None) -> None:
        """Until Ctrl-C or the time limit."""
        clock = self._session.clock
        deadline = None if limit is None else clock.monotonic() + limit
        click.echo(_HIDE_CURSOR, nl=False)
        try:
            with closing(cluster.watch(TASKS, selection, _TICK)) as changes:
                for change in changes:
                    if change is not None and (not self._names or change.body["metadata"]["name"] in self._names):
                        task = Task.read(change.body)
                        self._tasks[task.uid] = task
                        if change.type == "DELETED":
                            del self._tasks[task.uid]
                    self._draw()
                    if deadline is not None and clock.monotonic() >= deadline:
                        return
        except KeyboardInterrupt:
            return  # the way to leave
        finally:
            click.echo(_SHOW_CURSOR, nl=False)

    def _draw(self) -> None:
        self._frame += 1
        screen = self._session.screen
        lines = [table.clip(line, screen.columns) for line in self._lines()]
        room = max(screen.lines - 2, 3)
        if len(lines) > room:
            lines = [*lines[: room - 1], f"… and {len(lines) - room + 1} more: narrow them with -l or --field-selector"]
        back = _UP.format(self._drawn) if self._drawn else ""
        click.echo(f"{back}\r{_ERASE}" + "\n".join(lines))
        self._drawn = len(lines)

    def _lines(self) -> Iterator[str]:
        tasks = sorted(self._tasks.values(), key=lambda task: (task.finished, task.namespace, task.name))
        counts: dict[str, int] = {}
        for task in tasks:
            counts[task.phase] = counts.get(task.phase, 0) + 1
        yield ", ".join(f"{count} {table.phase(phase)}" for phase, count in counts.items()) or "no tasks yet"
        yield from table.table(_HEADER, [self._row(task) for task in tasks])

    def _row(self, task: Task) -> list[str]:
        moment = self._session.clock.now()
        begun, ended = task.started or task.created, task.completed if task.finished else moment
        spent = table.duration(ended - begun) if begun is not None and ended is not None else ""
        mark = _SPINNER[self._frame % len(_SPINNER)] if task.running else " "
        name = f"{task.namespace}/{task.name}" if self._everywhere else task.name
        attempt = f" #{task.attempts}" if task.attempts > 1 else ""
        exit_code = "" if task.exit_code is None else str(task.exit_code)
        why = "" if task.finished and task.exit_code == 0 else task.why
        return [name + attempt, f"{mark} {table.phase(task.phase)}", exit_code, task.node, spent, why]
