"""The operator's settings: each a flag and an environment variable. A wrong value stops the start with one
sentence."""

import argparse
from collections.abc import Mapping, Sequence
from dataclasses import Field, dataclass, field, fields
from typing import Any, NamedTuple, NoReturn

from reaper_operator.lease import JITTER, Terms

ENV_PREFIX = "REAPER_OPERATOR_"
LOG_LEVELS = ("debug", "info", "warning", "error")
LOG_FORMATS = ("plain", "json")
OWN, SECRET, OTHERS = "own", "secret", "cert-manager"  # who makes the webhooks' certificates
CERTIFICATES = (OWN, SECRET, OTHERS)
ACTIONS = ("Deny", "Warn")
MOST, MOST_DAYS = 10**9, 36_500  # more overflows a clock or a date: 30 years of seconds, a hundred years


class SettingsError(Exception):
    """One sentence: which setting is wrong and what it may be."""


class Endpoint(NamedTuple):
    """Where to listen. No host: every address."""

    host: str | None
    port: int


def _setting(default: Any, meaning: str, *, chart: str = "") -> Any:
    """A field of Settings with what `--help` and operator/README.md say of it, and the chart's value that sets it."""
    return field(default=default, metadata={"meaning": meaning, "chart": chart})


@dataclass(frozen=True)
class Settings:
    """Field names are flag names with dashes, and environment variables in capitals after
    REAPER_OPERATOR_."""

    kubeconfig: str | None = _setting(
        None, "path of a kubeconfig; absent: the service account in a cluster, else $KUBECONFIG or ~/.kube/config"
    )
    workers: int = _setting(8, "tasks handled at the same time", chart="operator.workers")
    resync_seconds: float = _setting(
        60.0, "between two LISTs of unfinished tasks and Pods", chart="operator.resyncSeconds"
    )
    request_timeout_seconds: float = _setting(
        30.0, "for one call to the API server", chart="operator.requestTimeoutSeconds"
    )
    retry_base_seconds: float = _setting(
        0.5,
        "before a failed task is looked at again; doubles with each failure in a row",
        chart="operator.retryBaseSeconds",
    )
    retry_limit_seconds: float = _setting(
        300.0,
        "the longest such delay, unless the API server asks for more with Retry-After",
        chart="operator.retryLimitSeconds",
    )
    lease_namespace: str | None = _setting(
        None, "namespace of the Lease by which replicas agree on a leader; absent: the Pod's own"
    )
    lease_name: str = _setting("reaper-operator", "name of that Lease")
    lease_seconds: int = _setting(
        15,
        "without a renewal until another replica takes over, in whole seconds; the leader's value counts",
        chart="operator.lease.seconds",
    )
    lease_renew_seconds: float = _setting(
        10.0,
        "without a renewal until the leader ends; its writes begin before that, and end before the Lease does",
        chart="operator.lease.renewSeconds",
    )
    lease_retry_seconds: float = _setting(
        2.0, "between two renewals, and at least between two looks of a standby", chart="operator.lease.retrySeconds"
    )
    exit_seconds: float = _setting(
        25.0, "for a graceful end after SIGTERM; below the Pod's grace period", chart="operator.exitSeconds"
    )
    health_address: str = _setting(
        ":8080",
        "host:port of /healthz (restart me) and /readyz (I do my part); no host: every address, IPv4 and IPv6",
        chart="operator.healthPort",
    )
    metrics_address: str = _setting(
        ":9090", "host:port of /metrics for Prometheus, as plain HTTP", chart="operator.metrics.port"
    )
    tracing_endpoint: str | None = _setting(
        None,
        "URL of what takes OpenTelemetry traces by OTLP over HTTP, such as http://collector:4318; absent: no traces",
        chart="operator.tracing.endpoint",
    )
    webhook_address: str | None = _setting(
        None,
        "host:port of the admission webhooks, which every replica serves by HTTPS; absent: none",
        chart="admission.webhooks.enabled",
    )
    webhook_action: str = _setting(
        "Deny", "what becomes of objects that docs/rules.md refuses: Deny or Warn", chart="admission.webhooks.action"
    )
    webhook_certificates: str = _setting(
        OWN,
        "own: the operator makes them and has API servers trust them; secret: it has them trust those of a Secret; "
        "cert-manager: it only reads the Secret",
        chart="admission.webhooks.certificates.mode",
    )
    webhook_secret: str = _setting(
        "reaper-operator-webhooks",
        "Secret of the webhooks' certificate, in the namespace of the Lease: tls.crt, tls.key, ca.crt",
        chart="admission.webhooks.certificates.secretName",
    )
    webhook_configurations: str = _setting(
        "reaper-operator-webhooks", "name of the two webhook configurations, whose caBundle is kept right"
    )
    webhook_hosts: str = _setting(
        "reaper-operator-webhooks.reaper-system.svc",
        "names and addresses that API servers call the webhooks by, with commas, for certificates that are made here",
    )
    webhook_ca_days: float = _setting(
        365.0,
        "that an authority made here is valid; it is replaced when a third of that is left",
        chart="admission.webhooks.certificates.caDays",
    )
    webhook_certificate_days: float = _setting(
        30.0, "the same for the certificate", chart="admission.webhooks.certificates.days"
    )
    webhook_check_seconds: float = _setting(
        30.0, "between two looks at Secret and configurations", chart="admission.webhooks.certificates.checkSeconds"
    )
    webhook_settle_seconds: float = _setting(
        30.0,
        "from a change of caBundle until every API server goes by it",
        chart="admission.webhooks.certificates.settleSeconds",
    )
    log_level: str = _setting("info", "debug, info, warning or error", chart="logLevel")
    log_format: str = _setting(
        "plain",
        "plain: a line for people; json: an object on each line, for collectors",
        chart="operator.logFormat",
    )

    @property
    def health_endpoint(self) -> Endpoint:
        """`health_address` in two parts."""
        return _endpoint(self.health_address)

    @property
    def metrics_endpoint(self) -> Endpoint:
        """`metrics_address` in two parts."""
        return _endpoint(self.metrics_address)

    @property
    def webhook_endpoint(self) -> Endpoint:
        """`webhook_address` in two parts. ValueError if there is none."""
        return _endpoint(self.webhook_address or "")

    @property
    def lease_terms(self) -> Terms:
        """The times of the election."""
        return Terms(self.lease_seconds, self.lease_renew_seconds, self.lease_retry_seconds)


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
    for setting in fields(Settings):
        default = "" if setting.default is None else f" (default: {setting.default})"
        parser.add_argument(_flag(setting.name), metavar="VALUE", help=setting.metadata["meaning"] + default)
    flags = vars(parser.parse_args(arguments))
    values: dict[str, Any] = {}
    for setting in fields(Settings):
        name, text = _flag(setting.name), flags[setting.name]
        if text is None:
            name = ENV_PREFIX + setting.name.upper()
            text = environ.get(name) or None
        if text is not None:
            values[setting.name] = _value(name, text, type(setting.default))
    return _checked(Settings(**values))


def as_table() -> str:
    """The settings as a Markdown table; a test holds operator/README.md to it."""
    lines = ["| flag | in the chart | default | meaning |", "| --- | --- | --- | --- |"]
    for setting in fields(Settings):
        default = "" if setting.default is None else f"{setting.default:g}" if _is_number(setting) else setting.default
        value = f"`{setting.metadata['chart']}`" if setting.metadata["chart"] else ""
        lines.append(f"| `{_flag(setting.name)}` | {value} | {default} | {setting.metadata['meaning']} |")
    return "\n".join(lines) + "\n"


def _is_number(setting: Field[Any]) -> bool:
    return isinstance(setting.default, int | float)


def _flag(name: str) -> str:
    return f"--{name.replace('_', '-')}"


def _value(name: str, text: str, kind: type) -> object:
    if kind not in (int, float):
        return text
    try:
        number: int | float = kind(text)
    except ValueError:
        raise SettingsError(f"{name} is a {'whole ' if kind is int else ''}number, not {text!r}") from None
    if not 0 < number < float("inf"):  # also refuses nan
        raise SettingsError(f"{name} is greater than 0, not {text}")
    most = MOST_DAYS if name.lower().endswith("days") else MOST
    if number > most:
        raise SettingsError(f"{name} is at most {most}, not {text}")
    return number


def _endpoint(address: str) -> Endpoint:
    """`host:port`, without the brackets of an IPv6 address."""
    host, _, port = address.rpartition(":")
    return Endpoint(host.strip("[]") or None, int(port))


def _checked(settings: Settings) -> Settings:
    _check_address("health", settings.health_address)
    _check_address("metrics", settings.metrics_address)
    if settings.health_endpoint == settings.metrics_endpoint:
        raise SettingsError(f"probes and metrics cannot both be at {settings.health_address!r}")
    _check_webhooks(settings)
    if settings.log_level not in LOG_LEVELS:
        raise SettingsError(f"the log level is one of {', '.join(LOG_LEVELS)}, not {settings.log_level!r}")
    if settings.log_format not in LOG_FORMATS:
        raise SettingsError(f"the log format is one of {', '.join(LOG_FORMATS)}, not {settings.log_format!r}")
    if settings.workers > 256:
        raise SettingsError(f"more than 256 workers only wait for each other, and {settings.workers} were asked for")
    if settings.retry_base_seconds > settings.retry_limit_seconds:
        raise SettingsError("the first retry delay is not longer than the longest: see --retry-limit-seconds")
    _check_lease(settings.lease_terms)
    return settings


def _check_webhooks(settings: Settings) -> None:
    if settings.webhook_address is not None:
        _check_address("webhook", settings.webhook_address)
        if settings.webhook_endpoint in (settings.health_endpoint, settings.metrics_endpoint):
            raise SettingsError(f"webhooks cannot be where probes or metrics are, at {settings.webhook_address!r}")
    if settings.webhook_action not in ACTIONS:
        raise SettingsError(f"the action of webhooks is one of {', '.join(ACTIONS)}, not {settings.webhook_action!r}")
    if settings.webhook_certificates not in CERTIFICATES:
        known = ", ".join(CERTIFICATES)
        raise SettingsError(f"--webhook-certificates is one of {known}, not {settings.webhook_certificates!r}")
    if settings.webhook_certificate_days > settings.webhook_ca_days:
        raise SettingsError("no certificate is valid for longer than its authority: see --webhook-ca-days")
    rest = settings.webhook_certificate_days * 86400 / 3
    if rest <= 2 * settings.webhook_check_seconds + settings.webhook_settle_seconds:
        raise SettingsError(
            "a third of --webhook-certificate-days is more than --webhook-settle-seconds and twice "
            "--webhook-check-seconds: every replica has to see the new certificate before the old one ends"
        )


def _check_address(what: str, address: str) -> None:
    _, _, port = address.rpartition(":")
    if ":" not in address or not port.isdecimal() or not 0 < int(port) < 65536:
        raise SettingsError(f"the {what} address is host:port or :port, not {address!r}")


def _check_lease(terms: Terms) -> None:
    if not terms.lease > terms.renew > JITTER * terms.retry:
        raise SettingsError(
            "--lease-seconds is more than --lease-renew-seconds, and that is more than "
            f"{JITTER} times --lease-retry-seconds: not {terms.lease}, {terms.renew:g} and {terms.retry:g}"
        )
