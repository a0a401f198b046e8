"""Flags and what they take."""

from __future__ import annotations

from typing import Any

import click
import pytest

from reaper_cli.options import Duration
from reaper_cli.target import Target


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("90s", 90),
        ("5m", 300),
        ("1h30m", 5400),
        ("500ms", 0.5),
        ("1.5h", 5400),
        ("30", 30),
        ("0", None),
        ("0s", None),
        (7.0, 7),
    ],
)
def test_a_time_as_kubectl_takes_it(text: Any, seconds: float | None) -> None:
    assert Duration().convert(text, None, None) == seconds


@pytest.mark.parametrize("text", ["soon", "-5", "5d", "1h 30m", "", "h"])
def test_what_is_no_time_is_an_error(text: str) -> None:
    with pytest.raises(click.BadParameter, match="is no time"):
        Duration().convert(text, None, None)


def test_flags_after_the_verb_win_over_those_before_it() -> None:
    before, after = Target(namespace="a", context="c", as_group=("g",)), Target(namespace="b")
    assert after.over(before) == Target(namespace="b", context="c", as_group=("g",))


def test_only_what_was_given_is_passed_on() -> None:
    assert Target().words() == []
    assert Target(as_user="jane", as_group=("a", "b"), server="h").words() == [
        "--server=h", "--as=jane", "--as-group=a", "--as-group=b",
    ]  # fmt: skip
