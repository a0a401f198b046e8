"""Requests to the API server, and every way in which one can fail."""

from __future__ import annotations

import email.utils
import socket
import threading
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import certifi
import pytest

from reaper_node.errors import ApiError
from reaper_node.kube import ApiServer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def account(tmp_path: Path) -> Path:
    (tmp_path / "token").write_text("secret\n")
    (tmp_path / "ca.crt").symlink_to(certifi.where())
    return tmp_path


@contextmanager
def answering(answer: bytes, account: Path) -> Iterator[ApiServer]:
    """An API server that takes one request and gives this answer, whatever it was asked."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(65536)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        server = ApiServer(f"http://127.0.0.1:{listener.getsockname()[1]}", account)
        yield server
        server.close()
        thread.join()


class Listener:
    """Answers so many requests on each connection, and then closes it."""

    def __init__(self, *requests: int, answer: bytes = b"{}") -> None:
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.base = f"http://127.0.0.1:{self.socket.getsockname()[1]}"
        self.heads: list[str] = []
        self._answer = answer
        self.bodies: list[bytes] = []
        self._thread = threading.Thread(target=self._serve, args=requests)
        self._thread.start()

    def _serve(self, *requests: int) -> None:
        for count in requests:
            connection, _ = self.socket.accept()
            with connection, connection.makefile("rb") as incoming:
                for _ in range(count):
                    head = b"".join(iter(incoming.readline, b"\r\n")).decode()
                    lengths = [int(line[15:]) for line in head.split("\r\n") if line.startswith("Content-Length:")]
                    self.heads.append(head)
                    self.bodies.append(incoming.read(sum(lengths)))
                    connection.sendall(http("200 OK", self._answer))

    def close(self) -> None:
        self._thread.join()
        self.socket.close()


def test_a_status_is_applied_on_the_server_by_a_field_manager_of_its_own(account: Path) -> None:
    listener = Listener(1)
    server = ApiServer(listener.base, account)
    server.apply_status({"metadata": {"namespace": "default", "name": "hello"}, "status": {"hostProcessPID": 4711}})
    server.close()
    listener.close()

    path = "/apis/reaper.io/v1alpha1/namespaces/default/reapertasks/hello/status"
    assert listener.heads[0].startswith(f"PATCH {path}?fieldManager=reaper-node&force=true HTTP/1.1\r\n")
    assert "Content-Type: application/apply-patch+yaml\r\n" in listener.heads[0]
    assert b'"hostProcessPID": 4711' in listener.bodies[0]


def test_a_connection_is_used_again_and_replaced_when_the_server_has_closed_it(account: Path) -> None:
    listener = Listener(2, 1)
    server = ApiServer(listener.base, account)
    for token in ("first", "second", "third"):
        (account / "token").write_text(token)
        server.task("default", "hello")
    server.close()
    listener.close()

    tokens = [head.partition("Authorization: Bearer ")[2].split("\r\n")[0] for head in listener.heads]
    assert tokens == ["first", "second", "third"]


def http(status: str, body: bytes, length: int | None = None) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: {length or len(body)}\r\n\r\n".encode() + body


LISTED = b'{"items": [{"metadata": {"name": "lab", "creationTimestamp": "2026-11-27T10:00:00Z"}}]}'


@pytest.mark.parametrize("behind", [0, 3600])
def test_when_namespaces_were_created_is_told_by_this_machines_clock(account: Path, behind: int) -> None:
    """Whatever the API server's clock says: its answer has its own time."""
    date = email.utils.formatdate(time.time() - behind, usegmt=True)
    head = f"HTTP/1.1 200 OK\r\nDate: {date}\r\nContent-Length: {len(LISTED)}\r\n\r\n".encode()
    with answering(head + LISTED, account) as server:
        created = server.namespaces()

    by_its_clock = datetime(2026, 11, 27, 10, tzinfo=UTC).timestamp()
    assert created == {"lab": pytest.approx(by_its_clock + behind, abs=5)}


def test_of_namespaces_only_their_metadata_is_asked_for(account: Path) -> None:
    listener = Listener(1, answer=b'{"items": []}')
    server = ApiServer(listener.base, account)
    assert server.namespaces() == {}
    server.close()
    listener.close()
    assert "Accept: application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1\r\n" in listener.heads[0]


def test_an_answer_is_read(account: Path) -> None:
    with answering(http("200 OK", b'{"kind": "Node"}'), account) as server:
        assert server.node("worker") == {"kind": "Node"}


@pytest.mark.parametrize(
    ("answer", "status", "words"),
    [
        (http("403 Forbidden", b'{"message": "nodes is forbidden"}'), 403, "nodes is forbidden"),
        (http("502 Bad Gateway", b"<html>a proxy</html>"), 502, "a proxy"),
        (http("500 Internal Server Error", b"cut", length=9), 500, "Internal Server Error"),
        (http("200 OK", b"<html>a portal</html>"), 0, "Expecting value"),
        (http("200 OK", b'{"kind"', length=99), 0, "IncompleteRead"),
        (b"SSH-2.0-server\r\n", 0, "SSH-2.0"),
        (b"", 0, "closed connection"),
    ],
)
def test_an_answer_that_is_none_is_an_error(account: Path, answer: bytes, status: int, words: str) -> None:
    with answering(answer, account) as server, pytest.raises(ApiError, match=words) as caught:
        server.node("worker")

    assert caught.value.status == status
    assert "GET /api/v1/nodes/worker" in str(caught.value)


@pytest.mark.parametrize("missing", ["token", "ca.crt"])
def test_a_missing_file_of_the_service_account_is_named(account: Path, missing: str) -> None:
    (account / missing).unlink()

    with pytest.raises(ApiError, match=r"could not be reached for GET .*/node"):
        ApiServer("http://127.0.0.1:1", account).node("worker")
