"""run: a command becomes a ReaperTask, and with --wait its output and exit code become this program's."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import click

from reaper_api.vocabulary import KIND, RestartPolicy
from reaper_cli import created, options, printing, suggestions
from reaper_cli.cluster import TASKS
from reaper_cli.errors import Problem
from reaper_cli.manifest import Wish, task_for
from reaper_cli.session import talk
from reaper_cli.task import Task

if TYPE_CHECKING:
    from collections.abc import Callable

    from reaper_cli.cluster import Body, Cluster
    from reaper_cli.session import Session

_SPEC: tuple[Callable[[Any], Any], ...] = (
    click.option("-e", "--env", multiple=True, metavar="NAME=VALUE", help="Environment variable; may be repeated."),
    click.option("-w", "--workdir", default="", help="Directory that the process starts in."),
    click.option("-u", "--user", default="", metavar="UID:GID", help="Who the process runs as; root if absent."),
    click.option("--group", "groups", type=int, multiple=True, help="Further group id; may be repeated."),
    click.option("--node", default="", shell_complete=suggestions.nodes, help="Run on this node."),
    click.option("--node-selector", multiple=True, metavar="KEY=VALUE", help="Run on a node with this label."),
    click.option("--tolerate-all", is_flag=True, help="Run on nodes with taints too."),
    click.option("--overlay", default="", help="Name of an overlay of the namespace."),
    click.option("--dns", "dns_mode", type=click.Choice(["host", "kubernetes"]), default=None, help="Whose DNS."),
    click.option(
        "--restart", type=click.Choice([str(p) for p in RestartPolicy]), default=None, help="Never if absent."
    ),
    click.option("--retries", type=click.IntRange(0), default=None, help="New attempts after a failure."),
    click.option("--deadline", type=options.Duration(), default=None, help="End it after this time, such as 10m."),
    click.option("--grace-period", type=options.Duration(), default=None, help="Between SIGTERM and SIGKILL."),
    click.option("--ttl", type=options.Duration(), default=None, help="Delete the task this long after its end."),
    click.option("-l", "--labels", multiple=True, metavar="KEY=VALUE", help="Labels of the task."),
    click.option("--annotations", multiple=True, metavar="KEY=VALUE", help="Annotations of the task."),
)


def _spec_flags(function: Any) -> Any:
    for option in reversed(_SPEC):
        function = option(function)
    return function


@options.verb(options.Runner)
@click.argument("name", required=False, default="", metavar="[NAME]")
@click.option("-f", "--filename", default="", type=click.Path(), help="Take the task from a file; - is standard input.")
@click.option("--wait", is_flag=True, help="Show the output, wait for the end, exit with the process's exit code.")
@click.option("-i", "--stdin", is_flag=True, help="Pass standard input on to the process; waits too.")
@click.option("-t", "--tty", is_flag=True, help="Give the process a terminal; needs -i.")
@click.option("--rm", "remove", is_flag=True, help="Delete the task at the end; Ctrl-C cancels it. Needs --wait or -i.")
@_spec_flags
@options.timeout("With --wait: give up waiting after this time; the task goes on.")
@click.option("-q", "--quiet", is_flag=True, help="Say nothing beside the output of the process.")
@options.dry_run("Only show the task.")
@printing.output()
@options.with_cluster
def command(
    session: Session,
    cluster: Cluster,
    *,
    name: str,
    command: tuple[str, ...],
    filename: str,
    wait: bool,
    stdin: bool,
    tty: bool,
    remove: bool,
    timeout: float | None,
    quiet: bool,
    dry_run: str,
    output: str,
    **spec: Any,
) -> None:
    """Run a command on a node.

    \b
    kubectl reaper run --wait -- df -h                 its output, and its exit code as this program's
    kubectl reaper run -it --rm -- /bin/bash           a shell on a node, and nothing left of it
    kubectl reaper run disk --node n1 -u 1000:1000 -- du -s /data
    kubectl reaper run -f task.yaml --wait --rm        the task of a file, in a pipeline

    Without NAME the task is named after the program. Ctrl-C while waiting leaves the task at work and says how to come
    back to it; with --rm it ends the process and deletes the task. The output is that of kubectl logs: both streams in
    one. Exit codes while waiting: the process's own, 124 out of time, 125 no process has ended, 130 Ctrl-C.
    """
    waits = wait or stdin
    _check_flags(waits=waits, stdin=stdin, tty=tty, remove=remove, timeout=timeout, dry_run=dry_run)
    if filename:
        body = _from_file(filename, name, command, spec, stdin=stdin, tty=tty)
    else:
        if name and not command:
            raise click.UsageError(
                f"what shall run? Write it after --, such as: kubectl reaper run {name} -- /bin/date"
            )
        if not command:
            raise click.UsageError("what shall run? Write it after --, such as: kubectl reaper run --wait -- /bin/date")
        body = task_for(Wish(name, command, stdin=stdin, tty=tty, **_times(spec)))
    if dry_run == options.CLIENT:
        created.show_unsent(body, output, f"{printing.kind_and_name(body)} created")
        return
    task = cluster.create(TASKS, body, dry_run=dry_run == options.SERVER)
    if output or not waits:
        created.show(cluster, task, output, f"{printing.kind_and_name(task)} created", dry_run)
    if waits:
        _attend(session, cluster, Task.read(task), stdin=stdin, tty=tty, remove=remove, limit=timeout, quiet=quiet)


def _check_flags(*, waits: bool, stdin: bool, tty: bool, remove: bool, timeout: float | None, dry_run: str) -> None:
    if tty and not stdin:
        raise click.UsageError("-t is of use with -i only: write -it")
    if remove and not waits:
        raise click.UsageError(
            "--rm deletes the task at its end: add --wait or -i, or use --ttl to have it deleted later"
        )
    if timeout is not None and not waits:
        raise click.UsageError("--timeout limits the waiting: add --wait, or use --deadline to limit the task itself")
    if waits:
        created.refuse_to_wait(dry_run)


def _from_file(
    filename: str, name: str, command: tuple[str, ...], spec: dict[str, Any], *, stdin: bool, tty: bool
) -> Body:
    if command or any(value not in ("", (), None, False) for value in spec.values()):
        raise click.UsageError(
            "the task of -f is taken as it is: leave out the command and the flags that describe one"
        )
    from reaper_cli.manifests import load

    tasks = [dict(item) for item in load(filename) if item.get("kind") == KIND]
    if len(tasks) != 1:
        raise Problem(f"{filename} has {len(tasks)} ReaperTasks: run takes one", f"kubectl apply -f {filename}")
    body = tasks[0]
    if name:
        body["metadata"] = {**(body.get("metadata") or {}), "name": name}
    if not isinstance(body.get("metadata"), dict):
        raise Problem(f"{filename}: the task has no metadata.name")
    if stdin and not (body.get("spec") or {}).get("stdin"):
        raise Problem(f"{filename}: the task has no input to pass anything to: set spec.stdin: true, or leave out -i")
    if tty and not (body.get("spec") or {}).get("terminal"):
        raise Problem(f"{filename}: the task has no terminal: set spec.terminal: true, or leave out -t")
    return body


def _times(spec: dict[str, Any]) -> dict[str, Any]:
    """The flags as manifest.Wish has them. A duration of 0 is read as none, which is right for all of them but ttl."""
    return {key: value for key, value in spec.items() if value is not None}


def _attend(
    session: Session,
    cluster: Cluster,
    task: Task,
    *,
    stdin: bool,
    tty: bool,
    remove: bool,
    limit: float | None,
    quiet: bool,
) -> None:
    """Stay with the task to its end, and exit as its process did."""
    from reaper_cli.attendance import Attendance, Manner

    manner = Manner.TERMINAL if tty else Manner.INPUT if stdin else Manner.OUTPUT
    if manner is Manner.TERMINAL and not session.screen.typing:
        talk("standard input is no terminal: the process gets one all the same, and what is piped as if it were typed")
    code = Attendance(session, cluster, limit=limit, remove=remove, quiet=quiet).attend(task, manner)
    sys.exit(code)
