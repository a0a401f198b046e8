"""logs.py: one line, with the object in it."""

import asyncio
import json
import logging
import warnings
from collections.abc import Iterator

import pytest

from reaper_operator.complaints import Complaints
from reaper_operator.logs import JsonFormatter, PlainFormatter, Request, Subject, about, configure
from tests.fakes.time import FakeLoop


@pytest.fixture
def root_logger() -> Iterator[None]:
    """The root logger, which is as it was afterwards."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)


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


def test_what_a_process_wrote_makes_no_line_of_its_own() -> None:
    """Nor does it colour the terminal of who reads the log."""
    formatter = PlainFormatter("%(levelname)s %(subject)s%(message)s")
    said = "exit code 3. The end of its output:\nINFO: leading as somebody\r\x1b[31mrot\t\u00fc"
    want = r"INFO exit code 3. The end of its output:\nINFO: leading as somebody\r\x1b[31mrot\tü"
    assert formatter.format(record(said)) == want
    (first, *_, last) = formatter.format(record("a\nb", error=ValueError("why"))).splitlines()
    assert (first, last) == (r"INFO a\nb", "ValueError: why")


class Refused(Exception):
    """As of Kopf: the API server's message is one of its parts."""

    message = "pods is forbidden"


@pytest.mark.parametrize(
    ("said", "line"),
    [
        ("#2/9 failed; will retry", "WARNING GET https://api/pods: pods is forbidden; tried again (2 of 9)"),
        ("#9/9 failed; escalating", "WARNING GET https://api/pods: pods is forbidden; given up after 9 tries"),
    ],
)
def test_a_request_of_kopf_that_fails(said: str, line: str) -> None:
    error = Refused("pods is forbidden", {"kind": "Status"})
    message = f"Request attempt {said}: GET https://api/pods -> {error!r}"
    kopfs = logging.LogRecord("kopf.clients", logging.ERROR, "x.py", 1, message, (), None)
    try:
        raise error
    except Refused:
        assert Request(Complaints(lambda: 0.0)).filter(kopfs)
    assert f"{kopfs.levelname} {kopfs.getMessage()}" == line


def test_a_request_of_kopf_that_fails_for_long_is_told_of_now_and_then(caplog: pytest.LogCaptureFixture) -> None:
    """Kopf tries nine times and begins anew, and each time the URL has another version in it."""
    time, told = FakeLoop(), []
    filters = Request(Complaints(lambda: time.now))
    for number in range(70):
        url = f"https://api/pods?watch=true&resourceVersion={number}"
        said = f"Request attempt #{number % 9 + 1}/9 failed; will retry: GET {url} -> x"
        kopfs = logging.LogRecord("kopf.clients", logging.ERROR, "x.py", 1, said, (), None)
        try:
            raise Refused
        except Refused:
            told.extend([kopfs.getMessage()] if filters.filter(kopfs) else [])
        time.pass_time(10)
    first = "GET https://api/pods?watch=true: pods is forbidden; tried again"
    assert told == [f"{first} (1 of 9)", f"{first} (7 of 9) (60 times in 10 min)"]


def test_other_lines_are_as_they_were() -> None:
    for name, message in (
        ("kopf.x", "Request attempt #1/9: GET x"),
        ("x", "Request attempt #1/9 failed; will retry: a -> b"),
    ):
        made = logging.LogRecord(name, logging.ERROR, "x.py", 1, message, (), None)
        try:
            raise Refused
        except Refused:
            assert Request(Complaints(lambda: 0.0)).filter(made)
        assert (made.levelname, made.getMessage()) == ("ERROR", message)


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


def test_json_with_a_trace() -> None:
    traced = record("hi")
    traced.trace = "0af7651916cd43dd8448eb211c80319c"
    assert json.loads(JsonFormatter().format(traced))["trace"] == "0af7651916cd43dd8448eb211c80319c"


async def test_whatever_is_said_about_an_object_names_it_in_any_thread() -> None:
    def said(subject: str | None = None) -> object:
        line = record("hi", subject=subject)
        assert Subject().filter(line)
        return line.__dict__.get("object")

    with about("default/hello"):
        assert await asyncio.to_thread(said) == said() == "default/hello"
        assert said("default/other") == "default/other"
    assert said() is None


def test_kopfs_own_way_to_name_an_object() -> None:
    line = record("hi")
    line.k8s_ref = {"namespace": "default", "name": "hello"}
    assert Subject().filter(line)
    assert line.__dict__["object"] == "default/hello"


def test_warnings_of_libraries_are_lines_too(capsys: pytest.CaptureFixture[str], root_logger: None) -> None:
    configure("info", "json")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn("beware", stacklevel=1)
    (line,) = capsys.readouterr().err.splitlines()
    assert "beware" in json.loads(line)["message"]
