"""The API server as a load generator needs it: kept-alive connections, bodies as bytes, watches by the line.

The official client takes longer to make a request than the API server to answer it, on the same processors.
"""

from __future__ import annotations

import http.client
import json
import ssl
import sys
import threading
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

Body = dict[str, Any]
NAMES_ONLY = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"
_WATCH_SECONDS = 7200
_BETWEEN_NEWS = 10.0  # seconds


class Connection:
    """One, for one thread at a time. Made from a kubeconfig that is JSON and has a token."""

    def __init__(self, kubeconfig: Path) -> None:
        content = json.loads(kubeconfig.read_text())
        cluster, user = content["clusters"][0]["cluster"], content["users"][0]["user"]
        server = urlsplit(cluster["server"])
        context = ssl.create_default_context(cafile=cluster["certificate-authority"])
        self._http = http.client.HTTPSConnection(server.hostname or "", server.port, context=context)
        self._headers = {"Authorization": f"Bearer {user['token']}", "Content-Type": "application/json"}

    def post(self, path: str, body: bytes) -> None:
        """Create an object. SystemExit with what the API server says if it does not."""
        self._write("POST", path, body, "application/json")

    def patch(self, path: str, body: bytes) -> None:
        """Change an object by a JSON merge patch. SystemExit as with post()."""
        self._write("PATCH", path, body, "application/merge-patch+json")

    def _write(self, method: str, path: str, body: bytes, content_type: str) -> None:
        self._http.request(method, path, body, {**self._headers, "Content-Type": content_type})
        with self._http.getresponse() as answer:
            said = answer.read()
        if answer.status >= 300:
            raise SystemExit(f"{method} {path}: {answer.status}: {said[:500]!r}")

    def watch(self, path: str, query: str = "", accept: str = "application/json") -> Iterator[Body]:
        """Its events, from what is there on, for as long as the API server is."""
        where = f"{path}?watch=1&timeoutSeconds={_WATCH_SECONDS}&{query}"
        self._http.request("GET", where, headers={**self._headers, "Accept": accept})
        with self._http.getresponse() as answer:
            if answer.status >= 300:
                raise SystemExit(f"GET {where}: {answer.status}: {answer.read()[:500]!r}")
            while line := answer.readline():
                yield json.loads(line)

    def close(self) -> None:
        self._http.close()


class Arrivals:
    """Remembers when a watch told of each object for the first time that it is as it is wanted."""

    def __init__(self, events: Iterator[Body], wanted: Callable[[Body], bool]) -> None:
        self.times: dict[str, float] = {}  # by name, by time.monotonic()
        self._events, self._wanted = events, wanted
        self._news = threading.Condition()
        threading.Thread(target=self._read, daemon=True).start()

    def until(self, count: int, patience: float, what: str) -> None:
        """Wait for so many; says on stderr how far it is. SystemExit when nothing has come for `patience` seconds."""
        begun = told = changed = time.monotonic()
        before = -1
        with self._news:
            while (there := len(self.times)) < count:
                now = time.monotonic()
                changed = now if there != before else changed
                before = there
                if now - changed > patience:
                    raise SystemExit(f"only {there} of {count} {what}, and no more in {patience:g} s")
                if now - told >= _BETWEEN_NEWS:
                    told = now
                    print(f"    {there} of {count} {what} after {now - begun:.0f} s", file=sys.stderr, flush=True)
                self._news.wait(1)

    def _read(self) -> None:
        try:
            for event in self._events:
                body = event["object"]
                if event["type"] in ("ADDED", "MODIFIED") and self._wanted(body):
                    with self._news:
                        self.times.setdefault(body["metadata"]["name"], time.monotonic())
                        self._news.notify()
        except (OSError, http.client.HTTPException, ValueError):
            pass  # the API server has ended: whoever waits for more says so


def create(
    kubeconfig: Path, path: str, bodies: Sequence[bytes], *, threads: int, rate: float | None = None
) -> list[float]:
    """Create objects, as fast as they are taken or `rate` of them a second; when each was sent, by time.monotonic()."""
    sent = [0.0] * len(bodies)
    failures: list[BaseException] = []
    begin = time.monotonic()

    def work(first: int) -> None:
        connection = Connection(kubeconfig)
        try:
            for number in range(first, len(bodies), threads):
                if rate is not None:
                    time.sleep(max(0.0, begin + number / rate - time.monotonic()))
                sent[number] = time.monotonic()
                connection.post(path, bodies[number])
        except BaseException as error:  # noqa: BLE001 - it is raised below, in the thread that waits
            failures.append(error)
        finally:
            connection.close()

    workers = [threading.Thread(target=work, args=(first,), daemon=True) for first in range(threads)]
    for worker in workers:
        worker.start()
    for worker in workers:
        while worker.is_alive():
            worker.join(_BETWEEN_NEWS)
            if worker.is_alive():
                print(f"    {sum(map(bool, sent))} of {len(bodies)} sent", file=sys.stderr, flush=True)
    if failures:
        raise failures[0]
    return sent
