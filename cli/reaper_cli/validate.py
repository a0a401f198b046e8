"""reaper-validate: manifests against Reaper's table of rules, without a cluster."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from reaper_api.ruleset.rule import Rule
    from reaper_cli.linting import Report, Scope

CLEAN, FOUND, UNUSABLE = 0, 1, 2  # exit codes
SUFFIXES = (".yaml", ".yml", ".json")
# What --fail-on names, and the severities that count then.
FAIL_ON = {"error": ("error",), "warning": ("error", "warning"), "never": ()}


def _version(context: click.Context, _: click.Parameter, asked: bool) -> None:  # noqa: FBT001 - click's
    if asked and not context.resilient_parsing:
        from importlib.metadata import version  # 30 ms

        click.echo(f"reaper-validate, version {version('reaper-k8s')}")
        context.exit()


def _explain(context: click.Context, _: click.Parameter, name: str | None) -> None:
    if name and not context.resilient_parsing:
        from reaper_cli.reports import explain

        click.echo("\n".join(explain(_rule(name))))
        context.exit()


class _Program(click.Command):
    """The console script, which is a verb of the plugin too."""

    def main(self, *args: Any, **extra: Any) -> Any:
        """Before anything is printed, the help too."""
        from reaper_cli.streams import be_lenient

        be_lenient()
        return super().main(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Of the verb too: what could not be written is no finding."""
        from reaper_cli.streams import on_a_disk_that_may_be_full

        with on_a_disk_that_may_be_full(UNUSABLE):
            return super().invoke(ctx)


@click.command(cls=_Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.argument("files", nargs=-1, type=click.Path(), metavar="FILE...")
@click.option(
    "--format",
    "form",
    type=click.Choice(["text", "json", "sarif", "github"]),
    default="text",
    show_default=True,
    help="Text for people, JSON, SARIF for code scanning, or annotations of a GitHub workflow.",
)
@click.option(
    "--fail-on",
    type=click.Choice(list(FAIL_ON)),
    default="error",
    show_default=True,
    help="What makes exit code 1. `warning` also covers what the chart's policy refuses.",
)
@click.option("--ignore", multiple=True, metavar="RPR001,...", help="Rules to pass over; may be repeated.")
@click.option(
    "--runtime-class",
    "runtime_classes",
    multiple=True,
    metavar="NAME",
    help="Pods of this RuntimeClass, instead of reaper-v2; may be repeated.",
)
@click.option("--all", "everything", is_flag=True, help="All Pods, whatever their RuntimeClass: would they run here?")
@click.option(
    "--explain",
    metavar="RPR001",
    callback=_explain,
    expose_value=False,
    is_eager=True,
    help="What a rule says, and why.",
)
@click.option("--version", is_flag=True, callback=_version, expose_value=False, is_eager=True, help="The version.")
def main(
    files: tuple[str, ...],
    *,
    form: str,
    fail_on: str,
    ignore: tuple[str, ...],
    runtime_classes: tuple[str, ...],
    everything: bool,
) -> None:
    """Check manifests for Reaper, without a cluster: ReaperTasks, Pods, and workloads with runtimeClassName reaper-v2.

    FILE is a file, a directory (all .yaml, .yml and .json below it) or "-" for standard input. Other objects are passed
    over. A comment `# reaper: ignore=RPR006` on a line, or above it, passes over findings in that field.

    Exit codes: 0 nothing found that counts (see --fail-on), 1 something found, 2 wrong usage or a file that cannot be
    read.
    """
    if not files:
        raise click.UsageError('which manifests? Name files or directories, or "-" for standard input')
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")  # 40 ms to look for plugins that there are not
    from reaper_cli.linting import Scope

    scope = Scope(everything=everything, ignore=frozenset(_ids(ignore)))
    if runtime_classes:
        scope = Scope(frozenset(runtime_classes), everything, scope.ignore)
    report = _look(files, scope)
    _print(report, form)
    _remark(report, files)
    found = any(report.count(severity) for severity in _counting(fail_on))
    sys.exit(UNUSABLE if report.unreadable else FOUND if found else CLEAN)


def _ids(words: Iterable[str]) -> Iterator[str]:
    for word in words:
        for name in word.replace(",", " ").split():
            yield _rule(name).id


def _rule(name: str) -> Rule:
    from reaper_api.ruleset.table import BY_ID

    if name.upper() not in BY_ID:
        raise click.UsageError(f"there is no rule {name}: there are {', '.join(BY_ID)}")
    return BY_ID[name.upper()]


def _counting(fail_on: str) -> Iterator[Any]:
    from reaper_api.ruleset.rule import Severity

    return (Severity(name) for name in FAIL_ON[fail_on])


def _look(names: Iterable[str], scope: Scope) -> Report:
    from ruamel.yaml.error import YAMLError

    from reaper_cli.linting import Report, lint
    from reaper_cli.manifests import one_line, read

    report = Report()
    for name in names:
        try:
            files = list(_files(name, report.remarks))
        except OSError as error:
            report.unreadable.append((name, one_line(error)))
            continue
        if not files:
            report.remarks.append(f"{name}: there is no file that ends with {', '.join(SUFFIXES)} in it")
        for file in files:
            try:
                lint(read(file), file, scope, report)
            except (OSError, UnicodeDecodeError, YAMLError) as error:
                report.unreadable.append((file, one_line(error)))
    return report


def _files(name: str, remarks: list[str]) -> Iterator[str]:
    """A file as it is; of a directory, the manifests below it in the order of their names. Raises OSError."""
    path = Path(name)
    if name == "-" or not path.is_dir():
        yield name
        return
    is_chart = (path / "Chart.yaml").exists()
    for entry in sorted(path.iterdir()):
        if entry.name.startswith("."):
            continue
        if is_chart and entry.name == "templates":
            remarks.append(f"{entry}: passed over, templates of a Helm chart are no YAML yet: use helm template")
        elif entry.is_dir() and not entry.is_symlink():
            yield from _files(str(entry), remarks)
        elif entry.suffix in SUFFIXES and (entry.is_file() or not entry.exists()):  # no pipe: nobody may write
            yield str(entry)


def _print(report: Report, form: str) -> None:
    from reaper_cli import reports

    colour = False if os.environ.get("NO_COLOR") else None
    if form in ("text", "github"):
        for line in reports.as_text(report) if form == "text" else reports.as_github(report):
            click.echo(line, color=colour)
        return
    import json

    if form == "json":
        data = reports.as_json(report)
    else:
        from importlib.metadata import version

        data = reports.as_sarif(report, version("reaper-k8s"))
    click.echo(json.dumps(data, indent=2, ensure_ascii=False))


def _remark(report: Report, names: tuple[str, ...]) -> None:
    """What is no data goes to standard error."""
    for file, problem in report.unreadable:
        click.echo(f"{file}: {problem}", err=True)
    for remark in report.remarks:
        click.echo(remark, err=True)
    if len(report.verdicts) > 1:
        from reaper_cli.reports import summary

        click.echo(summary(report), err=True)
    if not report.verdicts and not report.unreadable:
        others = f"; {report.others} with Pods of other runtimes: --all checks them" if report.others else ""
        click.echo(f"{', '.join(names)}: no object for Reaper in it{others}", err=True)
