"""What ends a command, and with which exit code. The message is one sentence; `next` is a command to type.

Problem            1     something is wrong, or the answer is no
├── ClusterError   1     the API server refused; the message is its own
│   ├── NotFound, AlreadyExists, Conflict, Forbidden, Invalid
│   └── NoReaper         the cluster has no ReaperTasks
├── Unreachable    1     no way to the API server, in kubectl's words
├── TimedOut       124   as timeout(1)
├── NoExitCode     125   the task is over and no process ended, as docker run's
├── NoKubectl      127
└── Interrupted    130   Ctrl-C, as shells count it
"""

from __future__ import annotations

from typing import IO, Any

import click


class Terminated(KeyboardInterrupt):
    """SIGTERM or SIGHUP, which reach this program alone; a terminal sends Ctrl-C to the processes below it too."""


class Problem(click.ClickException):
    """A sentence for standard error, the command to type next, and an exit code."""

    exit_code = 1

    def __init__(self, message: str, next: str = "") -> None:  # noqa: A002 - what the reader does next
        super().__init__(message)
        self.next = next

    def show(self, file: IO[Any] | None = None) -> None:
        """Print it as kubectl prints errors."""
        click.echo(f"error: {self.message}", file=file, err=file is None)
        if self.next:
            click.echo(f"try: {self.next}", file=file, err=file is None)


class ClusterError(Problem):
    """The API server refused."""


class NotFound(ClusterError):
    """There is no such object."""


class AlreadyExists(ClusterError):
    """The name is taken."""


class Conflict(ClusterError):
    """Somebody else wrote first, or a precondition does not hold."""


class Forbidden(ClusterError):
    """RBAC, admission or a quota."""


class Invalid(ClusterError):
    """The object has wrong fields."""


class NoReaper(ClusterError):
    """The cluster does not know ReaperTasks."""

    def __init__(self) -> None:
        super().__init__(
            "this cluster has no ReaperTasks: Reaper is not installed in it, or this is another cluster than you think",
            "kubectl reaper doctor",
        )


class Unreachable(Problem):
    """kubectl could not speak to the API server, or has no configuration for it."""


class TimedOut(Problem):
    """The time of --timeout has passed."""

    exit_code = 124


class NoExitCode(Problem):
    """The task is over, and there is no exit code to pass on."""

    exit_code = 125


class NoKubectl(Problem):
    """There is no kubectl to speak through."""

    exit_code = 127

    def __init__(self, program: str) -> None:
        super().__init__(f"{program} is not in the PATH: this plugin speaks to clusters through it")


class Interrupted(Problem):
    """Ctrl-C, SIGTERM or SIGHUP."""

    exit_code = 130

    def show(self, file: IO[Any] | None = None) -> None:
        """What was done about it; not an error."""
        if self.message:
            click.echo(self.message, file=file, err=file is None)
