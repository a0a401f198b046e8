"""Ports of loopback for what the tests start."""

from __future__ import annotations

import itertools
import random
import socket

# From 32768 on Linux gives ports to connections: one of these could be taken before somebody listens at it.
_LOWEST, _COUNT = 10_000, 22_768
_NEXT = itertools.count(random.randrange(_COUNT))  # noqa: S311 - no secret: runs side by side keep apart


def free_port() -> int:
    """One that nobody listens at, and another one each time."""
    for number in itertools.islice(_NEXT, _COUNT):
        port = _LOWEST + number % _COUNT
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError("no port is free")
