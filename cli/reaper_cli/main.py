"""kubectl-reaper: the verbs, each loaded only when it is used, so that help comes at once."""

from __future__ import annotations

import difflib
import os
import signal
import sys
from importlib import import_module
from typing import TYPE_CHECKING, Any

import click
from click.shell_completion import CompletionItem

from reaper_cli.errors import Interrupted, Problem, Terminated
from reaper_cli.options import COMPLETE_VARIABLE, target_flags
from reaper_cli.session import Session
from reaper_cli.streams import be_lenient, on_a_disk_that_may_be_full

if TYPE_CHECKING:
    from types import FrameType
    from typing import NoReturn

    from reaper_cli.target import Target

PROGRAM = "kubectl reaper"
_ENDED_BY_SIGNAL = 128

# What the list of verbs shows; tests compare it with each command's own text.
SECTIONS: dict[str, dict[str, str]] = {
    "Run and watch": {
        "run": "Run a command on a node.",
        "get": "List tasks, or watch them live.",
        "describe": "Task, Pod, node and process on one screen, the cause of a failure first.",
        "logs": "Print what a task's process writes, from its beginning.",
        "wait": "Wait for the end of a task and exit with its exit code.",
        "top": "Processor and memory that tasks use.",
    },
    "Inside a running task": {
        "exec": "Run another command beside a task's process.",
        "attach": "Connect to the input and output of a task's process.",
        "cp": "Copy files from and to a task's file system.",
    },
    "Steer": {
        "cancel": "End a task's process, and keep the task and its output.",
        "suspend": "Hold a task back, or stop it until it is resumed.",
        "resume": "Let a suspended task run.",
        "retry": "Run a finished task again, as a new task.",
    },
    "Write manifests": {
        "convert": "Make ReaperTasks of Pods, Jobs and the like, and Pods of ReaperTasks.",
        "validate": "Check manifests without a cluster.",
        "local": "Run a ReaperTask on this machine, without a cluster.",
    },
    "Installation": {
        "doctor": "Check the installation, and say how to mend it.",
        "nodes": "Where the runtime is, which version, and what is wrong.",
        "version": "Versions of plugin, operator, CRD and nodes.",
        "completion": "Completion for bash, zsh and fish.",
    },
}
VERBS = {name: text for section in SECTIONS.values() for name, text in section.items()}


class Plugin(click.Group):
    """The group of verbs."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's
        """In the order of the help."""
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's
        """Load a verb."""
        if cmd_name not in VERBS:
            return None
        command: click.Command = import_module(f"reaper_cli.commands.{cmd_name}").command
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The verb that was typed, or an error that names the one that was meant."""
        name = args[0]
        if name not in VERBS and ctx.resilient_parsing:
            return name, click.Command(name, add_help_option=False), args[1:]  # completion has nothing to say of it
        if name not in VERBS and not name.startswith("-"):
            close = difflib.get_close_matches(name, VERBS, 1)
            ctx.fail(f"there is no verb {name!r}" + (f": did you mean {close[0]!r}?" if close else ""))
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        """The list of verbs, without loading any."""
        for title, verbs in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(f"{name:11}", text) for name, text in verbs.items()])

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem[str]]:
        """The verbs, without loading any; flags as usual."""
        if incomplete.startswith("-"):
            return super().shell_complete(ctx, incomplete)
        return [CompletionItem(name, help=text) for name, text in VERBS.items() if name.startswith(incomplete)]

    def invoke(self, ctx: click.Context) -> Any:
        """Ctrl-C is an end like others, with the exit code of shells."""
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Interrupted("") from None


@click.group(cls=Plugin, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@target_flags
@click.pass_context
def plugin(ctx: click.Context, target: Target) -> None:
    """Processes on nodes as Kubernetes objects: run them, watch them, look into them.

    Data goes to standard output, everything else to standard error. Exit codes: 0 done, 1 it failed or the answer is
    no, 2 wrong usage, 124 out of time, 130 Ctrl-C; `run --wait` and `wait` pass on that of the process, or 125 when no
    process has ended.
    """
    ctx.obj = (ctx.obj or Session.here()).aimed(target)
    if os.environ.get("NO_COLOR"):
        ctx.color = False


def main() -> NoReturn:
    """The console script."""
    be_lenient()
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupt)
    with on_a_disk_that_may_be_full(Problem.exit_code):
        plugin.main(prog_name=PROGRAM, complete_var=COMPLETE_VARIABLE)
    sys.exit(0)


def _interrupt(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of handlers
    raise Terminated
