"""A container's cgroup from Create to its removal."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import shutil
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reaper_runtime.errors import FailedPrecondition, InvalidBundle, Unimplemented
from reaper_runtime.host.cgroup import cgroup, directory, hierarchies, limits, scope
from reaper_runtime.host.cgroup.hierarchies import Hierarchies
from reaper_runtime.host.systemd import connection
from reaper_runtime.oci import bundle, resources
from reaper_runtime.shim.events import Publisher
from reaper_runtime.shim.service import TaskService
from reaper_runtime.tracking import Tracking
from reaper_runtime.wire import messages as m
from tests.fakes.containers import HEADLESS, NOWHERE, SLEEP, exit_code, has_first_thread, start_exec
from tests.fakes.runtime import eventually, is_alive, needs_root, open_fds, shell, write_bundle
from tests.fakes.systemd import JOB, FakeSystemd, answer, obliging, refusal, removed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from reaper_runtime.container import Container
    from reaper_runtime.host.systemd.message import Message
    from reaper_runtime.loop import Loop
    from reaper_runtime.pod import Pod
    from tests.fakes.cgroups import Taken

    Run = Callable[..., Any]
    Make = Callable[..., Awaitable[Container]]

pytestmark = needs_root
DAEMON = "(setsid sh -c 'setsid sleep 60 & exit' &) ; "


@pytest.fixture
def _no_cgroups(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A node where no cgroup can be written."""
    monkeypatch.setattr(hierarchies, "_found", Hierarchies({}))
    monkeypatch.setattr(hierarchies, "_MOUNTINFO", "/nonexistent")
    yield
    monkeypatch.undo()
    hierarchies.refresh()


def _tracked(container: Container) -> bool:
    return bool(container.tracking.directories)


DIVIDE = """
mkdir $place/inner && echo $$ > $place/inner/cgroup.procs && echo +hugetlb > $place/cgroup.subtree_control &&
touch $done && exec sleep 60"""


@pytest.fixture
def _hugetlb(pod: Pod) -> Iterator[None]:
    """The pod's cgroup of version 2 has the one controller that a machine with both versions leaves to it."""
    mount = hierarchies.current().mounts.get("")
    if mount is None or "hugetlb" not in Path(mount, "cgroup.controllers").read_text().split():
        pytest.skip("no controller hugetlb in cgroup version 2")
    above = [Path(mount), *(Path(mount, cgroup.ROOT, *pod.names[:end]) for end in range(3))]
    cgroup.prepare(*pod.names)
    controls = [place / "cgroup.subtree_control" for place in above]
    enabled = [control for control in controls if "hugetlb" not in control.read_text().split()]
    for control in enabled:
        control.write_text("+hugetlb")
    yield
    cgroup.forget(*pod.names)
    for control in reversed(enabled):
        if control.exists():
            control.write_text("-hugetlb")


@pytest.mark.usefixtures("_hugetlb")
def test_an_exec_enters_a_container_that_has_divided_its_cgroup(
    run: Run, make: Make, pod: Pod, loop: Loop, tmp_path: Path
) -> None:
    """As systemd does, or a runtime in it: then no process may be in the container's own cgroup (EBUSY)."""
    place = Path(hierarchies.current().mounts[""], cgroup.ROOT, *pod.names, "one")
    done = tmp_path / "done"

    async def story() -> None:
        container = await make("/bin/sh", "-c", f"place={place} done={done}; {DIVIDE}")
        try:
            await eventually(loop, done.exists)
            with pytest.raises(OSError, match="busy"):
                directory.write(f"{place}/cgroup.procs", "0")
            pid = await start_exec(container, "x")
            assert set((place / "inner" / "cgroup.procs").read_text().split()) == {str(pid), str(container.init.pid)}
        finally:
            container.kill("", signal.SIGKILL, everything=False)
            await container.init.published
        assert not is_alive(pid)

    run(story())


def test_init_and_execs_are_members(run: Run, make: Make) -> None:
    async def story() -> None:
        container = await make()
        if not _tracked(container):
            pytest.skip("no cgroup can be written here")
        pid = await start_exec(container, "x")
        assert set(container.tracking.members()) == {container.init.pid, pid}
        (record,) = [r for r in container._pod.state.records() if r.name == "one"]
        assert record.cgroups == container.tracking.directories

    run(story())


def _commands(container: Container) -> list[str]:
    """What its processes execute by now."""
    found = []
    for pid in container.pids():
        with contextlib.suppress(OSError):  # it has just ended
            found.append(Path(f"/proc/{pid}/comm").read_text().strip())
    return sorted(found)


def test_a_daemon_dies_with_its_container_beside_another(run: Run, make: Make, loop: Loop) -> None:
    async def story() -> None:
        other = await make("/bin/sh", "-c", DAEMON + "sleep 61", name="other")
        container = await make()
        if not _tracked(container):
            pytest.skip("no cgroup can be written here")
        await start_exec(container, "x", shell(DAEMON + "sleep 62"))
        await eventually(loop, lambda: _commands(container) == ["sh", "sleep", "sleep", "sleep"])
        await eventually(loop, lambda: _commands(other) == ["sh", "sleep", "sleep"])
        gone, kept = container.pids(), other.pids()
        os.kill(container.init.pid, signal.SIGKILL)
        await container.init.published
        assert not any(is_alive(pid) for pid in gone)
        assert all(is_alive(pid) for pid in kept)

    run(story())


@pytest.mark.usefixtures("_no_cgroups")
def test_a_child_that_goes_on_without_its_first_thread_dies_with_its_container(
    run: Run, make: Make, loop: Loop
) -> None:
    async def story() -> None:
        container = await make("/bin/sh", "-c", f"setsid {shlex.join(HEADLESS)} & exec sleep 60")
        me = container.init.pid
        await eventually(loop, lambda: [pid for pid in container.pids() if pid != me and not has_first_thread(pid)])
        (pid,) = set(container.pids()) - {me}
        os.kill(me, signal.SIGKILL)
        await container.init.published
        assert not is_alive(pid)

    run(story())


def test_the_cgroup_is_gone_when_delete_answers(run: Run, make: Make) -> None:
    async def story() -> None:
        container = await make()
        places = container.tracking.directories
        container.kill("", signal.SIGKILL, everything=False)
        assert await exit_code(container) == 137
        await container.delete("")
        assert not any(Path(place).exists() for place in places)

    run(story())


def test_a_container_that_cannot_be_created_leaves_no_cgroup(run: Run, make: Make, pod: Pod) -> None:
    async def story() -> None:
        with pytest.raises(FailedPrecondition):
            await make(cwd="/no/such/place")

    run(story())
    for mount in hierarchies.current().tracking().values():
        assert not Path(mount, "reaper", *pod.names, "one").exists()


def test_usage_grows_and_is_kept_when_it_has_ended(run: Run, make: Make, loop: Loop) -> None:
    async def story() -> None:
        container = await make("/bin/sh", "-c", "while :; do :; done")
        await eventually(loop, lambda: container.usage().cpu["usage_usec"] > 20_000)
        used = container.usage()
        assert used.memory["usage"] > 4096
        assert used.pids["current"] == 1
        os.kill(container.init.pid, signal.SIGKILL)
        await container.init.published
        await eventually(loop, lambda: container.tracking.cgroup is None)
        last = container.usage()
        assert last.cpu["usage_usec"] >= used.cpu["usage_usec"]
        assert last.pids["current"] == 0

    run(story())


def test_freeze_needs_a_running_container(run: Run, make: Make) -> None:
    async def story() -> None:
        container = await make(state="created")
        with pytest.raises(FailedPrecondition, match="has no process that runs"):
            await container.freeze(frozen=True)

    run(story())


@pytest.mark.usefixtures("_no_cgroups")
def test_a_node_without_cgroups(run: Run, make: Make, loop: Loop) -> None:
    async def story() -> None:
        container = await make()
        assert container.tracking.directories == ()
        await eventually(loop, lambda: container.usage().memory["usage"] > 4096)  # a page in the midst of execve(2)
        assert container.usage().pids["current"] == 1
        with pytest.raises(Unimplemented, match="cannot be paused"):
            await container.freeze(frozen=True)
        with pytest.raises(FailedPrecondition, match="no limits to change"):
            await container.tracking.update(resources.Resources())

    run(story())


def _limited(path: Path, cgroups_path: object, **wanted: Any) -> bundle.Bundle:
    write_bundle(path, *SLEEP, annotations={"reaper.runtime/cgroup": "pod"})
    config = json.loads((path / "config.json").read_text())
    config["linux"] = {"cgroupsPath": cgroups_path, "resources": wanted}
    (path / "config.json").write_text(json.dumps(config))
    return bundle.load(str(path))


def test_limits_are_applied_and_changed(run: Run, pod: Pod, tmp_path: Path) -> None:
    if not hierarchies.current().mounts.keys() & {"", "memory"}:
        pytest.skip("no memory controller")
    path = f"/reaper/unit-test/{os.getpid()}/one"

    async def story() -> None:
        container = await pod.create("one", _limited(tmp_path / "one", path, memory={"limit": 64 << 20}), NOWHERE)
        places = container.tracking.directories
        limited = [place for place in places if place.endswith(path)]
        assert limited
        assert container.usage().memory["usage_limit"] == 64 << 20
        await container.tracking.update(resources.parse({"memory": {"limit": 32 << 20}}, "r"))
        assert container.usage().memory["usage_limit"] == 32 << 20
        container.kill("", signal.SIGKILL, everything=False)
        await container.delete("")
        assert not any(Path(place).exists() for place in places)
        for place in limited:
            Path(place).parent.rmdir()

    run(story())


HUGE = {"hugepageLimits": [{"pageSize": "2MB", "limit": 4 << 20}]}


def test_an_update_gives_back_what_systemd_has_taken_away(loop: Loop, run: Run, taken: Taken, tmp_path: Path) -> None:
    """With the driver systemd: the slice is systemd's, and the scope in it none that it knows."""
    tracking = Tracking(loop)
    tracking.make(_limited(tmp_path / "one", f"/{taken.path}/one", **HUGE), ("ns", "pod", "one"), lambda: None)
    limit = taken.place / "one" / "hugetlb.2MB.max"
    assert limit.read_text() == f"{4 << 20}\n"
    taken.away()
    assert not limit.exists()
    run(tracking.update(resources.parse({}, "r")))
    assert limit.read_text() == f"{4 << 20}\n"
    for bytes_ in (8 << 20, 6 << 20):
        taken.away()
        run(tracking.update(resources.parse({"hugepageLimits": [{"pageSize": "2MB", "limit": bytes_}]}, "r")))
        assert limit.read_text() == f"{bytes_}\n"
    taken.away()
    tracking.restore()
    assert limit.read_text() == f"{6 << 20}\n"
    tracking.remove()
    tracking.restore()


def test_an_update_gives_the_other_containers_of_the_pod_their_limits_back(
    taken: Taken, run: Run, pod: Pod, tmp_path: Path
) -> None:
    said: list[str] = []
    pod.warn = said.append
    service = TaskService(pod, Publisher(pod.loop, "", "ns", said.append), lambda: None)

    async def story() -> None:
        for name in ("one", "two"):
            await pod.create(name, _limited(tmp_path / name, f"/{taken.path}/{name}", **HUGE), NOWHERE)
        await pod.create("free", bundle.load(write_bundle(tmp_path / "free", *SLEEP)), NOWHERE)
        taken.away()
        wanted = {"hugepageLimits": [{"pageSize": "2MB", "limit": 8 << 20}]}
        await service.update(m.UpdateTaskRequest(id="one", resources=m.Any(value=json.dumps(wanted).encode())))
        for name, limit in (("one", 8 << 20), ("two", 4 << 20)):
            assert (taken.place / name / "hugetlb.2MB.max").read_text() == f"{limit}\n"
        pod.container("two").tracking._limits += (limits.Setting("pids.limit", "pids", "pids.max", "7"),)
        await service.update(m.UpdateTaskRequest(id="one"))
        for name in ("one", "two", "free"):
            await pod.container(name).delete("")

    run(story())
    assert len(said) == 1
    assert "container two has not got its limits back: linux.resources.pids.limit cannot be applied" in said[0]


def test_what_was_taken_away_and_given_back_is_watched_again(
    loop: Loop, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A tree of files, with links to what the kernel lets one wait for."""
    monkeypatch.setattr(hierarchies, "_found", Hierarchies({"": str(tmp_path / "cg")}, ["memory", "pids"]))
    place = tmp_path / "cg" / "pod1.slice" / "c.scope"
    place.mkdir(parents=True)
    controls = [above / "cgroup.subtree_control" for above in (place.parent.parent, place.parent)]
    for file in (place / "memory.max", place / "pids.max", *controls):
        file.touch()
    (place / "memory.events").symlink_to("/proc/self/mounts")
    before = open_fds()
    tracking = Tracking(loop)
    wanted = {"memory": {"limit": 4096}, "pids": {"limit": 7}}
    tracking.make(_limited(tmp_path / "one", "pod1.slice::c", **wanted), ("ns", "pod", "c"), lambda: None)
    for file in (place / "memory.max", place / "pids.max", *controls):
        file.write_text("")
    (place / "memory.events").unlink()
    (place / "memory.events").symlink_to("/proc/swaps")
    run(tracking.update(resources.parse({"pids": {"limit": 9}}, "r")))
    assert ((place / "memory.max").read_text(), (place / "pids.max").read_text()) == ("4096", "9")
    assert [control.read_text() for control in controls] == ["+pidsry", "+pidsry"]  # the second over the first
    assert open_fds() == before + 1
    assert tracking._oom is not None
    assert Path(f"/proc/self/fd/{tracking._oom._fds[0]}").readlink() == Path("/proc/swaps")
    tracking.check_oom()
    assert open_fds() == before, "what is killed once all are dead is another's"


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
        self.tracking.make(_limited(folder, "pod1.slice::c", **wanted), ("ns", "pod", "c"), lambda: None)

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
    wanted = _limited(tmp_path / "one", cgroups_path, memory={"limit": 4096})
    node.tracking.make(wanted, ("ns", "pod", "c"), lambda: None)
    run(node.tracking.become_unit(42))
    assert node.systemd.calls == []
    node.tracking.remove()


def test_a_limit_that_cannot_be_applied_refuses_the_container_and_leaves_nothing(
    run: Run, pod: Pod, tmp_path: Path
) -> None:
    path = f"/reaper/unit-test/{os.getpid()}/one"
    wanted = _limited(tmp_path / "one", path, hugepageLimits=[{"pageSize": "3MB", "limit": 1}])

    async def story() -> None:
        with pytest.raises(FailedPrecondition, match=r"hugepageLimits cannot be applied on node .* no hugetlb\.3MB"):
            await pod.create("one", wanted, NOWHERE)

    run(story())
    assert pod.containers == {}
    for mount in set(hierarchies.current().limiting().values()):
        assert not Path(mount + path).exists()
        if Path(mount + path).parent.exists():
            Path(mount + path).parent.rmdir()


@pytest.mark.parametrize("path", ["", None, 5])
def test_the_annotation_needs_a_path(tmp_path: Path, path: object) -> None:
    with pytest.raises(InvalidBundle, match=r"cgroupsPath is needed by the annotation"):
        _limited(tmp_path / "one", path)


def test_the_annotation_has_one_value(tmp_path: Path) -> None:
    write_bundle(tmp_path, *SLEEP, annotations={"reaper.runtime/cgroup": "node"})
    with pytest.raises(FailedPrecondition, match=r"reaper\.runtime/cgroup has the value 'node': it takes none or pod"):
        bundle.load(str(tmp_path))
