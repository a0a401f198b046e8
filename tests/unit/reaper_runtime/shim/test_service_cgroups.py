"""Stats, Update, Pause, Resume and the policy for unsupported fields, as containerd asks for them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reaper_runtime.config import Config
from reaper_runtime.errors import FailedPrecondition, InvalidBundle, NotFound
from reaper_runtime.host.cgroup import hierarchies
from reaper_runtime.shim.service import TaskService
from reaper_runtime.wire import messages as m
from reaper_runtime.wire.metrics import Metrics
from tests.fakes.runtime import needs_root, write_bundle, write_sandbox
from tests.fakes.task_service import Recorder, exec_request

if TYPE_CHECKING:
    from collections.abc import Callable

    from reaper_runtime.pod import Pod

    Run = Callable[..., Any]

pytestmark = needs_root


@pytest.fixture
def warnings(pod: Pod) -> list[str]:
    """What the shim's log has about the pod."""
    said: list[str] = []
    pod.warn = said.append
    return said


async def _start(service: TaskService, path: str, name: str = "c1") -> None:
    await service.create(m.CreateTaskRequest(id=name, bundle=path))
    await service.start(m.StartRequest(id=name))


async def _figures(service: TaskService, name: str) -> Metrics:
    answer = await service.stats(m.StatsRequest(id=name))
    assert answer.stats is not None
    assert answer.stats.type_url == "io.containerd.cgroups.v2.Metrics"
    return Metrics.decode(answer.stats.value)


def test_stats_of_a_container_and_of_the_sandbox(run: Run, service: TaskService, tmp_path: Path) -> None:
    async def executed(name: str) -> Metrics:
        """In the midst of execve(2) a process without a cgroup has one page."""
        while True:
            found = await _figures(service, name)
            if found.memory is None or found.memory.usage > 4096:
                return found

    async def story() -> None:
        await _start(service, write_sandbox(tmp_path / "pause"), "sandbox")
        await _start(service, write_bundle(tmp_path / "c1", "/bin/sleep", "60"))
        for name in ("sandbox", "c1"):
            found = await executed(name)
            assert found.memory is not None
            assert found.memory.usage > 4096
            assert found.pids is not None
            assert found.pids.current >= 1
        with pytest.raises(NotFound):
            await service.stats(m.StatsRequest(id="nobody"))

    run(story())


def test_update_without_limits_is_refused_and_nonsense_named(run: Run, service: TaskService, tmp_path: Path) -> None:
    async def story() -> None:
        await _start(service, write_bundle(tmp_path / "c1", "/bin/sleep", "60"))
        with pytest.raises(FailedPrecondition, match="no limits to change"):
            await service.update(m.UpdateTaskRequest(id="c1", resources=m.Any(value=b"{}")))
        with pytest.raises(InvalidBundle, match="the resources of container c1 is not JSON"):
            await service.update(m.UpdateTaskRequest(id="c1", resources=m.Any(value=b"{")))

    run(story())


def test_pause_and_resume(run: Run, service: TaskService, recorder: Recorder, tmp_path: Path) -> None:
    unified = hierarchies.current().mounts.get("")
    if unified is None:
        pytest.skip("no cgroup version 2 to freeze with")

    async def story() -> None:
        await _start(service, write_bundle(tmp_path / "c1", "/bin/sleep", "60"))
        await service.pause(m.PauseRequest(id="c1"))
        assert (await service.state(m.StateRequest(id="c1"))).status == 4
        with pytest.raises(FailedPrecondition, match="container c1 is paused"):
            await service.exec(exec_request("x", "/bin/true"))
        await service.resume(m.ResumeRequest(id="c1"))
        await service.exec(exec_request("x", "/bin/true"))
        await service.pause(m.PauseRequest(id="c1"))
        with pytest.raises(FailedPrecondition, match="container c1 is paused"):
            await service.start(m.StartRequest(id="c1", exec_id="x"))
        await service.resume(m.ResumeRequest(id="c1"))
        assert (await service.state(m.StateRequest(id="c1"))).status == 2

    run(story())
    assert recorder.told()[2:] == [
        "TaskPaused c1", "TaskResumed c1", "TaskExecAdded x", "TaskPaused c1", "TaskResumed c1",
    ]  # fmt: skip


def test_an_oom_kill_is_published(service: TaskService, recorder: Recorder) -> None:
    service.publish_oom("c1")
    assert recorder.told() == ["TaskOOM c1"]


def _with_seccomp(path: Path) -> str:
    write_bundle(path, "/bin/sleep", "60")
    config = json.loads((path / "config.json").read_text())
    config["linux"] = {"seccomp": {"defaultAction": "SCMP_ACT_ERRNO"}, "sysctl": {}}
    (path / "config.json").write_text(json.dumps(config))
    return str(path)


def test_what_is_ignored_is_warned_about_once(
    run: Run, service: TaskService, warnings: list[str], tmp_path: Path
) -> None:
    async def story() -> None:
        await _start(service, _with_seccomp(tmp_path / "c1"))
        await service.exec(exec_request("x", "/bin/true"))

    run(story())
    assert warnings == ["container c1: not applied to a host process: linux.seccomp"]


def test_an_image_is_warned_about_in_the_plans_words(
    run: Run, service: TaskService, warnings: list[str], tmp_path: Path
) -> None:
    image = {"io.kubernetes.cri.image-name": "docker.io/library/busybox:latest"}
    run(_start(service, write_bundle(tmp_path / "c1", "/bin/sleep", "60", annotations=image)))
    (warning,) = warnings
    assert warning == (
        "container c1: Container image 'docker.io/library/busybox:latest' is ignored by Reaper. "
        "Ensure the binary exists on the host at the specified path."
    )


def test_a_sysctl_of_the_pod_refuses_its_sandbox(run: Run, service: TaskService, tmp_path: Path) -> None:
    """containerd tells the sandbox alone: its containers would be started as if nobody had asked."""
    path = Path(write_sandbox(tmp_path / "c1"))
    config = json.loads((path / "config.json").read_text())
    config["linux"] = {"sysctl": {"net.core.somaxconn": "1024"}}
    (path / "config.json").write_text(json.dumps(config))
    with pytest.raises(FailedPrecondition, match=r"^this pod asks .* linux\.sysctl: it would change the node"):
        run(service.create(m.CreateTaskRequest(id="c1", bundle=str(path))))


def test_or_refused_by_the_nodes_policy(run: Run, pod: Pod, recorder: Recorder, tmp_path: Path) -> None:
    pod.config = Config(refuse_unsupported=True)
    strict = TaskService(pod, recorder, lambda: None)  # type: ignore[arg-type]
    with pytest.raises(FailedPrecondition, match=r"container c1 asks .*REAPER_UNSUPPORTED=refuse.*linux\.seccomp"):
        run(strict.create(m.CreateTaskRequest(id="c1", bundle=_with_seccomp(tmp_path / "c1"))))
    assert recorder.told() == []


def test_an_exec_without_user_and_capabilities_has_the_containers(
    run: Run, service: TaskService, pod: Pod, tmp_path: Path
) -> None:
    async def story() -> None:
        none: dict[str, list[str]] = {"bounding": [], "effective": [], "permitted": []}
        path = write_bundle(tmp_path / "c1", "/bin/sleep", "60", user={"uid": 7, "gid": 8}, capabilities=none)
        await _start(service, path)
        spec = m.Any(value=json.dumps({"args": ["/bin/sleep", "60"], "cwd": "/"}).encode())
        await service.exec(m.ExecProcessRequest(id="c1", exec_id="x", spec=spec))
        pid = pod.container("c1").process("x").pid
        status = Path(f"/proc/{pid}/status").read_text()
        assert "Uid:\t7\t7\t7\t7" in status
        assert "Gid:\t8\t8\t8\t8" in status
        assert "CapBnd:\t0000000000000000" in status
        bad = m.Any(value=json.dumps({"args": ["a"], "execCPUAffinity": {"initial": "0"}}).encode())
        with pytest.raises(FailedPrecondition, match=r"process\.execCPUAffinity"):
            await service.exec(m.ExecProcessRequest(id="c1", exec_id="y", spec=bad))

    run(story())
