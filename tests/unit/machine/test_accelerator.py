from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.machine.accelerator import accelerator

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def device(tmp_path: Path) -> str:
    path = tmp_path / "kvm"
    path.touch()
    return str(path)


def qemu(folder: Path, script: str) -> str:
    path = folder / "qemu"
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)
    return str(path)


def test_kvm_where_a_kernel_comes_to_its_end(tmp_path: Path, device: str) -> None:
    found = accelerator(tmp_path / "vmlinuz", device, qemu(tmp_path, f'echo "$@" > {tmp_path}/said'))
    assert found.flags[:2] == ("-accel", "kvm")
    assert f"-kernel {tmp_path}/vmlinuz" in (tmp_path / "said").read_text()


@pytest.mark.parametrize(("script", "why"), [("exec sleep 60", "hangs"), ("exit 1", "does not start")])
def test_emulated_where_it_does_not(tmp_path: Path, device: str, script: str, why: str) -> None:
    found = accelerator(tmp_path / "vmlinuz", device, qemu(tmp_path, script), seconds=0.2)
    assert found.flags[1].startswith("tcg")
    assert why in found.reason


def test_emulated_without_the_device(tmp_path: Path) -> None:
    found = accelerator(tmp_path / "vmlinuz", str(tmp_path / "kvm"))
    assert found.flags[1].startswith("tcg")
    assert found.patience > 1
