"""Staying with a task: its output here, our input there, its exit code at the end, and Ctrl-C in between."""

from __future__ import annotations

import threading
from enum import Enum
from typing import TYPE_CHECKING

from reaper_api.vocabulary import CONTAINER
from reaper_cli.cluster import TASKS
from reaper_cli.errors import ClusterError, Interrupted, NotFound, TimedOut
from reaper_cli.following import follow, has_run, logs_of
from reaper_cli.session import talk
from reaper_cli.waiting import Waiter, exit_code

if TYPE_CHECKING:
    from reaper_cli.cluster import Cluster
    from reaper_cli.session import Session
    from reaper_cli.task import Task


class Manner(Enum):
    """How we are connected to the process."""

    OUTPUT = "its output is shown"
    INPUT = "and what is piped to us is passed on"
    TERMINAL = "through a terminal, in both directions"


class Attendance:
    """With one task from its creation to its end."""

    def __init__(self, session: Session, cluster: Cluster, *, limit: float | None, remove: bool, quiet: bool) -> None:
        self._cluster = cluster
        self._remove = remove
        self._talk = _nothing if quiet else talk
        self._waiter = Waiter(cluster, session.clock, limit, self._talk)

    def attend(self, task: Task, manner: Manner) -> int:
        """The exit code of its process. NoExitCode, TimedOut, Interrupted where there is none."""
        self._talk(f"{task.name}: created in namespace {task.namespace}")
        try:
            match manner:
                case Manner.OUTPUT:
                    task = follow(self._cluster, self._waiter, task)
                case Manner.INPUT:
                    task = self._with_input(task)
                case Manner.TERMINAL:
                    task = self._on_terminal(task)
        except KeyboardInterrupt:
            raise self._interrupted(task) from None
        except TimedOut as error:
            if self._remove:
                self._delete(task)
                raise TimedOut(f"task {task.name} was not over in time; deleted, as --rm asks") from error
            raise
        if self._remove:
            self._delete(task)
        if task.exit_code:
            self._talk(f"{task.name}: {task.state}")
        return exit_code(task, there=not self._remove)

    def _with_input(self, task: Task) -> Task:
        """The output comes from the log, which has all of it; attach serves the input only."""
        task = self._started(task)
        if task.running:
            words = ("attach", task.pod, f"--container={CONTAINER}", f"--namespace={task.namespace}", "--stdin")
            # It ends with our input or with the process.
            threading.Thread(target=self._cluster.call, args=words, kwargs={"quiet": True}, daemon=True).start()
        return follow(self._cluster, self._waiter, task)

    def _on_terminal(self, task: Task) -> Task:
        task = self._started(task)
        if task.running:
            place = (f"--container={CONTAINER}", f"--namespace={task.namespace}")
            self._cluster.call("attach", task.pod, *place, "--stdin", "--tty")
            return self._waiter.end(task)
        if has_run(task):  # over before we came
            self._cluster.call(*logs_of(task.namespace, task.pod))
        return task

    def _started(self, task: Task) -> Task:
        return self._waiter.until(task, lambda seen: seen.running or seen.finished)

    def _interrupted(self, task: Task) -> Interrupted:
        if self._remove:
            self._delete(task)
            return Interrupted(f"{task.name}: cancelled and deleted; its process gets SIGTERM and its grace period")
        name, place = task.name, f"-n {task.namespace}"
        return Interrupted(
            f"\n{name} goes on without you. Its output: kubectl reaper logs -f {name} {place}\n"
            f"Its end, with exit code: kubectl reaper wait {name} {place}\n"
            f"To end it: kubectl reaper cancel {name} {place}"
        )

    def _delete(self, task: Task) -> None:
        try:
            self._cluster.delete(TASKS, task.name, uid=task.uid)
        except NotFound:
            return  # somebody was quicker
        except ClusterError as error:
            talk(f"{task.name}: could not be deleted: {error.message}")


def _nothing(text: str) -> None:
    """Say nothing."""
