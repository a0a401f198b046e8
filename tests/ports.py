"""Ports of loopback for what the tests start."""

from __future__ import annotations

import itertools
import os
import socket
from pathlib import Path

# From here on the kernel gives ports to connections: one of these could be taken before somebody listens at it.
_LOWEST_OF_CONNECTIONS = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text().split()[0])
_LOWEST = 10_000
_PORTS = itertools.count(os.getpid())


def free_port() -> int:
    """One that nobody listens at, and another one each time."""
    for number in _PORTS:
        port = _LOWEST + number % (_LOWEST_OF_CONNECTIONS - _LOWEST)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port
    raise AssertionError("counting has no end")
