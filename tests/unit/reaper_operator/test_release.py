"""release.py: every task is let go, or the operator works on."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from reaper_operator.cli import main
from reaper_operator.errors import Conflict, NotFound, Unavailable
from reaper_operator.key import Key
from reaper_operator.release import Operator, Release, ReleaseError
from tests.fakes.cluster import FakeCluster

OPERATOR = Operator("reaper-system", "reaper-operator", "app=operator")


class Installed(FakeCluster):
    """A cluster with an operator in it that takes `slow` looks to be gone."""

    def __init__(self, slow: int = 2) -> None:
        super().__init__()
        self.scale: int | None = 2
        self.slow = slow
        self.now = 0.0
        self.over: list[dict[str, Any]] = []  # Pods whose operator does not run any more, and that nobody deletes

    async def all_tasks(self) -> AsyncIterator[dict[str, Any]]:
        assert not self.scale, "it would put the finalizer on again"
        for key in list(self.tasks):
            task = await self.get_task(key)
            assert task is not None
            yield task

    async def replicas(self, namespace: str, deployment: str) -> int | None:
        assert (namespace, deployment) == ("reaper-system", "reaper-operator")
        return self.scale

    async def set_replicas(self, namespace: str, deployment: str, replicas: int) -> None:
        self.fault("set_replicas", False)
        self.scale = replicas

    async def pods_selected(self, namespace: str, selector: str) -> list[dict[str, Any]]:
        assert selector == "app=operator"
        self.slow -= 1
        at_work = {"metadata": {"name": "reaper-operator-x"}, "status": {"phase": "Running"}}
        return [*self.over, at_work] if self.slow >= 0 else self.over

    async def sleep(self, seconds: float) -> None:
        self.now += seconds

    def release(self) -> Release:
        return Release(self, timeout=60, monotonic=lambda: self.now, sleep=self.sleep)

    def held(self, name: str, *others: str) -> Key:
        key = self.add_task(name)
        self.tasks[key]["metadata"]["finalizers"] = [*others, "reaper.io/process"]
        return key


async def test_our_finalizer_goes_and_no_other() -> None:
    cluster = Installed()
    held = [cluster.held("a"), cluster.held("b", "example.com/mine")]
    free = cluster.add_task("c")
    assert await cluster.release().run(OPERATOR) == 2
    assert [cluster.tasks[key]["metadata"]["finalizers"] for key in held] == [[], ["example.com/mine"]]
    assert "finalizers" not in cluster.tasks[free]["metadata"]
    assert cluster.scale == 0


async def test_without_an_operator_there_is_nothing_to_stop() -> None:
    cluster = Installed()
    cluster.scale = None
    cluster.held("a")
    assert await cluster.release().run(OPERATOR) == 1
    cluster.held("b")
    assert await cluster.release().run(None) == 1
    assert cluster.scale is None


async def test_an_operator_that_stays_is_started_again() -> None:
    cluster = Installed(slow=1000)
    with pytest.raises(ReleaseError, match=r"after 60 s the operator is still there, .*: reaper-operator-x"):
        await cluster.release().run(OPERATOR)
    assert cluster.scale == 2


@pytest.mark.parametrize("phase", ["Failed", "Succeeded"])
async def test_a_pod_that_is_over_is_no_operator(phase: str) -> None:
    """Evicted, or shut down with its node: its Deployment counts only those that are active, and leaves it."""
    cluster = Installed()
    cluster.over = [{"metadata": {"name": "reaper-operator-evicted"}, "status": {"phase": phase, "reason": "Evicted"}}]
    cluster.held("a")
    assert await cluster.release().run(OPERATOR) == 1
    cluster = Installed(slow=1000)
    cluster.over = [{"metadata": {"name": "reaper-operator-evicted"}, "status": {"phase": phase}}]
    with pytest.raises(ReleaseError, match=r"started again: reaper-operator-x\. If"):
        await cluster.release().run(OPERATOR)


async def test_whoever_writes_at_the_same_time_loses_nothing() -> None:
    cluster = Installed()
    key = cluster.held("a")
    refused = [True, True]

    def fault(call: str, done: bool) -> None:  # noqa: FBT001 - see Fault
        if call == "patch_finalizers" and not done and refused:
            refused.pop()
            cluster.tasks[key]["metadata"]["finalizers"].insert(0, f"example.com/{len(refused)}")
            raise Conflict(409, "modified")

    cluster.fault = fault
    assert await cluster.release().run(OPERATOR) == 1
    assert cluster.tasks[key]["metadata"]["finalizers"] == ["example.com/0", "example.com/1"]


async def test_a_task_that_goes_meanwhile() -> None:
    cluster = Installed()
    key = cluster.held("a")

    def fault(call: str, done: bool) -> None:  # noqa: FBT001 - see Fault
        if call == "patch_finalizers":
            del cluster.tasks[key]
            raise NotFound(404, "gone")

    cluster.fault = fault
    assert await cluster.release().run(OPERATOR) == 0


async def test_an_api_server_that_fails_leaves_an_operator_at_work() -> None:
    cluster = Installed()
    cluster.held("a")
    down = 3

    def fault(call: str, done: bool) -> None:  # noqa: FBT001 - see Fault
        nonlocal down
        if call == "patch_finalizers" or (call == "set_replicas" and cluster.scale == 0 and down):
            down -= call == "set_replicas"
            raise Unavailable(503, "restarting")

    cluster.fault = fault
    with pytest.raises(Unavailable):
        await cluster.release().run(OPERATOR)
    assert cluster.scale == 2


async def test_an_uninstall_that_is_stopped_leaves_an_operator_at_work() -> None:
    cluster = Installed(slow=10**6)
    work = asyncio.ensure_future(Release(cluster, timeout=10**6).run(OPERATOR))
    while cluster.slow == 10**6:
        await asyncio.sleep(0)
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert cluster.scale == 2


def test_a_wrong_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        main(["release", "--deployment", "x"])
    assert end.value.code == 2
    assert "--namespace, --deployment and --selector go together" in capsys.readouterr().err


def test_no_cluster(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["release", "--kubeconfig", "/no/such/file"]) == 1
    assert "no way to the Kubernetes API" in capsys.readouterr().err
