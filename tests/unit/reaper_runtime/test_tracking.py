"""A container's cgroup from Create to its removal: who is in it and dies with it, and what it has used."""

from __future__ import annotations

import contextlib
import os
import shlex
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reaper_runtime.errors import FailedPrecondition, Unimplemented
from reaper_runtime.host.cgroup import cgroup, directory, hierarchies
from reaper_runtime.host.cgroup.hierarchies import Hierarchies
from reaper_runtime.oci import resources
from tests.fakes.containers import HEADLESS, exit_code, has_first_thread, start_exec
from tests.fakes.runtime import eventually, is_alive, needs_root, shell

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    from reaper_runtime.container import Container
    from reaper_runtime.loop import Loop
    from reaper_runtime.pod import Pod

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
