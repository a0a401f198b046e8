"""What a verb shows of the task that it has made, or that it would make: a line, or the object, or what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reaper_cli import printing
from reaper_cli.errors import Problem
from reaper_cli.options import CLIENT, NONE, REMARK

if TYPE_CHECKING:
    from reaper_cli.cluster import Body, Cluster


def refuse_to_wait(dry_run: str) -> None:
    """A usage error where nothing is going to run."""
    if dry_run != NONE:
        raise click.UsageError("--dry-run runs nothing: there is nothing to wait for")


def show(cluster: Cluster, body: Body, output: str, line: str, dry_run: str) -> None:
    """`body` as the API server answered it, made or not; `line` where no format is asked for."""
    if _printed(body, output, line + REMARK[dry_run]):
        return
    if dry_run != NONE:
        raise click.UsageError(f"-o {output} reads a task that is there: use -o json with --dry-run=server")
    cluster.call("get", printing.kind_and_name(body), f"--namespace={body['metadata']['namespace']}", "-o", output)


def refuse_wrong(body: Body, next: str = "") -> None:  # noqa: A002 - as in Problem
    """A Problem with all that the table of rules has against a task."""
    from reaper_api.ruleset.rule import Severity
    from reaper_api.ruleset.table import findings

    wrong = [found.violation.text for found in findings(body) if found.rule.severity is Severity.ERROR]
    if wrong:
        raise Problem("; ".join(wrong), next)


def show_unsent(body: Body, output: str, line: str) -> None:
    """`body` as it would be sent, checked as far as that goes without an API server. A Problem where it is wrong."""
    refuse_wrong(body)
    if not _printed(body, output, line + REMARK[CLIENT]):
        raise click.UsageError(
            f"-o {output} takes kubectl: pipe the output of -o json to kubectl create --dry-run=client"
        )


def _printed(body: Body, output: str, line: str) -> bool:
    """False for the formats that are kubectl's."""
    if output in ("json", "yaml"):
        printing.show(body, output)
    elif output == "name":
        click.echo(printing.kind_and_name(body))
    elif not output:
        click.echo(line)
    else:
        return False
    return True
