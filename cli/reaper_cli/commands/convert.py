"""convert: Pods, Jobs and the like to ReaperTasks, and ReaperTasks to Pods, with an account of every field."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import click

from reaper_cli import options
from reaper_cli.errors import Problem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reaper_cli.converting import Converted
    from reaper_cli.target import Target


@options.verb()
@click.argument("files", nargs=-1, type=click.Path(), metavar="[FILE...]")
@click.option(
    "-f", "--filename", multiple=True, type=click.Path(), help="A file; - is standard input. The same as FILE."
)
@click.option("--node", default="", help="Put the tasks on this node; a DaemonSet needs it.")
@click.option("--check", is_flag=True, help="Write no manifests; exit code 1 if anything is lost or refused.")
@click.option(
    "--report",
    type=click.Choice(["short", "full", "json", "none"]),
    default="short",
    help="What is told of each field.",
)
@click.option("-o", "--output", type=click.Choice(["yaml", "json"]), default="yaml", help="Format of the manifests.")
@options.target_flags
def command(
    files: tuple[str, ...],
    *,
    filename: tuple[str, ...],
    node: str,
    check: bool,
    report: str,
    output: str,
    target: Target,  # noqa: ARG001 - the flags are taken everywhere; no cluster is asked
) -> None:
    """Make ReaperTasks of Pods, Jobs and the like, and Pods of ReaperTasks.

    Reads Pods, Jobs, CronJobs, Deployments, StatefulSets and ReplicaSets of one replica, DaemonSets (with --node) and
    PodTemplates; other kinds are passed on as they are. Manifests go to standard output with their comments and in
    their order (a Pod made of a task is in the operator's), the report to standard error, also how many comments went
    with fields that are gone:

    \b
    kubectl reaper convert backup.yaml > task.yaml
    kubectl get pod web -o yaml | kubectl reaper convert -f -
    kubectl reaper convert --check manifests/*.yaml           for CI: 1 if anything is lost
    kubectl reaper convert task.yaml | kubectl apply -f -     a plain Pod that does the same

    Exit codes: 0 converted, 1 an object cannot be converted (or, with --check, loses something), 2 wrong usage or a
    file that cannot be read.
    """
    names = (*files, *filename) or (("-",) if not sys.stdin.isatty() else ())
    if not names:
        raise click.UsageError("which file? Name one, or pipe a manifest")
    found = [converted for name in names for converted in _read(name, node)]
    if not found:
        raise Problem(f"{', '.join(names)}: there is no object in it")
    if not check:
        _write([converted for converted in found if converted.body is not None], output)
    _tell(found, report, err=not check)
    good = all(converted.faithful if check else converted.body is not None for converted in found)
    sys.exit(0 if good else 1)


def _read(name: str, node: str) -> list[Converted]:
    from ruamel.yaml.error import YAMLError

    from reaper_cli.converting import convert_text
    from reaper_cli.manifests import one_line, read

    try:
        return list(convert_text(read(name), node=node))
    except (OSError, UnicodeDecodeError, YAMLError) as error:
        raise click.UsageError(f"{name}: {one_line(error)}") from error


def _write(found: Sequence[Converted], output: str) -> None:
    if output == "json":
        bodies = [converted.body for converted in found]
        data = bodies[0] if len(bodies) == 1 else {"apiVersion": "v1", "kind": "List", "items": bodies}
        click.echo(json.dumps(data, indent=4))
        return
    from reaper_cli.manifests import dump

    for number, converted in enumerate(found):
        if number:
            click.echo("---")
        _comment(converted.heading)
        click.echo(dump(converted.body), nl=False)
        _comment(converted.ending)


def _comment(lines: Sequence[str]) -> None:
    for line in lines:
        click.echo(f"# {line}".rstrip())


def _tell(found: Sequence[Converted], form: str, *, err: bool) -> None:
    if form == "none":
        return
    if form == "json":
        click.echo(json.dumps([_as_data(converted) for converted in found], indent=4), err=err)
        return
    from reaper_cli.converting import report

    for converted in found:
        for line in report(converted, full=form == "full"):
            click.echo(line, err=err)


def _as_data(converted: Converted) -> dict[str, Any]:
    from reaper_api.conversion.report import text

    fields = () if converted.conversion is None else converted.conversion.fields
    return {
        "object": converted.title,
        "converted": converted.conversion is not None and converted.body is not None,
        "faithful": converted.faithful,
        "fields": [
            {
                "source": text(each.source),
                "target": text(each.target),
                "verdict": str(each.verdict),
                "note": each.note,
            }
            for each in fields
        ],
    }
