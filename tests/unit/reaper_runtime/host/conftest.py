"""FIFOs as containerd makes them, and a test that leaves no descriptor."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from tests.fakes.runtime import open_fds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path


@pytest.fixture
def fifo(tmp_path: Path) -> Callable[[str], Path]:
    def make(name: str) -> Path:
        os.mkfifo(tmp_path / name)
        return tmp_path / name

    return make


@pytest.fixture
def _no_descriptor_is_left() -> Iterator[None]:
    before = open_fds()
    yield
    assert open_fds() <= before
