"""The flags that commands share, named and spelled as kubectl's."""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Any

import click

from reaper_cli.session import Session
from reaper_cli.target import Target

if TYPE_CHECKING:
    from collections.abc import Callable

    from reaper_cli.cluster import Cluster

COMPLETE_VARIABLE = "_KUBECTL_REAPER_COMPLETE"  # by which the script of `completion` asks how a line goes on
Function = Any  # whatever click decorates
NONE, CLIENT, SERVER = "none", "client", "server"
REMARK = {NONE: "", CLIENT: " (dry run)", SERVER: " (server dry run)"}
"""What stands behind a line, by the kind of dry run."""

_UNITS = {"ms": 0.001, "s": 1, "m": 60, "h": 3600}
_FLAGS: tuple[tuple[tuple[str, ...], str], ...] = (
    (("-n", "--namespace"), "Namespace; that of the context if absent."),
    (("--context",), "Context of the kubeconfig."),
    (("--kubeconfig",), "Path of the kubeconfig; $KUBECONFIG or ~/.kube/config if absent."),
    (("--cluster",), "Cluster of the kubeconfig."),
    (("-s", "--server"), "Address of the API server."),
    (("--token",), "Bearer token for the API server."),
    (("--as", "as_user"), "User to impersonate."),
    (("--as-group",), "Group to impersonate; may be repeated."),
    (("--request-timeout",), "Time for one request, such as 10s; no limit if absent."),
)


class KubectlOption(click.Option):
    """A flag that is kubectl's own: shown after the others in the help."""


class Verb(click.Command):
    """A command whose help has its own flags first."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Two lists: what is particular, and what every verb takes."""
        for title, kubectls in (("Options", False), ("Options of kubectl", True)):
            records = [
                record
                for parameter in self.get_params(ctx)
                if isinstance(parameter, click.Option)
                and isinstance(parameter, KubectlOption) is kubectls
                and (record := parameter.get_help_record(ctx)) is not None
            ]
            if records:
                with formatter.section(title):
                    formatter.write_dl(records)


class Runner(Verb):
    """A verb that takes a command line after `--`, whatever is in that; the function gets it as `command`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Ours before the `--`, theirs after it."""
        end = args.index("--") if "--" in args else len(args)
        try:
            rest = super().parse_args(ctx, args[:end])
        except click.UsageError as error:
            if "extra argument" not in error.message:
                raise
            advice = f"what shall run stands after --, such as: {ctx.command_path} … -- /bin/date"
            raise click.UsageError(f"{error.message.rstrip('.')}: {advice}", ctx) from error
        ctx.params["command"] = tuple(args[end + 1 :])
        return rest

    def collect_usage_pieces(self, ctx: click.Context) -> list[str]:
        """With the command line at the end."""
        return [*super().collect_usage_pieces(ctx), "-- COMMAND [ARGUMENT]..."]


def verb(cls: type[Verb] = Verb) -> Callable[[Function], click.Command]:
    """Declare a verb. Its docstring's first sentence is its help in the list of verbs."""
    return click.command(cls=cls, context_settings={"help_option_names": ["-h", "--help"]})


def target_flags(function: Function) -> Function:
    """kubectl's flags for where and as whom; the function gets them as `target`."""

    @functools.wraps(function)
    def gather(*args: Any, **values: Any) -> Any:
        given: dict[str, Any] = {name: values.pop(name) or "" for name in _names()}
        given["as_group"] = tuple(given["as_group"])
        return function(*args, target=Target(**given), **values)

    for flags, text in reversed(_FLAGS):
        repeated = flags[-1] == "--as-group"
        complete = _completion(flags[-1])
        option = click.option(*flags, cls=KubectlOption, help=text, multiple=repeated, shell_complete=complete)
        gather = option(gather)
    return gather


def with_cluster(function: Function) -> Function:
    """The command gets `session` and `cluster`."""

    @functools.wraps(function)
    def connect(session: Session, target: Target, **values: Any) -> Any:
        return function(session=session, cluster=session.cluster(target), **values)

    return target_flags(click.pass_obj(connect))


def selection(function: Function) -> Function:
    """-l and -A."""
    for option in (
        click.option("-A", "--all-namespaces", is_flag=True, help="In all namespaces."),
        click.option("-l", "--selector", default="", help="Tasks with these labels, as kubectl's -l."),
    ):
        function = option(function)
    return function


def dry_run(text: str) -> Callable[[Function], Function]:
    """--dry-run, as kubectl's; the function gets it as `dry_run`."""
    return click.option("--dry-run", type=click.Choice([NONE, CLIENT, SERVER]), default=NONE, help=text)


def timeout(text: str) -> Callable[[Function], Function]:
    """--timeout, in seconds once read; None without a limit."""
    return click.option("--timeout", type=Duration(), default=None, help=text)


class Duration(click.ParamType[float | None]):
    """A time as kubectl writes it: 90s, 5m, 1h30m, or plain seconds; 0 is no limit."""

    name = "duration"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float | None:
        """Seconds."""
        if isinstance(value, float):
            return value
        text = str(value)
        if re.fullmatch(r"\d+", text):
            return float(text) or None
        parts = re.findall(r"(\d+(?:\.\d+)?)(ms|s|m|h)", text)
        if not parts or "".join(number + unit for number, unit in parts) != text:
            self.fail(f"{text!r} is no time: write for example 90s, 5m or 1h30m", param, ctx)
        return sum(float(number) * _UNITS[unit] for number, unit in parts) or None


def task_names(**settings: Any) -> Callable[[Function], Function]:
    """Arguments that are names of tasks; `reapertask/NAME` and `rt/NAME` are taken too."""
    return click.argument("names", callback=_without_kind, shell_complete=_tasks, **settings)


def task_name(**settings: Any) -> Callable[[Function], Function]:
    """One such argument."""
    return click.argument("name", callback=_without_kind, shell_complete=_tasks, **settings)


def _without_kind(ctx: click.Context, parameter: click.Parameter, value: Any) -> Any:
    if isinstance(value, tuple):
        return tuple(_without_kind(ctx, parameter, each) for each in value)
    if value is None or "/" not in value:
        return value
    from reaper_api.vocabulary import GROUP, PLURAL, SHORT_NAME, SINGULAR

    kind, _, name = value.partition("/")
    if kind.lower() not in {PLURAL, SINGULAR, SHORT_NAME, f"{PLURAL}.{GROUP}"}:
        raise click.BadParameter(f"{value!r} names a {kind}: write the name of a ReaperTask", ctx, parameter)
    return name


def _names() -> list[str]:
    return [flags[-1].lstrip("-").replace("-", "_") for flags, _ in _FLAGS]


def _completion(flag: str) -> Any:
    from reaper_cli import suggestions

    return {"--namespace": suggestions.namespaces, "--context": suggestions.contexts}.get(flag)


def _tasks(ctx: click.Context, parameter: click.Parameter, incomplete: str) -> list[str]:
    from reaper_cli import suggestions

    return suggestions.tasks(ctx, parameter, incomplete)


def cluster_of(ctx: click.Context) -> Cluster:
    """The cluster that a half-typed command line means, for completion."""
    session: Session = ctx.obj or Session.here()
    words: dict[str, Any] = {}
    for context in (ctx.parent, ctx):
        words |= {name: value for name in _names() if context is not None and (value := context.params.get(name))}
    return session.cluster(Target(**words))
