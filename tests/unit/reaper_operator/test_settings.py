"""settings.py: flags over environment over defaults; a wrong value is one sentence."""

from dataclasses import fields
from pathlib import Path

import pytest

from reaper_operator.settings import _HELP, Settings, SettingsError, load


def test_defaults() -> None:
    assert load([], {}) == Settings()


def test_flags_win_over_the_environment() -> None:
    environ = {"REAPER_OPERATOR_WORKERS": "3", "REAPER_OPERATOR_LOG_FORMAT": "json", "REAPER_OPERATOR_KUBECONFIG": ""}
    settings = load(["--workers", "5"], environ)
    assert (settings.workers, settings.log_format, settings.kubeconfig) == (5, "json", None)


@pytest.mark.parametrize(
    ("arguments", "environ", "sentence"),
    [
        (["--workers", "many"], {}, "--workers is a number, not 'many'"),
        ([], {"REAPER_OPERATOR_WORKERS": "0"}, "REAPER_OPERATOR_WORKERS is greater than 0, not 0"),
        (["--resync-seconds", "nan"], {}, "--resync-seconds is greater than 0, not nan"),
        (["--workers", "1000"], {}, "more than 256 workers only wait for each other, and 1000 were asked for"),
        (["--log-level", "loud"], {}, "the log level is one of debug, info, warning, error, not 'loud'"),
        (["--log-format", "xml"], {}, "the log format is one of plain, json, not 'xml'"),
        (
            ["--health-address", "8080"],
            {},
            "the health address is host:port, such as 0.0.0.0:8080, not '8080'",
        ),
        (
            ["--retry-base-seconds", "400"],
            {},
            "the first retry delay is not longer than the longest: see --retry-limit-seconds",
        ),
        (["--wrokers", "1"], {}, "unrecognized arguments: --wrokers 1. See reaper_operator --help"),
        (["--workers"], {}, "argument --workers: expected one argument. See reaper_operator --help"),
    ],
)
def test_wrong_values(arguments: list[str], environ: dict[str, str], sentence: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load(arguments, environ)
    assert str(caught.value) == sentence


def test_addresses() -> None:
    settings = Settings(health_address="[::1]:99")
    assert (settings.health_host, settings.health_port) == ("::1", 99)


def test_every_setting_is_in_the_help_and_in_the_documentation() -> None:
    names = [field.name for field in fields(Settings)]
    assert list(_HELP) == names
    readme = (Path(__file__).parents[3] / "operator" / "README.md").read_text()
    for name in names:
        assert f"`--{name.replace('_', '-')}`" in readme
