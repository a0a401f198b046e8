from __future__ import annotations

import json
import subprocess
import tarfile
from typing import TYPE_CHECKING

import pytest

from tests.machine.cargo import SECTOR, load
from tests.machine.errors import MachineError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    path = tmp_path / "checkout"
    subprocess.run(["git", "init", "--quiet", str(path)], check=True)
    (path / ".gitignore").write_text("/build/\n/secret\n")
    for name in ("gone", "secret", "kept"):
        (path / name).write_text(name)
    subprocess.run(["git", "-C", str(path), "add", "."], check=True)
    (path / "gone").unlink()
    (path / "new").write_text("not added yet")
    (path / "link").symlink_to("nowhere")
    return path


@pytest.fixture
def packages(tmp_path: Path) -> Path:
    path = tmp_path / "site"
    path.mkdir()
    (path / "pytest.py").touch()
    return path


def test_the_files_as_they_are_the_runtime_the_packages_and_the_order(
    checkout: Path, packages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("REAPER_CACHE", str(tmp_path / "cache"))
    (tmp_path / "cache" / "containerd-v2" / "bin").mkdir(parents=True)
    (tmp_path / "cache" / "kubernetes").mkdir()
    (checkout / "build" / "runtime").mkdir(parents=True)
    archive = tmp_path / "cargo"
    load(archive, packages, ["-k", "a or b"], {"REAPER_PATIENCE": "10"}, checkout)
    with tarfile.open(archive) as tar:
        order = tar.extractfile("order.json")
        assert order is not None
        assert json.load(order) == {"arguments": ["-k", "a or b"], "environment": {"REAPER_PATIENCE": "10"}}
        assert set(tar.getnames()) == {
            ".gitignore", "kept", "new", "link", "build/runtime", "packages", "packages/pytest.py",
            "packages/reaper_k8s.dist-info/METADATA", "cache/containerd-v2", "cache/containerd-v2/bin", "order.json",
        }  # fmt: skip
    assert archive.stat().st_size % SECTOR == 0


def test_without_the_runtime_it_says_what_to_do(checkout: Path, packages: Path, tmp_path: Path) -> None:
    with pytest.raises(MachineError, match="make runtime"):
        load(tmp_path / "cargo", packages, [], {}, checkout)
