"""linux.resources: what is read, and what is refused by name."""

from __future__ import annotations

from typing import Any

import pytest

from reaper_runtime.errors import FailedPrecondition, InvalidBundle
from reaper_runtime.oci import resources


def test_what_kubelet_sends() -> None:
    found = resources.parse(
        {
            "devices": [{"allow": False, "access": "rwm"}],
            "memory": {"limit": 134217728, "swap": 134217728, "useHierarchy": True},
            "cpu": {"shares": 102, "quota": 10000, "period": 100000},
            "pids": {"limit": 0},
            "unified": {"memory.oom.group": "1"},
        },
        "linux.resources",
    )
    assert (found.memory_limit, found.memory_swap, found.cpu_shares, found.cpu_quota) == (1 << 27, 1 << 27, 102, 10_000)
    assert (found.pids_limit, found.unified, found.cpus) == (0, (("memory.oom.group", "1"),), "")


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"blockIO": {"weight": 10}}, r"r\.blockIO cannot be applied"),
        ({"network": {"classID": 1}}, r"r\.network cannot be applied"),
        ({"rdma": {"mlx5": {"hcaHandles": 1}}}, r"r\.rdma cannot be applied"),
        ({"cpu": {"realtimeRuntime": 1}}, r"r\.cpu\.realtimeRuntime cannot be applied"),
        ({"memory": {"disableOOMKiller": True}}, r"r\.memory\.disableOOMKiller cannot be applied"),
    ],
)
def test_a_limit_that_we_lack_is_refused(value: dict[str, Any], words: str) -> None:
    with pytest.raises(FailedPrecondition, match=words):
        resources.parse(value, "r")


@pytest.mark.parametrize(
    "value",
    [
        [],
        {"cpu": [1]},
        {"cpu": {"shares": "1"}},
        {"cpu": {"shares": True}},
        {"cpu": {"cpus": 1}},
        {"memory": {"limit": -2}},
        {"memory": {"limit": 1 << 63}},
        {"hugepageLimits": [1]},
        {"hugepageLimits": [{"pageSize": "../x", "limit": 1}]},
        {"hugepageLimits": [{"pageSize": "2MB"}]},
        {"unified": {"../x": "1"}},
        {"unified": {"cgroup.procs": "1"}},
        {"unified": {"memory.high": 1}},
    ],
)
def test_what_is_not_well_formed_is_refused(value: Any) -> None:
    with pytest.raises(InvalidBundle, match=r"^r"):
        resources.parse(value, "r")
