"""What our shim tells the node agent of a task's process, read by the agent itself."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reaper_node.statuses import Statuses
from reaper_node.watch import GRACE, SETTLE, Watch
from tests.conformance.test_host_process import SANDBOX, member_of, shim_pid
from tests.fakes.tasks import NODE, FakeTasks

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conformance.shim import Shim

TASKS = Path("/run/reaper/tasks")
OF_A_TASK = {
    **member_of("pod1"),
    "reaper.runtime/task": "hello",
    "io.kubernetes.cri.container-name": "task",
    "io.kubernetes.cri.sandbox-name": "hello",
}


class Agent:
    """On this machine, with a clock of its own and tasks that it can tell of."""

    def __init__(self, namespace: str) -> None:
        self.tasks = FakeTasks(namespace)
        self.now = 0.0
        TASKS.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.watch = Watch(TASKS, Statuses(self.tasks, NODE), lambda: self.now)

    def after(self, seconds: float) -> dict[str, object]:
        """What it has said of the task then."""
        for _ in range(20):
            self.watch.turn(0)
        self.now += seconds
        for _ in range(20):
            self.watch.turn(0)
        return self.tasks.said()


@pytest.fixture
def agent(reaper: Shim) -> Iterator[Agent]:
    made = Agent(reaper.namespace)
    made.tasks.add()
    yield made
    made.watch.close()


def start(reaper: Shim) -> int:
    """A task's pod on the shim; the pid of its process."""
    reaper.create("pod1", "/pause", annotations={**SANDBOX, "io.kubernetes.cri.sandbox-id": "pod1"}).start()
    own = {"uid": "pod-1", "namespace": reaper.namespace}
    annotations = OF_A_TASK | {f"io.kubernetes.cri.sandbox-{key}": value for key, value in own.items()}
    task = reaper.create("c1", "/bin/sleep", "300", annotations=annotations)
    task.start()
    return task.pid


def told(reaper: Shim) -> Path:
    return TASKS / f"{reaper.namespace}@pod1"


def test_the_process_of_a_task_from_start_to_end(reaper: Shim, agent: Agent) -> None:
    """docs/nodes.md, "The agent": hostProcessPID goes with the process, overlayNamespaceID stays."""
    pid = start(reaper)
    said = agent.after(SETTLE)
    assert said["hostProcessPID"] == pid
    overlay = Path("/run/reaper/overlays", str(said["overlayNamespaceID"]), "merged")
    assert overlay.stat().st_dev == Path(f"/proc/{pid}/root").stat().st_dev
    os.kill(pid, signal.SIGKILL)
    agent.watch.turn(10)
    assert agent.after(GRACE) == {"overlayNamespaceID": reaper.namespace}
    assert told(reaper).exists(), "the pod is there: there may be another process"


def test_a_plain_pod_is_not_told_of(reaper: Shim) -> None:
    """docs/nodes.md, "The agent": one file for each Pod that says of which task it is, and no other."""
    reaper.create("pod1", "/pause", annotations={**SANDBOX, "io.kubernetes.cri.sandbox-id": "pod1"}).start()
    reaper.create("c1", "/bin/sleep", "300", annotations=member_of("pod1")).start()

    assert not told(reaper).exists()


def test_a_shim_that_ends_takes_its_word_along(reaper: Shim) -> None:
    """docs/nodes.md, "The agent": one small file for each Pod, and none once its shim has ended."""
    start(reaper)
    assert told(reaper).exists()
    reaper.end()

    assert not told(reaper).exists()


def test_nothing_is_left_of_a_pod_whose_shim_was_killed(reaper: Shim, agent: Agent) -> None:
    """docs/nodes.md, "The agent": the PID of what has ended is taken away, whoever ended it."""
    pid = start(reaper)
    assert agent.after(SETTLE)["hostProcessPID"] == pid
    os.kill(shim_pid(reaper), signal.SIGKILL)
    done = reaper.command("delete", "pod1", "-bundle", str(reaper.folder / "pod1"))
    assert done.returncode == 0, done.stderr
    reaper.address = ""

    assert not told(reaper).exists()
    assert agent.after(GRACE) == {"overlayNamespaceID": reaper.namespace}
