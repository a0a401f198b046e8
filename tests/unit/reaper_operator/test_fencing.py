"""fencing.py: what the fence refuses does not leave, however late it refuses."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING

import pytest
from kubernetes.client import Configuration
from urllib3 import PoolManager

from reaper_operator.errors import NotLeader
from reaper_operator.fencing import fence_writes
from reaper_operator.transport import Transport

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"


class Server:
    """Takes what comes, answers what is complete, and remembers all of it."""

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.received: list[bytes] = []
        self._connections: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self._connections.append(connection)
            with connection:
                self.received.append(b"")
                while data := connection.recv(65536):
                    self.received[-1] += data
                    if _complete(self.received[-1]):
                        connection.sendall(ANSWER)
                        self.received.append(b"")

    def close(self) -> list[bytes]:
        """All requests, the incomplete ones too."""
        for each in (self._listener, *self._connections):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()
        return [request for request in self.received if request]


def _complete(request: bytes) -> bool:
    head, separator, body = request.partition(b"\r\n\r\n")
    length = next((int(line[15:]) for line in head.split(b"\r\n") if line.startswith(b"Content-Length:")), 0)
    return bool(separator) and len(body) >= length


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    yield server
    if server._thread.is_alive():
        server.close()


def refusing_from(number: int) -> Callable[[], float]:
    """A fence that lets `number` of looks at it pass."""
    looks = iter(range(1000))

    def fence() -> float:
        if next(looks) >= number:
            raise NotLeader(10.0)
        return 5.0

    return fence


@pytest.mark.parametrize("passed", [0, 1])
def test_neither_all_of_a_write_nor_its_body_leaves(server: Server, passed: int) -> None:
    with PoolManager(retries=False) as manager:
        fence_writes(manager, refusing_from(passed))
        with pytest.raises(NotLeader):
            manager.request("POST", server.url, body=b"the body")
    requests = server.close()
    assert len(requests) <= passed  # headers, if they were let through and have arrived
    assert not any(b"the body" in request for request in requests)


def test_reads_are_free(server: Server) -> None:
    with PoolManager(retries=False) as manager:
        fence_writes(manager, refusing_from(0))
        assert manager.request("GET", server.url).status == 200


def test_a_connection_that_was_used_before_is_fenced_too(server: Server) -> None:
    with PoolManager(retries=False) as manager:
        fence_writes(manager, refusing_from(2))
        assert manager.request("PATCH", server.url, body=b"first").status == 200
        with pytest.raises(NotLeader):
            manager.request("PATCH", server.url, body=b"second")
    assert len(server.close()) == 1


def test_a_write_has_as_long_as_the_fence_says_and_the_api_server_knows(server: Server) -> None:
    transport = Transport(Configuration(host=server.url), timeout=30, fence=lambda: 4.25)
    assert transport.call("POST", "/x", {}, body={}) == {}
    assert transport.call("GET", "/x", {}) == {}
    written, read = server.close()
    assert written.startswith(b"POST /x?timeout=4.250s HTTP/1.1\r\n")
    assert read.startswith(b"GET /x HTTP/1.1\r\n")


def test_a_write_that_may_not_begin_makes_no_request(server: Server) -> None:
    transport = Transport(Configuration(host=server.url), timeout=30, fence=refusing_from(0))
    with pytest.raises(NotLeader, match=r"not sent: the Lease was not renewed for 10\.0 s"):
        transport.call("DELETE", "/x", {}, body={})
    assert server.close() == []
