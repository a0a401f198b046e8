"""reaper.conf: what counts, what wins, and that a wrong line makes nothing of the file count."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reaper_runtime.config import KEYS, SENSITIVE_PATHS, WITHOUT_MEANING, Config, InvalidConfig, load
from reaper_runtime.errors import FailedPrecondition

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    return tmp_path / "reaper.conf"


def _load(conf: Path, text: str, **environment: str) -> Config:
    conf.write_text(text)
    return load(environment, str(conf))


def test_without_a_file_the_defaults_count(conf: Path) -> None:
    assert load({}, str(conf)) == Config()


def test_the_table_tells_the_defaults_of_the_code(conf: Path) -> None:
    text = "".join(f"REAPER_{key.name}={key.default}\n" for key in KEYS)
    assert _load(conf, text) == Config()
    assert _load(conf, "".join(f"REAPER_{key.name}=\n" for key in KEYS)) == Config()


def test_every_key_is_read(conf: Path) -> None:
    text = """
        # a comment
        REAPER_DNS_MODE = k8s
        REAPER_OVERLAY_ISOLATION=None
        REAPER_OVERLAY_BASE=/data//overlays/
        REAPER_ANNOTATIONS_ENABLED=off
        REAPER_FILTER_MODE=replace
        REAPER_FILTER_PATHS=/a:/b::/a:/c
        REAPER_FILTER_ALLOWLIST=/b
        REAPER_UNSUPPORTED=refuse
        REAPER_RUNTIME_ROOT=/run/other
        REAPER_RUNTIME_LOG=/var/log/runtime
        REAPER_SHIM_LOG=/var/log/shim
    """
    assert _load(conf, text) == Config(
        "kubernetes", "none", "/data/overlays", False, ("/a", "/c"), True, "/run/other", "/var/log/runtime",
        "/var/log/shim",
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("REAPER_FILTER_PATHS=/x", (*SENSITIVE_PATHS, "/x")),
        ("REAPER_FILTER_ALLOWLIST=/etc/shadow", tuple(p for p in SENSITIVE_PATHS if p != "/etc/shadow")),
        ("REAPER_FILTER_ALLOWLIST=/etc", SENSITIVE_PATHS),
        ("REAPER_FILTER_ENABLED=0\nREAPER_FILTER_PATHS=/x", ()),
        ("REAPER_FILTER_MODE=replace", ()),
    ],
)
def test_filters_are_added_replaced_and_allowed(conf: Path, text: str, expected: tuple[str, ...]) -> None:
    assert _load(conf, text).filter_paths == expected


def test_the_environment_wins_over_the_file_and_an_empty_variable_does_not(conf: Path) -> None:
    assert _load(conf, "REAPER_DNS_MODE=kubernetes", REAPER_DNS_MODE="host").dns_mode == "host"
    assert _load(conf, "REAPER_DNS_MODE=kubernetes", REAPER_DNS_MODE="").dns_mode == "kubernetes"


def test_another_file_can_be_named_and_must_exist_then(conf: Path, tmp_path: Path) -> None:
    conf.write_text("REAPER_DNS_MODE=kubernetes")
    assert load({"REAPER_CONFIG": str(conf)}, "/nowhere").dns_mode == "kubernetes"
    with pytest.raises(InvalidConfig, match="does not exist: correct REAPER_CONFIG, which names it"):
        load({"REAPER_CONFIG": str(tmp_path / "none")}, str(conf))


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("REAPER_DNS_MODE=yes", "line 2: REAPER_DNS_MODE=yes is not valid: it takes host or kubernetes or k8s"),
        ("REAPER_OVERLAY_BASE=data", "line 2: REAPER_OVERLAY_BASE=data is not valid: it takes an absolute path"),
        ("REAPER_FILTER_ENABLED=maybe", "it takes true or false"),
        ("REAPER_FILTER_PATHS=/a:b", "it takes absolute paths with a colon between them"),
        ("dns mode", "line 2: 'dns mode' is not KEY=VALUE: write one setting a line, and # before a comment"),
        ("=x", "is not KEY=VALUE"),
    ],
)
def test_a_wrong_line_is_named_with_what_is_allowed(conf: Path, line: str, reason: str) -> None:
    with pytest.raises(FailedPrecondition) as raised:
        _load(conf, f"REAPER_DNS_MODE=kubernetes\n{line}\n")
    assert str(conf) in str(raised.value)
    assert reason in str(raised.value)


def test_a_wrong_variable_is_named_as_such(conf: Path) -> None:
    with pytest.raises(InvalidConfig, match="the environment: REAPER_UNSUPPORTED=die is not valid: it takes warn or"):
        _load(conf, "", REAPER_UNSUPPORTED="die")


def test_what_has_no_meaning_is_reported(conf: Path) -> None:
    text = "".join(f"REAPER_{name}=/x\n" for name in WITHOUT_MEANING)
    loaded = _load(conf, f"{text}REAPER_TYPO=1\nPATH=/bin\nREAPER_DNS_MODE=host\nREAPER_DNS_MODE=k8s")
    assert [w.partition(": ")[2].split()[0] for w in loaded.warnings] == [
        *(f"REAPER_{name}" for name in WITHOUT_MEANING), "REAPER_TYPO", "PATH", "REAPER_DNS_MODE",
    ]  # fmt: skip
    assert loaded._replace(warnings=()) == Config(dns_mode="kubernetes")


@pytest.mark.parametrize("data", [b"REAPER_DNS_MODE=\xff", b"#" * ((1 << 20) + 1)])
def test_a_file_that_is_no_text_or_too_large_is_refused(conf: Path, data: bytes) -> None:
    conf.write_bytes(data)
    with pytest.raises(InvalidConfig, match=str(conf)):
        load({}, str(conf))


def test_a_directory_in_its_place_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidConfig, match="cannot be read: Is a directory"):
        load({}, str(tmp_path))


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=200)
@given(st.text(st.characters(codec="utf-8"), max_size=200) | st.lists(
    st.sampled_from([f"REAPER_{k.name}" for k in KEYS]).flatmap(lambda k: st.text(max_size=9).map(lambda v: f"{k}={v}"))
).map("\n".join))  # fmt: skip
def test_any_text_is_a_configuration_or_one_sentence(conf: Path, text: str) -> None:
    conf.write_bytes(text.encode(errors="ignore"))
    try:
        assert isinstance(load({}, str(conf)), Config)
    except InvalidConfig as error:
        assert str(conf) in str(error)  # noqa: PT017  # either is right
