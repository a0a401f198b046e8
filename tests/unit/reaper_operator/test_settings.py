"""settings.py: flags over environment over defaults; a wrong value is one sentence."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from reaper_operator.settings import MOST, MOST_DAYS, Settings, SettingsError, as_table, load

LEASE_ORDER = (
    "--lease-seconds is more than --lease-renew-seconds, and that is more than 1.2 times --lease-retry-seconds: not "
)
TOO_SHORT = (
    "a third of --webhook-certificate-days is more than --webhook-settle-seconds and twice --webhook-check-seconds: "
    "every replica has to see the new certificate before the old one ends"
)


def test_defaults() -> None:
    assert load([], {}) == Settings()


def test_flags_win_over_the_environment() -> None:
    environ = {"REAPER_OPERATOR_WORKERS": "3", "REAPER_OPERATOR_LOG_FORMAT": "json", "REAPER_OPERATOR_KUBECONFIG": ""}
    settings = load(["--workers", "5"], environ)
    assert (settings.workers, settings.log_format, settings.kubeconfig) == (5, "json", None)


@pytest.mark.parametrize(
    ("arguments", "environ", "sentence"),
    [
        (["--workers", "many"], {}, "--workers is a whole number, not 'many'"),
        ([], {"REAPER_OPERATOR_WORKERS": "0"}, "REAPER_OPERATOR_WORKERS is greater than 0, not 0"),
        (["--resync-seconds", "nan"], {}, "--resync-seconds is greater than 0, not nan"),
        (["--resync-seconds", "1e300"], {}, "--resync-seconds is at most 1000000000, not 1e300"),
        (
            [],
            {"REAPER_OPERATOR_WEBHOOK_CA_DAYS": "36501"},
            "REAPER_OPERATOR_WEBHOOK_CA_DAYS is at most 36500, not 36501",
        ),
        (["--workers", "1000"], {}, "more than 256 workers only wait for each other, and 1000 were asked for"),
        (["--log-level", "loud"], {}, "the log level is one of debug, info, warning, error, not 'loud'"),
        (["--log-format", "xml"], {}, "the log format is one of plain, json, not 'xml'"),
        (
            ["--health-address", "8080"],
            {},
            "the health address is host:port or :port, not '8080'",
        ),
        (
            ["--retry-base-seconds", "400"],
            {},
            "the first retry delay is not longer than the longest: see --retry-limit-seconds",
        ),
        (["--metrics-address", "host"], {}, "the metrics address is host:port or :port, not 'host'"),
        (["--metrics-address", ":8080"], {}, "probes and metrics cannot both be at ':8080'"),
        (["--lease-seconds", "1.5"], {}, "--lease-seconds is a whole number, not '1.5'"),
        (
            ["--lease-seconds", "10"],
            {},
            LEASE_ORDER + "10, 10 and 2",
        ),
        (
            [],
            {"REAPER_OPERATOR_LEASE_RETRY_SECONDS": "8.5"},
            LEASE_ORDER + "15, 10 and 8.5",
        ),
        (["--webhook-address", "9443"], {}, "the webhook address is host:port or :port, not '9443'"),
        (["--webhook-address", ":9090"], {}, "webhooks cannot be where probes or metrics are, at ':9090'"),
        (["--webhook-action", "Audit"], {}, "the action of webhooks is one of Deny, Warn, not 'Audit'"),
        (
            ["--webhook-certificates", "vault"],
            {},
            "--webhook-certificates is one of own, secret, cert-manager, not 'vault'",
        ),
        (
            ["--webhook-ca-days", "7"],
            {},
            "no certificate is valid for longer than its authority: see --webhook-ca-days",
        ),
        (
            ["--webhook-certificate-days", "0.001"],
            {},
            TOO_SHORT,
        ),
        (["--wrokers", "1"], {}, "unrecognized arguments: --wrokers 1. See reaper_operator --help"),
        (["--workers"], {}, "argument --workers: expected one argument. See reaper_operator --help"),
    ],
)
def test_wrong_values(arguments: list[str], environ: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(arguments, environ)
    assert str(caught.value) == sentence


def test_the_largest_values_overflow_nothing() -> None:
    longest = Settings(resync_seconds=MOST, webhook_ca_days=MOST_DAYS)
    now = datetime(2026, 11, 23, tzinfo=UTC)
    assert now + timedelta(days=longest.webhook_ca_days) > now + timedelta(seconds=longest.resync_seconds) > now
    loop = asyncio.new_event_loop()
    loop.call_later(longest.resync_seconds, loop.stop)
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()


def test_addresses() -> None:
    settings = Settings(health_address="[::1]:99")
    assert settings.health_endpoint == ("::1", 99)
    assert Settings(webhook_address=":9443").webhook_endpoint == (None, 9443)
    assert (Settings().health_endpoint, Settings().metrics_endpoint) == ((None, 8080), (None, 9090))


def test_the_documentation_is_what_the_help_says() -> None:
    readme = (Path(__file__).parents[3] / "operator" / "README.md").read_text()
    assert as_table() in readme
