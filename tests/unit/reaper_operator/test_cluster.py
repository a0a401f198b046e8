"""cluster.py: what becomes of the API server's answers. The calls themselves: tests/integration/test_operator.py."""

import json

import pytest

from reaper_operator import errors
from reaper_operator.cluster import _error


def said(message: str) -> bytes:
    return json.dumps({"kind": "Status", "message": message}).encode()


@pytest.mark.parametrize(
    ("method", "status", "kind"),
    [
        ("GET", 400, errors.Invalid),
        ("GET", 401, errors.ClusterError),
        ("POST", 403, errors.Forbidden),
        ("GET", 404, errors.NotFound),
        ("POST", 409, errors.AlreadyExists),
        ("PATCH", 409, errors.Conflict),
        ("POST", 413, errors.Invalid),
        ("PATCH", 422, errors.Invalid),
        ("GET", 429, errors.Unavailable),
        ("GET", 500, errors.Unavailable),
        ("GET", 504, errors.Unavailable),
        ("GET", 302, errors.ClusterError),
    ],
)
def test_every_status_has_its_error(method: str, status: int, kind: type[errors.ClusterError]) -> None:
    error = _error(method, status, said("because"), None)
    assert type(error) is kind
    assert (error.status, error.message, str(error)) == (status, "because", "because")


def test_every_error_of_the_cluster_can_come_from_an_answer() -> None:
    kinds = {type(_error(method, status, b"", None)) for method in ("GET", "POST") for status in range(300, 600)}
    assert kinds == {errors.ClusterError, *errors.ClusterError.__subclasses__()}


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), (None, None), ("Wed, 21 Oct 2026 07:28:00 GMT", None)])
def test_retry_after(header: str | None, seconds: float | None) -> None:
    assert _error("GET", 429, b"", header).retry_after == seconds


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "HTTP status 502"),
        (b"bad gateway\n", "bad gateway"),
        (b"[]", "HTTP status 502"),
        (b'{"code": 502}', "HTTP status 502"),
        (b"\xff" * 1000, "�" * 200),
    ],
)
def test_an_answer_that_is_no_status_object(data: bytes, message: str) -> None:
    assert _error("GET", 502, data, None).message == message
