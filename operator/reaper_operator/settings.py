"""The operator's settings: each a flag and an environment variable. A wrong value stops the start with one
sentence."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, NoReturn

ENV_PREFIX = "REAPER_OPERATOR_"
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("plain", "json")


class SettingsError(Exception):
    """One sentence: which setting is wrong and what it may be."""


@dataclass(frozen=True)
class Settings:
    """Field names are flag names with dashes, and environment variables in capitals after
    REAPER_OPERATOR_."""

    kubeconfig: str | None = None
    """Path of a kubeconfig. Absent: the service account in a cluster, else $KUBECONFIG or ~/.kube/config."""
    workers: int = 8
    """Tasks handled at the same time. Each waits for the API server most of the time, on a thread of its
    own."""
    resync_seconds: float = 60.0
    """Between two LISTs of all unfinished tasks. How long a lost watch event or a stalled task can wait at
    most."""
    request_timeout_seconds: float = 30.0
    """For one call to the API server."""
    retry_base_seconds: float = 0.5
    """Delay before a failed task is looked at again. It doubles with each failure."""
    retry_limit_seconds: float = 300.0
    """The longest such delay."""
    exit_seconds: float = 25.0
    """For a graceful end after SIGTERM; below the Pod's terminationGracePeriodSeconds (30)."""
    health_address: str = "0.0.0.0:8080"
    """Where /healthz and /readyz are served, as host:port."""
    log_level: str = "info"
    """debug, info, warning or error."""
    log_format: str = "plain"
    """plain: a line for people. json: an object on each line, for collectors."""

    @property
    def health_host(self) -> str:
        """The host of `health_address`, without the brackets of an IPv6 address."""
        return self.health_address.rpartition(":")[0].strip("[]")

    @property
    def health_port(self) -> int:
        """The port of `health_address`."""
        return int(self.health_address.rpartition(":")[2])


_HELP = {
    "kubeconfig": "path of a kubeconfig (default: the service account in a cluster, else $KUBECONFIG)",
    "workers": "tasks handled at the same time",
    "resync_seconds": "seconds between two lists of all unfinished tasks",
    "request_timeout_seconds": "seconds that one call to the API server may take",
    "retry_base_seconds": "seconds before a failed task is looked at again; doubles with each failure",
    "retry_limit_seconds": "longest such delay in seconds",
    "exit_seconds": "seconds for a graceful end after SIGTERM",
    "health_address": "host:port of /healthz and /readyz",
    "log_level": "debug, info, warning or error",
    "log_format": "plain or json",
}


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise SettingsError(f"{message}. See reaper_operator --help")


def load(arguments: Sequence[str], environ: Mapping[str, str]) -> Settings:
    """Flags win over environment variables, these over defaults. Raises SettingsError."""
    parser = _Parser(
        prog="reaper_operator",
        description="Runs ReaperTasks as reaper-v2 Pods and reports their state.",
        epilog=f"Each flag can also be given in the environment: --log-format as {ENV_PREFIX}LOG_FORMAT.",
        allow_abbrev=False,
    )
    for field in fields(Settings):
        default = "" if field.default is None else f" (default: {field.default})"
        parser.add_argument(f"--{field.name.replace('_', '-')}", metavar="VALUE", help=_HELP[field.name] + default)
    flags = vars(parser.parse_args(arguments))
    values: dict[str, Any] = {}
    for field in fields(Settings):
        name, text = f"--{field.name.replace('_', '-')}", flags[field.name]
        if text is None:
            name = ENV_PREFIX + field.name.upper()
            text = environ.get(name) or None
        if text is not None:
            values[field.name] = _value(name, text, type(field.default))
    return _checked(Settings(**values))


def _value(name: str, text: str, kind: type) -> object:
    if kind not in (int, float):
        return text
    try:
        number: int | float = kind(text)
    except ValueError:
        raise SettingsError(f"{name} is a number, not {text!r}") from None
    if not 0 < number < float("inf"):  # also refuses nan
        raise SettingsError(f"{name} is greater than 0, not {text}")
    return number


def _checked(settings: Settings) -> Settings:
    host, _, port = settings.health_address.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise SettingsError(f"the health address is host:port, such as 0.0.0.0:8080, not {settings.health_address!r}")
    if settings.log_level not in LOG_LEVELS:
        raise SettingsError(f"the log level is one of {', '.join(LOG_LEVELS)}, not {settings.log_level!r}")
    if settings.log_format not in LOG_FORMATS:
        raise SettingsError(f"the log format is one of {', '.join(LOG_FORMATS)}, not {settings.log_format!r}")
    if settings.workers > 256:
        raise SettingsError(f"more than 256 workers only wait for each other, and {settings.workers} were asked for")
    if settings.retry_base_seconds > settings.retry_limit_seconds:
        raise SettingsError("the first retry delay is not longer than the longest: see --retry-limit-seconds")
    return settings
