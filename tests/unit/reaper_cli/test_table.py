"""Columns and times."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import click
import pytest

from reaper_cli.table import age, clip, duration, table, wrap


def test_columns_stand_below_each_other_coloured_or_not() -> None:
    rows = [["a", click.style("long", fg="red"), "x"], ["bbb", "y", ""]]
    assert [click.unstyle(line) for line in table(["N", "PHASE", ""], rows)] == [
        "N     PHASE",
        "a     long    x",
        "bbb   y",
    ]


def test_no_rows_no_header() -> None:
    assert list(table(["A"], [])) == []


# The pairs of k8s.io/apimachinery/pkg/util/duration TestHumanDuration.
@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"), (1, "1s"), (70, "70s"), (190, "3m10s"), (600, "10m"), (47 * 60, "47m"), (179 * 60, "179m"),
        (3 * 3600, "3h"), (5 * 3600 + 6 * 60, "5h6m"), (36 * 3600, "36h"), (48 * 3600, "2d"),
        (2 * 86400 + 3 * 3600, "2d3h"), (9 * 86400, "9d"), (400 * 86400, "400d"), (733 * 86400, "2y3d"),
        (8 * 365 * 86400, "8y"), (-5, "0s"),
    ],
)  # fmt: skip
def test_a_time_is_written_as_kubectl_writes_it(seconds: int, text: str) -> None:
    assert duration(timedelta(seconds=seconds)) == text


def test_an_age_that_is_not_known() -> None:
    now = datetime(2026, 11, 25, tzinfo=UTC)
    assert age(None, now) == "<unknown>"
    assert age(now - timedelta(minutes=5), now) == "5m"


@pytest.mark.parametrize(("line", "columns", "clipped"), [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("", 3, "")])
def test_a_line_is_clipped(line: str, columns: int, clipped: str) -> None:
    assert clip(line, columns) == clipped


def test_a_clipped_line_keeps_its_colours_whole() -> None:
    line = click.style("red", fg="red") + "plain" + click.style("blue", fg="blue")
    clipped = clip(line, 5)
    assert click.unstyle(clipped) == "redp…"
    assert clipped.endswith("…")
    assert clipped.count("\x1b[31m") == 1


@pytest.mark.parametrize(
    ("line", "rows"),
    [
        ("short", ["short"]),
        ("Cause    one two three four five six", ["Cause    one two three", "         four five six"]),
        ("one two three four five six", ["one two three four", "five six"]),
        ("Cause    " + "x" * 30, ["Cause    " + "x" * 30]),  # it has no place to be broken at
        ("a  b  one two three four  five six", ["a  b  one two three", "      four  five six"]),
    ],
)
def test_a_long_line_goes_on_below_its_column(line: str, rows: list[str]) -> None:
    assert list(wrap(line, 23 if line.startswith("C") else 20)) == rows


def test_a_wrapped_line_keeps_its_words_and_colours() -> None:
    line = click.style("Cause", fg="red") + "    " + click.style("one two three four five", bold=True)
    rows = list(wrap(line, 20))
    assert [click.unstyle(row) for row in rows] == ["Cause    one two", "         three four", "         five"]
    assert "".join(rows).count("\x1b") == line.count("\x1b")
