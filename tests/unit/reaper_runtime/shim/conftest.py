"""No test of the shim touches the node's own lock."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(autouse=True)
def _own_lock(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    folder: Path = tmp_path_factory.mktemp("run")
    monkeypatch.setattr("reaper_runtime.shim.sockets.LOCK", str(folder / "sockets.lock"))
