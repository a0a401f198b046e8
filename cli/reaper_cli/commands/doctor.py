"""doctor: checks the installation from the CRD to a real process on each node, and names the fix."""

from __future__ import annotations

import sys
import textwrap
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from reaper_cli import options, printing
from reaper_cli.checks import FAILED, OK, UNKNOWN, WARNING, Finding, check
from reaper_cli.cluster import NODES, Selection
from reaper_cli.installation import Node

if TYPE_CHECKING:
    from collections.abc import Iterator

    from reaper_cli.cluster import Cluster
    from reaper_cli.session import Screen, Session

_MARKS = {OK: ("✓", "green"), WARNING: ("!", "yellow"), FAILED: ("✗", "red"), UNKNOWN: ("?", "magenta")}
_SUBJECT = 14  # columns
_NEVER = 1 << 16  # columns: only a terminal has an end of line


@options.verb()
@click.option("--run", is_flag=True, help="Also run a process on each node that is ready, and delete it again.")
@click.option("--timeout", type=options.Duration(), default=60.0, help="With --run: for each node; 60s if absent.")
@printing.structured
@options.with_cluster
def command(session: Session, cluster: Cluster, *, run: bool, timeout: float | None, output: str | None) -> None:
    """Check the installation, and say how to mend it.

    Exit code 1 if something is broken; warnings and what you may not read do not count.
    """
    findings: list[Finding] = []
    for finding in _findings(session, cluster, timeout or 60.0, run=run):
        findings.append(finding)
        if output is None:
            _print(finding, session.screen)
    if output is not None:
        printing.show([asdict(finding) for finding in findings], output)
    failed = sum(finding.status == FAILED for finding in findings)
    if output is None:
        click.echo()
        click.echo(_summary(findings, run=run))
    sys.exit(1 if failed else 0)


def _findings(session: Session, cluster: Cluster, limit: float, *, run: bool) -> Iterator[Finding]:
    broken = False
    for finding in check(cluster, session.clock.now()):
        broken |= finding.status == FAILED
        yield finding
    if not run:
        return
    if broken:
        yield Finding("processes", UNKNOWN, "none was started: first mend what is broken")
        return
    from reaper_cli.trial import trial

    for node in [Node.read(body) for body in cluster.list(NODES, Selection(""))]:
        if node.usable:
            yield trial(cluster, session.clock, node.name, limit)


def _print(finding: Finding, screen: Screen) -> None:
    mark, colour = _MARKS[finding.status]
    texts = [finding.message, *([f"→ {finding.fix}"] if finding.fix else [])]
    width = max(screen.columns - _SUBJECT - 4, 40) if screen.live else _NEVER
    lines = [line for text in texts for line in textwrap.wrap(text, width, subsequent_indent="  ")]
    click.echo(f"{click.style(mark, fg=colour)} {finding.subject:{_SUBJECT}}  {lines[0]}")
    for line in lines[1:]:
        click.echo(f"  {'':{_SUBJECT}}  {line}")


def _summary(findings: list[Finding], *, run: bool) -> str:
    counts = {status: sum(finding.status == status for finding in findings) for status in (FAILED, WARNING, UNKNOWN)}
    if not any(counts.values()):
        more = "" if run else " A real process on each node: kubectl reaper doctor --run"
        return f"All is well.{more}"
    words = {FAILED: "broken", WARNING: "to look at", UNKNOWN: "not known"}
    return ", ".join(f"{count} {words[status]}" for status, count in counts.items() if count)
