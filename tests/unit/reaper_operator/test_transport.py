"""transport.py: what becomes of the API server's answers. The calls themselves: tests/integration/test_operator.py."""

import asyncio
import itertools
import json
import socket

import pytest
from kubernetes.client import Configuration

from reaper_operator import errors
from reaper_operator.cluster import ApiServer
from reaper_operator.key import Key
from reaper_operator.transport import _error


def said(message: str, reason: str = "", *fields: str) -> bytes:
    causes = [{"message": message, "field": field} for field in fields]
    return json.dumps({"kind": "Status", "message": message, "reason": reason, "details": {"causes": causes}}).encode()


@pytest.mark.parametrize(
    ("method", "status", "kind"),
    [
        ("GET", 400, errors.ClusterError),
        ("POST", 400, errors.Forbidden),
        ("GET", 401, errors.ClusterError),
        ("POST", 403, errors.Forbidden),
        ("GET", 404, errors.NotFound),
        ("POST", 409, errors.Conflict),
        ("PATCH", 409, errors.Conflict),
        ("POST", 413, errors.Forbidden),
        ("POST", 422, errors.Forbidden),
        ("PATCH", 422, errors.ClusterError),
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


@pytest.mark.parametrize(
    ("status", "data", "kind"),
    [
        # a ValidatingAdmissionPolicy without a reason, and a webhook without a code
        (422, said("no host processes here", "Invalid", ""), errors.Forbidden),
        (400, said('admission webhook "x" denied the request'), errors.Forbidden),
        (422, b'{"details": {"causes": [{"message": "no"}]}}', errors.Forbidden),
        (422, b'{"details": null}', errors.Forbidden),
        (422, said("Pod is invalid", "Invalid", "spec.containers[0].env[0].name"), errors.Invalid),
        (409, said('pods "hello" already exists', "AlreadyExists"), errors.AlreadyExists),
        (409, said('Operation cannot be fulfilled on resourcequotas "q"', "Conflict"), errors.Conflict),
    ],
)
def test_what_refuses_a_pod(status: int, data: bytes, kind: type[errors.ClusterError]) -> None:
    assert type(_error("POST", status, data, None)) is kind


def test_every_error_of_the_cluster_can_come_from_an_answer() -> None:
    statuses, answers = range(300, 600), (b"", said("", "AlreadyExists", "spec"))
    kinds = {type(_error("POST", status, answer, None)) for status in statuses for answer in answers}
    kinds |= {type(_error("GET", status, b"", None)) for status in statuses}
    assert kinds == {errors.ClusterError, *errors.ClusterError.__subclasses__()} - {errors.NotLeader, errors.Unreadable}


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


async def test_a_fault_of_tls_is_an_api_server_that_cannot_be_reached() -> None:
    """The client raises an exception of its own for it, which is no urllib3 error."""

    async def no_tls(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    server = await asyncio.start_server(no_tls, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        cluster = ApiServer(Configuration(host=f"https://127.0.0.1:{port}"), timeout=5)
        with pytest.raises(errors.Unavailable, match="SSL"):
            await cluster.get_task(Key("default", "hello"))


async def test_a_write_that_gets_no_answer_is_told_alike_however_long_it_might_have_taken() -> None:
    """What is told again and again is told once, and is in the status of a task."""
    seconds = itertools.count(0.02, 0.01)
    with socket.create_server(("127.0.0.1", 0)) as server:
        host = f"http://127.0.0.1:{server.getsockname()[1]}"
        cluster = ApiServer(Configuration(host=host), timeout=5, fence=lambda: next(seconds))
        said = []
        for _ in range(2):
            with pytest.raises(errors.Unavailable) as caught:
                await cluster.remove_pod("default", "hello", "uid")
            said.append(caught.value.message)
    assert said[0] == said[1]
    assert said[0].startswith(f"DELETE {host}/api/v1/namespaces/default/pods/hello: ")
