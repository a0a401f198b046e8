"""Capabilities of config.json: names, numbers, and the set that means that nobody asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reaper_runtime.errors import InvalidBundle
from reaper_runtime.oci.capabilities import _UNASKED, NAMES, parse

UNASKED = [f"CAP_{name}" for name in _UNASKED]


def _all(names: list[str]) -> dict[str, list[str]]:
    return {"bounding": names, "effective": names, "permitted": names}


def test_the_kernel_has_no_other() -> None:
    last = int(Path("/proc/sys/kernel/cap_last_cap").read_text())
    assert last <= len(NAMES) - 1, "the kernel knows a capability that NAMES lacks"
    assert NAMES[21] == "SYS_ADMIN"
    assert NAMES[40] == "CHECKPOINT_RESTORE"


@pytest.mark.parametrize("value", [None, _all(UNASKED), {**_all(UNASKED), "inheritable": UNASKED}])
def test_containerds_default_is_no_wish(value: Any) -> None:
    assert parse(value, "x") is None


@pytest.mark.parametrize(
    "value",
    [
        {},
        _all(UNASKED[1:]),
        _all([*UNASKED, "CAP_SYS_ADMIN"]),
        {**_all(UNASKED), "ambient": ["CAP_KILL"]},
        {**_all(UNASKED), "effective": []},
    ],
)
def test_any_other_is(value: Any) -> None:
    assert parse(value, "x") is not None


def test_the_sets_are_masks() -> None:
    found = parse({"bounding": ["CAP_CHOWN", "CAP_BPF"], "ambient": ["CAP_KILL"]}, "x")
    assert found is not None
    assert (found.bounding, found.ambient, found.effective) == (1 | 1 << 39, 1 << 5, 0)
    assert found.beyond(0) == "CAP_KILL"
    assert found.beyond(1 << 5) == ""


@pytest.mark.parametrize(
    "value", [[], {"bounding": ["CHOWN"]}, {"bounding": "CAP_CHOWN x"}, {"effective": [1]}, {"permitted": [[]]}]
)
def test_what_is_no_capability_is_refused(value: Any) -> None:
    with pytest.raises(InvalidBundle, match=r"^x"):
        parse(value, "x")
