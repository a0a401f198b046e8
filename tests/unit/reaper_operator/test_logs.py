"""logs.py: one line, with the object in it."""

import json
import logging

import pytest

from reaper_operator.logs import JsonFormatter, PlainFormatter


def record(message: str, *, subject: str | None = None, error: BaseException | None = None) -> logging.LogRecord:
    exc_info = (type(error), error, None) if error is not None else None
    made = logging.LogRecord("reaper_operator.x", logging.INFO, "x.py", 1, message, (), exc_info)
    made.created = 1795476240.5
    if subject is not None:
        made.object = subject
    return made


@pytest.mark.parametrize(
    ("subject", "line"),
    [("default/hello", "2026-11-23T23:24:00Z INFO default/hello: hi"), (None, "2026-11-23T23:24:00Z INFO hi")],
)
def test_plain(subject: str | None, line: str) -> None:
    formatter = PlainFormatter("%(asctime)s %(levelname)s %(subject)s%(message)s", "%Y-%m-%dT%H:%M:%SZ")
    assert formatter.format(record("hi", subject=subject)) == line


def test_json() -> None:
    assert json.loads(JsonFormatter().format(record('a "quoted"\nline', subject="default/hello"))) == {
        "time": "2026-11-23T23:24:00Z",
        "level": "info",
        "logger": "reaper_operator.x",
        "object": "default/hello",
        "message": 'a "quoted"\nline',
    }


def test_json_with_an_error() -> None:
    line = JsonFormatter().format(record("failed", error=ValueError("why")))
    assert "\n" not in line
    assert json.loads(line)["error"] == "ValueError: why"
