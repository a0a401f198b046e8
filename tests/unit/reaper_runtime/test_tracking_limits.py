"""The limits of a container's cgroup: applied, changed, given back where systemd has taken them away, or refused."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reaper_runtime.errors import FailedPrecondition, InvalidBundle
from reaper_runtime.host.cgroup import hierarchies, limits
from reaper_runtime.host.cgroup.hierarchies import Hierarchies
from reaper_runtime.oci import bundle, resources
from reaper_runtime.shim.events import Publisher
from reaper_runtime.shim.service import TaskService
from reaper_runtime.tracking import Tracking
from reaper_runtime.wire import messages as m
from tests.fakes.containers import NOWHERE, SLEEP, limited_bundle
from tests.fakes.runtime import needs_root, open_fds, write_bundle

if TYPE_CHECKING:
    from collections.abc import Callable

    from reaper_runtime.loop import Loop
    from reaper_runtime.pod import Pod
    from tests.fakes.cgroups import Taken

    Run = Callable[..., Any]

pytestmark = needs_root


def test_limits_are_applied_and_changed(run: Run, pod: Pod, tmp_path: Path) -> None:
    if not hierarchies.current().mounts.keys() & {"", "memory"}:
        pytest.skip("no memory controller")
    path = f"/reaper/unit-test/{os.getpid()}/one"

    async def story() -> None:
        container = await pod.create("one", limited_bundle(tmp_path / "one", path, memory={"limit": 64 << 20}), NOWHERE)
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
    tracking.make(limited_bundle(tmp_path / "one", f"/{taken.path}/one", **HUGE), ("ns", "pod", "one"), lambda: None)
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
            await pod.create(name, limited_bundle(tmp_path / name, f"/{taken.path}/{name}", **HUGE), NOWHERE)
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
    tracking.make(limited_bundle(tmp_path / "one", "pod1.slice::c", **wanted), ("ns", "pod", "c"), lambda: None)
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


def test_a_limit_that_cannot_be_applied_refuses_the_container_and_leaves_nothing(
    run: Run, pod: Pod, tmp_path: Path
) -> None:
    path = f"/reaper/unit-test/{os.getpid()}/one"
    wanted = limited_bundle(tmp_path / "one", path, hugepageLimits=[{"pageSize": "3MB", "limit": 1}])

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
        limited_bundle(tmp_path / "one", path)


def test_the_annotation_has_one_value(tmp_path: Path) -> None:
    write_bundle(tmp_path, *SLEEP, annotations={"reaper.runtime/cgroup": "node"})
    with pytest.raises(FailedPrecondition, match=r"reaper\.runtime/cgroup has the value 'node': it takes none or pod"):
        bundle.load(str(tmp_path))
