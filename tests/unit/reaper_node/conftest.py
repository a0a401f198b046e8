"""A fake node and a fake API server for each test."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reaper_node.settings import Settings
from tests.fakes.node import FakeCluster, FakeNode, make_bundle

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def node(tmp_path: Path) -> FakeNode:
    return FakeNode(tmp_path / "node")


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    bundle = tmp_path / "bundle"
    make_bundle(bundle, "1.0")
    return Settings(
        node_name="worker",
        host_root=str(tmp_path / "node"),
        bundle=str(bundle),
        ready_file=str(tmp_path / "ready"),
    )
