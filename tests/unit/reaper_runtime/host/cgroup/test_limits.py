"""Resources of config.json to cgroup files: the text that is written, and what a node cannot do."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reaper_runtime.errors import FailedPrecondition, InvalidArgument
from reaper_runtime.host.cgroup import limits
from reaper_runtime.host.cgroup.cgroup import Cgroup
from reaper_runtime.oci import resources

if TYPE_CHECKING:
    from pathlib import Path

EVERYTHING = {
    "cpu": {"shares": 1024, "quota": 50_000, "period": 100_000, "cpus": "0-1", "mems": "0"},
    "memory": {"limit": 1 << 30, "swap": 3 << 29, "reservation": 1 << 20},
    "pids": {"limit": 100},
    "hugepageLimits": [{"pageSize": "2MB", "limit": 0}],
    "devices": [{"allow": False, "access": "rwm"}],
}


def _parsed(value: dict[str, Any]) -> resources.Resources:
    return resources.parse(value, "linux.resources")


def _texts(settings: list[limits.Setting]) -> dict[str, str]:
    return {setting.file: setting.value for setting in settings}


def test_version_2() -> None:
    wanted = _parsed({**EVERYTHING, "unified": {"memory.high": "900000000"}})
    assert _texts(limits.version2(wanted)) == {
        "cpu.weight": "39",
        "cpu.max": "50000 100000",
        "cpuset.cpus": "0-1",
        "cpuset.mems": "0",
        "memory.max": "1073741824",
        "memory.swap.max": "536870912",
        "memory.low": "1048576",
        "pids.max": "100",
        "hugetlb.2MB.max": "0",
        "memory.high": "900000000",
    }


def test_version_1() -> None:
    assert _texts(limits.version1(_parsed(EVERYTHING))) == {
        "cpu.shares": "1024",
        "cpu.cfs_period_us": "100000",
        "cpu.cfs_quota_us": "50000",
        "cpuset.cpus": "0-1",
        "cpuset.mems": "0",
        "memory.limit_in_bytes": "1073741824",
        "memory.memsw.limit_in_bytes": "1610612736",
        "memory.soft_limit_in_bytes": "1048576",
        "pids.max": "100",
        "hugetlb.2MB.limit_in_bytes": "0",
    }


def test_no_limit() -> None:
    wanted = _parsed({"cpu": {"quota": -1}, "memory": {"limit": -1, "swap": -1}, "pids": {"limit": -1}})
    assert _texts(limits.version2(wanted)) == {
        "cpu.max": "max 100000",
        "memory.max": "max",
        "memory.swap.max": "max",
        "pids.max": "max",
    }


def test_nothing_asked_for_is_nothing_written() -> None:
    nothing: list[dict[str, Any]] = [
        {},
        {"cpu": {}, "memory": {}},
        {"cpu": {"shares": 0, "quota": 0, "period": 0}, "memory": {"limit": 0}},
    ]
    for empty in nothing:
        assert limits.version2(_parsed(empty)) == limits.version1(_parsed(empty)) == []


@given(st.integers(min_value=0, max_value=1 << 40))
def test_a_weight_is_one_that_the_kernel_takes(shares: int) -> None:
    assert 1 <= limits.weight(shares) <= 10_000


def test_swap_is_memory_and_swap_together() -> None:
    with pytest.raises(InvalidArgument, match="swap 1 is memory and swap together"):
        limits.version2(_parsed({"memory": {"limit": 2, "swap": 1}}))


def test_unified_needs_version_2() -> None:
    with pytest.raises(FailedPrecondition, match="needs cgroup version 2"):
        limits.version1(_parsed({"unified": {"memory.high": "1"}}))


def test_they_are_written(tmp_path: Path) -> None:
    for file in ("memory.max", "pids.max"):
        (tmp_path / file).touch()
    limits.apply(Cgroup({"": str(tmp_path)}, limited=True), _parsed({"memory": {"limit": 4096}, "pids": {"limit": 7}}))
    assert ((tmp_path / "memory.max").read_text(), (tmp_path / "pids.max").read_text()) == ("4096", "7")


def test_what_was_kept_is_written_again_and_the_later_counts(tmp_path: Path) -> None:
    for file in ("memory.max", "memory.swap.max", "pids.max"):
        (tmp_path / file).touch()
    group = Cgroup({"": str(tmp_path)}, limited=True)
    kept = limits.apply(group, _parsed({"memory": {"limit": 4096, "swap": 8192}, "pids": {"limit": 7}}))
    (tmp_path / "pids.max").write_text("")
    now = limits.apply(group, _parsed({"memory": {"limit": 16384}}), kept)
    assert _texts(list(now)) == {"memory.max": "16384", "memory.swap.max": "4096", "pids.max": "7"}
    assert all((tmp_path / setting.file).read_text().startswith(setting.value) for setting in now)


def test_a_limit_that_the_node_lacks_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        FailedPrecondition, match=r"linux\.resources\.memory\.limit cannot be applied .* no memory\.max"
    ):
        limits.apply(Cgroup({"": str(tmp_path)}, limited=True), _parsed({"memory": {"limit": 4096}}))


def test_a_value_that_the_kernel_refuses_is_refused(tmp_path: Path) -> None:
    (tmp_path / "memory.max").symlink_to("/proc/self/oom_score_adj")  # EINVAL for what is not a score
    with pytest.raises(FailedPrecondition, match=r"memory\.limit cannot be set to 4096 .*Invalid argument"):
        limits.apply(Cgroup({"": str(tmp_path)}, limited=True), _parsed({"memory": {"limit": 4096}}))
