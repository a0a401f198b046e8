"""What a node's mounts say about its cgroups: version 2, version 1, both, none."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from reaper_runtime.host.cgroup.hierarchies import UNIFIED, Hierarchies, current, find, parse, refresh

if TYPE_CHECKING:
    from pathlib import Path

V2 = "29 23 0:26 / /sys/fs/cgroup rw,nosuid shared:4 - cgroup2 cgroup2 rw,nsdelegate"
HYBRID = [
    "31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755",
    "32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct",
    "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory",
    "39 31 0:36 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids",
    "40 31 0:37 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd",
    "41 31 0:38 / /sys/fs/cgroup/unified rw master:1 - cgroup2 cgroup2 rw",
]
ROOT = "/sys/fs/cgroup"


def test_version_2() -> None:
    found = Hierarchies(parse([V2], lambda _: True))
    assert found.tracking() == found.limiting() == {UNIFIED: ROOT}


def test_both_track_by_version_2_alone() -> None:
    found = Hierarchies(parse(HYBRID, lambda _: True))
    assert found.tracking() == {UNIFIED: f"{ROOT}/unified"}
    assert found.limiting() == {
        UNIFIED: f"{ROOT}/unified",
        "cpu": f"{ROOT}/cpu,cpuacct",
        "cpuacct": f"{ROOT}/cpu,cpuacct",
        "memory": f"{ROOT}/memory",
        "pids": f"{ROOT}/pids",
    }


def test_version_1_alone() -> None:
    found = Hierarchies(parse(HYBRID[:-1], lambda _: True))
    assert set(found.tracking()) == {"pids", "memory", "cpuacct"}


@pytest.mark.parametrize("top", ["", "/docker/4711"], ids=["cgroup namespace of its own", "none"])
def test_a_part_of_a_hierarchy_that_is_mounted_too_is_not_taken_for_it(top: str) -> None:
    """A node of kind has kubelet's cgroups once more, below the others: containers were outside the Pod's there."""
    whole = f"35 31 0:32 {top or '/'} /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory"
    parts = [
        f"{number} 35 0:32 {top}/{name} /sys/fs/cgroup/memory/{name} rw - cgroup cgroup rw,memory"
        for number, name in ((81, "kubelet"), (82, "kubelet.slice"))
    ]
    for lines in ([whole, *parts], [*parts, whole]):
        assert parse(lines, lambda _: True) == {"memory": f"{ROOT}/memory"}


def test_of_two_mounts_of_the_same_the_later_is_on_top() -> None:
    again = V2.replace(ROOT, "/elsewhere")
    assert parse([V2, again], lambda _: True) == {UNIFIED: "/elsewhere"}


@pytest.mark.parametrize("lines", [[], HYBRID[:1], ["nonsense"], ["1 2 0:1 / /x rw - cgroup"]])
def test_none(lines: list[str]) -> None:
    assert parse(lines, lambda _: True) == {}


def test_what_cannot_be_written_is_not_there() -> None:
    assert parse([V2], lambda _: False) == {}


def test_what_another_mount_hides_is_not_there(tmp_path: Path) -> None:
    """/proc/self/mountinfo has it all the same, and the directory on top of it can be written."""
    place, mountinfo = tmp_path / "cgroup", tmp_path / "mountinfo"
    place.mkdir()
    mountinfo.write_text(f"{V2.replace(ROOT, str(place))}\n")
    assert find(str(mountinfo)).mounts == {}
    (place / "cgroup.procs").touch()
    assert find(str(mountinfo)).mounts == {UNIFIED: str(place)}


def test_a_space_in_a_mount_point() -> None:
    line = "29 23 0:26 / /a\\040b rw - cgroup2 cgroup2 rw"
    assert parse([line], lambda _: True) == {UNIFIED: "/a b"}


def test_the_answer_is_kept_until_it_is_asked_for_again() -> None:
    first = current()
    assert current() is first
    second = refresh()
    assert second is not first
    assert current() is second
    assert second.mounts == first.mounts
