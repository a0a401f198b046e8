"""local: a ReaperTask on this machine, through the same runtime, for writing and debugging one in a second."""

from __future__ import annotations

import json
import os
import socket
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from reaper_cli import options
from reaper_cli.errors import Problem
from reaper_cli.session import talk

if TYPE_CHECKING:
    from reaper_api.task import ReaperTask
    from reaper_cli.target import Target

_ISOLATION, _BASE = "REAPER_OVERLAY_ISOLATION", "REAPER_OVERLAY_BASE"


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def command() -> None:
    """Run a ReaperTask on this machine, without a cluster."""


@command.command(cls=options.Verb, name="run", context_settings={"help_option_names": ["-h", "--help"]})
@click.option(
    "-f",
    "--filename",
    multiple=True,
    required=True,
    type=click.Path(),
    help="A file; - is standard input. May be repeated.",
)
@click.option("-e", "--env", multiple=True, metavar="NAME=VALUE", help="A variable, over those of the task.")
@click.option("--on-this-machine", is_flag=True, help="Without an overlay: what the process writes stays.")
@click.option("--runtime", default=None, type=click.Path(exists=True), help="Path of reaper-runtime.")
@click.option("--show", is_flag=True, help="Only print the config.json for the runtime.")
@click.option("-q", "--quiet", is_flag=True, help="Only the output of the process.")
@options.target_flags
def run(
    *,
    filename: tuple[str, ...],
    env: tuple[str, ...],
    on_this_machine: bool,
    runtime: str | None,
    show: bool,
    quiet: bool,
    target: Target,
) -> None:
    """Run the ReaperTask of a file here, through the same runtime, and exit with its exit code.

    Secrets and ConfigMaps that the task takes something from stand in the same files. What the process writes goes to
    an overlay that is gone with it. Ctrl-C goes to the process. What only a cluster does is said: it is tried once, and
    nothing restarts it.

    \b
    sudo kubectl-reaper local run -f task.yaml
    sudo kubectl-reaper local run -f task.yaml -f secrets.yaml -e DEBUG=1

    Exit codes: the process's own, 1 it could not be started, 2 wrong usage, 124 its activeDeadlineSeconds have passed,
    130 this program got SIGTERM or SIGHUP, and so ended the process.
    """
    from reaper_cli.local.machine import Machine, find_runtime, require_root

    variables = dict(map(_variable, env))
    task, objects = _read(filename)
    if not show:
        require_root()
    with tempfile.TemporaryDirectory(prefix="reaper-local-") as scratch:
        folder = Path(scratch)
        namespace = target.namespace or task.metadata.namespace
        config = _config(task, objects, variables, folder, namespace)
        if show:
            click.echo(json.dumps(config, indent=4))
            return
        if not quiet:
            _remarks(task)
        bundle = folder / "bundle"
        bundle.mkdir()
        (bundle / "config.json").write_text(json.dumps(config))
        settings = {_BASE: str(folder / "overlays"), **({_ISOLATION: "none"} if on_this_machine else {})}
        machine = Machine(find_runtime(runtime), folder, {**os.environ, **settings})
        spec = task.spec
        code = machine.run(
            bundle,
            task.metadata.name,
            stdin=spec.stdin,
            stdout=spec.stdout,
            stderr=spec.stderr,
            limit=spec.active_deadline_seconds,
            grace=spec.termination_grace_period_seconds,
        )
    if not quiet and code:
        talk(f"{task.metadata.name}: ended with exit code {code}")
    sys.exit(code)


def _read(names: tuple[str, ...]) -> tuple[ReaperTask, list[dict[str, Any]]]:
    from reaper_api.task import ReaperTask
    from reaper_api.vocabulary import API_VERSION, KIND
    from reaper_cli.created import refuse_wrong
    from reaper_cli.manifests import load

    objects = [dict(item) for name in names for item in load(name)]
    tasks = [body for body in objects if body.get("kind") == KIND]
    if len(tasks) != 1:
        raise Problem(
            f"{', '.join(names)}: there are {len(tasks)} ReaperTasks, and one is run", "kubectl reaper validate"
        )
    metadata = tasks[0].get("metadata") or {"name": "task"}
    body = {"apiVersion": API_VERSION, **tasks[0], "metadata": metadata}
    refuse_wrong(body, f"kubectl reaper validate {' '.join(names)}")
    named = {"namespace": "default", "uid": "-", "name": metadata.get("generateName"), **metadata}
    return ReaperTask.parse({**body, "metadata": named}), objects


def _config(
    task: ReaperTask, objects: list[dict[str, Any]], given: dict[str, str], folder: Path, namespace: str
) -> dict[str, Any]:
    from reaper_cli.local import bundle, files, sources

    found = sources.Sources(objects)
    variables = sources.environment(task.spec, found, given)
    volumes = files.prepare(task.spec, found, folder / "volumes")
    return bundle.config(task.spec, variables, volumes, namespace=namespace, host=socket.gethostname())


def _remarks(task: ReaperTask) -> None:
    """What a cluster would do and this does not."""
    spec = task.spec
    if spec.service_account_name:
        talk(f"{task.metadata.name}: without the token of {spec.service_account_name}, which only a cluster gives")
    if spec.dns_mode == "kubernetes":
        talk(f"{task.metadata.name}: with this machine's resolver; the cluster's DNS is not here")
    if spec.restart_policy != "Never" or spec.backoff_limit:
        talk(f"{task.metadata.name}: tried once; a cluster would try it again")


def _variable(word: str) -> tuple[str, str]:
    name, equals, value = word.partition("=")
    if not equals or not name:
        raise click.UsageError(f"--env {word}: write NAME=VALUE")
    return name, value
