"""get: kubectl's own list of tasks; with --watch on a terminal, a table that moves."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from reaper_api.vocabulary import GROUP, PLURAL
from reaper_cli import options, printing
from reaper_cli.cluster import Selection

if TYPE_CHECKING:
    from reaper_cli.cluster import Cluster
    from reaper_cli.session import Session


@options.verb()
@options.task_names(nargs=-1, metavar="[NAME...]")
@options.selection
@click.option("--field-selector", default="", help="Such as status.phase=Failed or status.nodeName=n1.")
@click.option("-w", "--watch", is_flag=True, help="Go on: a live table on a terminal, kubectl's lines elsewhere.")
@click.option("--sort-by", default="", help="JSONPath to sort by.")
@click.option("--show-labels", is_flag=True, help="With the labels.")
@click.option("--no-headers", is_flag=True, help="Only the rows.")
@options.timeout("With --watch: end after this time.")
@printing.output("wide")
@options.with_cluster
def command(
    session: Session,
    cluster: Cluster,
    *,
    names: tuple[str, ...],
    selector: str,
    all_namespaces: bool,
    field_selector: str,
    watch: bool,
    sort_by: str,
    show_labels: bool,
    no_headers: bool,
    timeout: float | None,
    output: str,
) -> None:
    """List tasks, or watch them live.

    \b
    kubectl reaper get -A --field-selector status.phase=Failed
    kubectl reaper get -w -l job=backup       one line for each task, with how long it has been at it; Ctrl-C ends it
    """
    if names and (selector or all_namespaces or field_selector):
        raise click.UsageError("name tasks, or select them; not both")
    if timeout is not None and not watch:
        raise click.UsageError("--timeout limits --watch")
    if watch and session.screen.live and not output:
        from reaper_cli.live import Live

        selection = Selection("" if all_namespaces else cluster.namespace, labels=selector, fields=field_selector)
        Live(session, names, everywhere=all_namespaces).show(cluster, selection, timeout)
        return
    valued = {"--selector": selector, "--field-selector": field_selector, "--output": output, "--sort-by": sort_by}
    plain = {
        "--all-namespaces": all_namespaces,
        "--watch": watch,
        "--show-labels": show_labels,
        "--no-headers": no_headers,
    }
    flags = [f"{flag}={value}" for flag, value in valued.items() if value] + [flag for flag, on in plain.items() if on]
    if timeout is not None:
        flags.append(f"--request-timeout={timeout:.0f}s")
    cluster.hand_over("get", f"{PLURAL}.{GROUP}", *names, *flags)
