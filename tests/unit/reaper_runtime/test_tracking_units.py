"""A container's cgroup that is a unit of systemd: what systemd is told of it, what it refuses, and what it removes."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reaper_runtime.host.cgroup import directory, hierarchies, scope
from reaper_runtime.host.cgroup.hierarchies import Hierarchies
from reaper_runtime.host.systemd import connection
from reaper_runtime.oci import resources
from reaper_runtime.tracking import Tracking
from tests.fakes.containers import limited_bundle
from tests.fakes.runtime import needs_root
from tests.fakes.systemd import JOB, FakeSystemd, answer, obliging, refusal, removed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reaper_runtime.host.systemd.message import Message
    from reaper_runtime.loop import Loop

    Run = Callable[..., Any]

pytestmark = needs_root

NO_UNIT = "is no unit of systemd, and loses its limits whenever that changes pod1.slice, until they are updated: "


class Node:
    """One of kubelet's driver systemd: a tree of files, and a systemd that makes units and writes its own limits."""

    def __init__(self, loop: Loop, folder: Path) -> None:
        self.place = folder / "cg" / "pod1.slice" / "c.scope"
        self.place.mkdir(parents=True)
        for name in ("memory.max", "pids.max", "cgroup.procs"):
            (self.place / name).touch()
        for above in (self.place.parent.parent, self.place.parent):
            (above / "cgroup.subtree_control").touch()
        (self.place / "memory.events").symlink_to("/proc/self/mounts")
        self.systemd = FakeSystemd(folder / "private")
        self.systemd.answer = self._oblige
        self.said: list[str] = []
        self.tracking = Tracking(loop, self.said.append)

    def make(self, folder: Path) -> None:
        wanted = {"memory": {"limit": 4096}, "pids": {"limit": 7}}
        self.tracking.make(limited_bundle(folder, "pod1.slice::c", **wanted), ("ns", "pod", "c"), lambda: None)

    def limits(self) -> list[str]:
        return [(self.place / name).read_text() for name in ("memory.max", "pids.max")]

    def _oblige(self, systemd: FakeSystemd, asked: Message) -> list[bytes]:
        (self.place / "unit").touch()
        for name in ("memory.max", "pids.max"):
            (self.place / name).write_text("")
        return obliging(systemd, asked)


@pytest.fixture
def node(loop: Loop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Node]:
    made = Node(loop, tmp_path)
    monkeypatch.setattr(hierarchies, "_found", Hierarchies({"": str(tmp_path / "cg")}, ["memory", "pids"]))
    monkeypatch.setattr(scope, "BOOTED", str(tmp_path))
    monkeypatch.setattr(connection, "SOCKET", str(made.systemd.path))
    monkeypatch.setattr(connection, "BUS", "/nonexistent")
    monkeypatch.setattr(directory, "is_unit", lambda path: Path(path, "unit").exists())
    yield made
    made.systemd.close()


def test_a_container_of_the_driver_systemd_becomes_a_unit(run: Run, node: Node, tmp_path: Path) -> None:
    node.make(tmp_path / "one")
    run(node.tracking.become_unit(42))
    assert node.systemd.properties()["PIDs"] == [42]
    assert node.systemd.properties()["MemoryMax"] == 4096
    assert node.limits() == ["4096", "7"]
    assert node.said == []
    node.tracking.remove()


def test_systemd_is_told_of_an_update(run: Run, node: Node, tmp_path: Path) -> None:
    node.make(tmp_path / "one")
    run(node.tracking.become_unit(42))
    run(node.tracking.update(resources.parse({"pids": {"limit": 9}}, "r")))
    assert node.systemd.members() == ["StartTransientUnit", "SetUnitProperties"]
    assert node.systemd.properties() == {"TasksMax": 9}
    assert node.limits() == ["4096", "9"]
    run(node.tracking.update(resources.parse({}, "r")))
    node.tracking.restore()
    assert len(node.systemd.calls) == 2, "nothing has changed"
    node.tracking.remove()


def test_an_update_that_systemd_does_not_hear_of_is_a_warning(run: Run, node: Node, tmp_path: Path) -> None:
    node.make(tmp_path / "one")
    run(node.tracking.become_unit(42))
    node.systemd.answer = lambda _, asked: [refusal(asked, "org.a.B", "not now")]
    run(node.tracking.update(resources.parse({"pids": {"limit": 9}}, "r")))
    assert node.limits() == ["4096", "9"]
    assert node.said == ["has new limits that systemd does not know of, and may take back: systemd refuses it: not now"]
    node.tracking.remove()


def test_what_systemd_refuses_has_its_limits_and_a_warning(run: Run, node: Node, tmp_path: Path) -> None:
    node.make(tmp_path / "one")
    (node.place / "cgroup.procs").write_text("42\n")
    node.systemd.answer = lambda _, asked: [refusal(asked, "org.a.B", "not here")]
    run(node.tracking.become_unit(42))
    assert node.said == [f"{NO_UNIT}systemd refuses it: not here"]
    assert node.limits() == ["4096", "7"]
    run(node.tracking.update(resources.parse({"pids": {"limit": 9}}, "r")))
    assert node.systemd.members() == ["StartTransientUnit"]
    node.tracking.remove()


def test_what_was_killed_before_it_is_a_unit_is_no_warning(run: Run, node: Node, tmp_path: Path) -> None:
    node.make(tmp_path / "one")
    node.systemd.answer = lambda _, asked: [answer(asked, "o", JOB), removed(result="failed")]
    run(node.tracking.become_unit(42))
    assert node.said == []
    node.tracking.remove()


def test_a_unit_is_removed_by_systemd_and_its_figures_stay(loop: Loop, run: Run, node: Node, tmp_path: Path) -> None:
    node.make(tmp_path / "one")
    run(node.tracking.become_unit(42))
    (node.place / "cpu.stat").write_text("usage_usec 7\n")
    (node.place / "pids.current").write_text("1\n")
    node.tracking.note_usage()
    shutil.move(node.place, tmp_path / "removed")
    node.tracking.note_usage()
    last = node.tracking.usage(())
    node.tracking.remove()
    run(node.tracking.removed())
    for used in (last, node.tracking.usage(())):
        assert (used.cpu, used.pids["current"], used.events["oom_kill"]) == ({"usage_usec": 7}, 0, 0)
    assert node.tracking.directories == ()


def test_a_unit_is_left_to_systemd(loop: Loop, run: Run, node: Node, tmp_path: Path) -> None:
    node.make(tmp_path / "one")
    run(node.tracking.become_unit(42))
    node.tracking.remove()
    assert node.place.exists()
    loop.call_later(0.03, lambda: shutil.rmtree(node.place))
    run(node.tracking.removed())
    assert node.systemd.members() == ["StartTransientUnit"]


@pytest.mark.parametrize("cgroups_path", ["/pod1.slice/c.scope", "pod1.slice::c"])
def test_systemd_is_not_asked_elsewhere(
    loop: Loop, run: Run, node: Node, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, cgroups_path: str
) -> None:
    """The other driver of kubelet, and a node that systemd has not booted."""
    if ":" in cgroups_path:
        monkeypatch.setattr(scope, "BOOTED", "/nonexistent")
    wanted = limited_bundle(tmp_path / "one", cgroups_path, memory={"limit": 4096})
    node.tracking.make(wanted, ("ns", "pod", "c"), lambda: None)
    run(node.tracking.become_unit(42))
    assert node.systemd.calls == []
    node.tracking.remove()
