"""Lines of log, letter by letter as logrus writes them."""

from __future__ import annotations

import json

import pytest

from reaper_runtime import logline

AT = 1_700_000_000_000_001_234
TIME = "2023-11-14T22:13:20.000001234Z"


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("word", "word"),
        ("a.b-c/d@e^f+g_1", "a.b-c/d@e^f+g_1"),
        ("", ""),
        ("two words", '"two words"'),
        ('say "no"\\', '"say \\"no\\"\\\\"'),
        ("a\nb\tc\x00\x7f", '"a\\nb\\tc\\x00\\x7f"'),
        ("größe", '"größe"'),
        ("\u2028 \U000e0001", '"\\u2028 \\U000e0001"'),
    ],
)
def test_text_is_quoted_where_logrus_quotes(message: str, shown: str) -> None:
    assert logline.text("error", message, {}, AT) == f'time="{TIME}" level=error msg={shown}\n'


def test_fields_follow_by_their_names() -> None:
    line = logline.text("warning", "x", {"runtime": "io.containerd.reaper.v2", "id": "a b"}, AT)
    assert line == f'time="{TIME}" level=warning msg=x id="a b" runtime=io.containerd.reaper.v2\n'


def test_json_is_one_line_with_the_same() -> None:
    line = logline.json("error", 'a "b"\n', {"id": "c"}, AT)
    assert line.count("\n") == 1
    assert json.loads(line) == {"level": "error", "msg": 'a "b"\n', "time": TIME, "id": "c"}
