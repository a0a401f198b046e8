"""Making cgroups: where, by which files, with which controllers, and where it cannot be done."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reaper_runtime.errors import FailedPrecondition, Unavailable
from reaper_runtime.host.cgroup import cgroup, hierarchies, limits, path
from reaper_runtime.host.cgroup.hierarchies import UNIFIED, Hierarchies
from reaper_runtime.oci import resources

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reaper_runtime.host.cgroup.cgroup import Cgroup

    Sleeper = Callable[..., int]


@pytest.fixture
def node(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[[Hierarchies], None]]:
    """Another node's hierarchies in place of this machine's."""

    def set_to(found: Hierarchies) -> None:
        monkeypatch.setattr(hierarchies, "_found", found)
        monkeypatch.setattr(hierarchies, "_MOUNTINFO", "/nonexistent")  # so that looking again finds nothing

    yield set_to
    monkeypatch.undo()
    hierarchies.refresh()


def test_a_container_has_one_of_the_same_path_in_each(group: Cgroup) -> None:
    assert {Path(path).name for path in group.directories} == {"one"}
    assert group.directories[0] == group.tracking


def test_a_process_joins_all_of_them(group: Cgroup, sleeper: Sleeper) -> None:
    pid = sleeper()
    for place in group.directories:
        assert Path(place, "cgroup.procs").read_text().split() == [str(pid)]


def test_forget_leaves_what_is_in_use(group: Cgroup, sleeper: Sleeper) -> None:
    sleeper()
    names = Path(group.tracking).parts[-3:-1]
    cgroup.forget(*names)
    assert Path(group.tracking).exists()


def test_prepare_and_forget() -> None:
    names = ("unit-test", f"prepared-{os.getpid()}")
    mounts = hierarchies.current().tracking().values()
    cgroup.prepare(*names)
    assert all(Path(mount, cgroup.ROOT, *names).is_dir() for mount in mounts)
    cgroup.forget(*names)
    assert not any(Path(mount, cgroup.ROOT, *names).exists() for mount in mounts)


def test_a_node_without_cgroups_tracks_by_sessions(node: Callable[[Hierarchies], None]) -> None:
    node(Hierarchies({}))
    assert cgroup.track("a", "b") is None
    cgroup.prepare("a", "b")
    cgroup.forget("a", "b")
    with pytest.raises(
        FailedPrecondition, match=r"has no cgroup that can be written: remove the annotation cgroup: pod"
    ):
        cgroup.limit("a/b")


def test_memory_alone_does_not_track(node: Callable[[Hierarchies], None], tmp_path: Path) -> None:
    node(Hierarchies({"memory": str(tmp_path)}))
    assert cgroup.track("a") is None
    assert not (tmp_path / "reaper" / "a").exists()


def test_version_2_has_its_controllers_enabled_from_the_top(
    node: Callable[[Hierarchies], None], tmp_path: Path
) -> None:
    node(Hierarchies({UNIFIED: str(tmp_path)}, ["cpu", "memory", "pids"]))
    above = [tmp_path, tmp_path / "reaper", tmp_path / "reaper" / "ns", tmp_path / "reaper" / "ns" / "pod"]
    for place in above:
        place.mkdir(exist_ok=True)
        (place / "cgroup.subtree_control").touch()
    made = cgroup.track("ns", "pod", "c")
    assert made is not None
    assert made.paths == {UNIFIED: f"{above[-1]}/c"}
    for place in above:
        # In a plain file the second is written over the first. Not cpu: it would change the scheduling.
        assert (place / "cgroup.subtree_control").read_text() == "+pidsry"


@pytest.mark.parametrize(
    ("controllers", "init_is_in", "expected"),
    [("memory pids", "init.scope", "c/init.scope"), ("", "init.scope", "c"), ("pids", ".", "c"), ("pids", "../x", "c")],
)
def test_beside_init_where_init_has_divided_its_cgroup(
    tmp_path: Path, controllers: str, init_is_in: str, expected: str
) -> None:
    """A tree as the kernel shows it; "../x" is a cgroup that is not the container's."""
    for place in ("c", "c/init.scope", "c/system.slice/deep", "x", "proc/4711"):
        (tmp_path / place).mkdir(parents=True)
        (tmp_path / place / "cgroup.procs").write_text("7\n")
    (tmp_path / "c" / "cgroup.subtree_control").write_text(f"{controllers}\n")
    (tmp_path / "c" / init_is_in / "cgroup.procs").write_text("7\n4711\n")
    there = os.path.normpath(f"/elsewhere/c/{init_is_in}")  # a mount point shows another part of the hierarchy than /
    (tmp_path / "proc" / "4711" / "cgroup").write_text(f"1:cpuset:/v1/c\n0::{there}\n")
    whole = cgroup.Cgroup({UNIFIED: str(tmp_path / "c"), "cpuset": "/v1/c"}, limited=True)
    found = whole.beside(4711, str(tmp_path / "proc"))
    assert found.paths == {UNIFIED: str(tmp_path / expected), "cpuset": "/v1/c"}
    assert found.limited


def test_beside_init_in_version_1_is_the_whole(group: Cgroup) -> None:
    alone = cgroup.Cgroup({"pids": "/v1/c"}, limited=False)
    assert alone.beside(1) is alone
    assert group.beside(1).paths == group.paths


def test_a_version_1_cpuset_can_be_joined(sleeper: Sleeper) -> None:
    if "cpuset" not in hierarchies.current().mounts:
        pytest.skip("no cpuset hierarchy of version 1")
    path = f"reaper/unit-test/limited-{os.getpid()}/one"
    made = cgroup.limit(path, *path.split("/")[1:])
    try:
        pid = sleeper(made.join_files(made.directories))
        with pytest.raises(FailedPrecondition, match="has processes already"):
            cgroup.limit(path, *path.split("/")[1:])
        assert str(pid) in Path(made.paths["cpuset"], "cgroup.procs").read_text().split()
    finally:
        os.kill(pid, 9)
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOWAIT)
        made.remove()
        for directory in made.directories:
            Path(directory).parent.rmdir()


@pytest.mark.parametrize("version", [1, 2])
def test_a_container_of_the_systemd_driver_is_in_the_slice_of_its_pod(
    node: Callable[[Hierarchies], None], tmp_path: Path, version: int
) -> None:
    """kubelet and systemd have made it: there it has the Pod's limits, and is counted by cadvisor."""
    nested = path.resolve("kubepods-besteffort-pod1_2.slice:cri-containerd:c1")
    pod = Path(nested).parent
    mounts = {UNIFIED: tmp_path} if version == 2 else {name: tmp_path / name for name in ("cpu", "memory", "pids")}
    for mount in mounts.values():
        (mount / pod).mkdir(parents=True)
    node(Hierarchies({name: str(mount) for name, mount in mounts.items()}))
    made = cgroup.limit(nested, "ns", "pod", "c1")
    assert made.paths == {name: f"{mount}/{nested}" for name, mount in mounts.items()}
    assert [list(mount.iterdir()) for mount in mounts.values()] == [[m / "kubepods.slice"] for m in mounts.values()]


def test_a_path_that_cannot_be_made_is_named(node: Callable[[Hierarchies], None], tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    node(Hierarchies({"memory": str(tmp_path)}))
    with pytest.raises(Unavailable, match=r"cgroup file/c cannot be made: .*Not a directory"):
        cgroup.limit("file/c")


def test_a_limit_of_version_2_on_this_kernel(node: Callable[[Hierarchies], None]) -> None:
    """With the one controller that a machine with both versions leaves to version 2."""
    mount = hierarchies.current().mounts.get(UNIFIED)
    if mount is None or "hugetlb" not in Path(mount, "cgroup.controllers").read_text().split():
        pytest.skip("no controller hugetlb in cgroup version 2")
    node(Hierarchies({UNIFIED: mount}, ["hugetlb"]))
    names = ("unit-test", f"second-{os.getpid()}", "one")
    above = [Path(mount, "reaper", *names[:end]) for end in range(3)]
    enabled = [place for place in (Path(mount), *above) if not _has_hugetlb(place)]
    made = cgroup.limit("/".join(("reaper", *names)), *names)
    try:
        wanted = resources.parse({"hugepageLimits": [{"pageSize": "2MB", "limit": 4 << 20}]}, "r")
        limits.apply(made, wanted)
        assert Path(made.tracking, "hugetlb.2MB.max").read_text() == f"{4 << 20}\n"
    finally:
        assert made.remove() == []
        above[-1].rmdir()
        for place in reversed(enabled[:-1]):
            Path(place, "cgroup.subtree_control").write_text("-hugetlb")


def _has_hugetlb(place: Path) -> bool:
    control = place / "cgroup.subtree_control"
    return control.exists() and "hugetlb" in control.read_text().split()
