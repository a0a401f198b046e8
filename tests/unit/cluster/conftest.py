"""A host on which nothing happens: a fake runner, a console that keeps what it says, a cache in a scratch folder."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from cluster.host import Host
from cluster.host.cache import Cache
from cluster.host.console import Console
from cluster.host.machine import Machine
from cluster.host.packages import Packages
from tests.fakes.programs import FakePrograms

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def machine() -> Machine:
    return Machine("amd64", capabilities=frozenset(range(41)), known_capabilities=41, cgroup=2, root=True, linux=True)


@pytest.fixture
def programs() -> FakePrograms:
    return FakePrograms()


@pytest.fixture
def said() -> io.StringIO:
    return io.StringIO()


@pytest.fixture
def host(tmp_path: Path, machine: Machine, programs: FakePrograms, said: io.StringIO) -> Host:
    console = Console(said)
    cache = Cache(tmp_path / "cache")
    cache.root.mkdir()
    everything_there = Packages(programs, console, (), find=lambda name: f"/usr/bin/{name}")
    return Host(programs, console, cache, machine, everything_there)
