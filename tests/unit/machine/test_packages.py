from __future__ import annotations

import pytest

from tests.machine.errors import MachineError
from tests.machine.packages import LOCK, NAMES, selected


def test_each_is_in_the_lock_file_with_its_hashes() -> None:
    blocks = selected(LOCK.read_text())
    assert [line.split("==")[0] for line in blocks.splitlines() if "==" in line] == list(NAMES)
    assert blocks.count("--hash=sha256:") >= len(NAMES)
    assert "kubernetes" not in blocks


def test_one_that_is_missing_is_named() -> None:
    lock = LOCK.read_text().replace("\npytest==", "\nnose==")
    with pytest.raises(MachineError, match=r"has no pytest:"):
        selected(lock)
