"""The last look before bytes leave: HTTP connections that ask the fence right before they send what the API server
acts on.

Between a check in our own code and the system call lie the client's layers, a TCP and a TLS handshake, and every other
thread that wants the interpreter: time enough for the process to be stopped in between, and to be woken when another
leads. The body of a write leaves last, and the API server acts on nothing before it has all of it.
"""

from collections.abc import Callable
from typing import Any

from urllib3 import PoolManager
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

READS = frozenset({"GET", "HEAD"})

Check = Callable[[], object]
"""Raises where no write may begin."""


class _Fenced(HTTPConnection):
    _writes = False

    def check(self) -> None:
        """May a write go on? See fence_writes."""

    def request(self, method: str, *arguments: Any, **more: Any) -> None:
        self._writes = method not in READS
        super().request(method, *arguments, **more)

    def send(self, data: Any) -> None:
        if self._writes:
            if self.sock is None:
                self.connect()
            self.check()
        super().send(data)


class _FencedTLS(_Fenced, HTTPSConnection):
    pass


def fence_writes(manager: PoolManager, check: Check) -> None:
    """From now on every new connection of `manager` calls `check` before each piece of a write leaves. What it raises
    comes out of the request, and the connection is closed."""
    members = {"check": lambda _: check()}
    plain = type("FencedConnection", (_Fenced,), members)
    secure = type("FencedTLSConnection", (_FencedTLS,), members)
    manager.pool_classes_by_scheme = {
        "http": type("FencedPool", (HTTPConnectionPool,), {"ConnectionCls": plain}),
        "https": type("FencedTLSPool", (HTTPSConnectionPool,), {"ConnectionCls": secure}),
    }
