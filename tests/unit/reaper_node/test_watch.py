"""The agent's loop, on real files, real inotify and real processes; the clock is the test's."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reaper_node.errors import NodeError
from reaper_node.statuses import Statuses
from reaper_node.watch import GRACE, SETTLE, Watch, keep
from reaper_runtime.host import procfs
from reaper_runtime.state import PodState
from reaper_runtime.task import TaskProcess
from tests.fakes.runtime import open_fds
from tests.fakes.tasks import NODE, FakeTasks

if TYPE_CHECKING:
    from collections.abc import Iterator

PATIENCE = 10.0  # seconds for the kernel to tell of something that has happened


class Stage:
    """A node without anything but processes, and the runtime's files about them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        (folder / "tasks").mkdir()
        self.tasks = FakeTasks()
        self.now = 1000.0
        self.children: list[subprocess.Popen[bytes]] = []
        self.watch = self.agent()

    def agent(self) -> Watch:
        return Watch(self.folder / "tasks", Statuses(self.tasks, NODE), lambda: self.now)

    def restart(self) -> None:
        self.watch.close()
        self.watch = self.agent()

    def state(self, sandbox: str) -> PodState:
        return PodState("k8s.io", sandbox, str(self.folder / "state"))

    def run(self, task: str = "hello", pod_uid: str = "pod-1", sandbox: str = "one") -> subprocess.Popen[bytes]:
        """A process of a task starts, and the runtime tells of it."""
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
        self.children.append(child)
        found = procfs.stat(child.pid)
        assert found is not None
        started = found.start_time
        told = TaskProcess(
            child.pid, started, namespace="default", pod="hello", pod_uid=pod_uid, task=task, overlay="default"
        )
        self.state(sandbox).task.write(told)
        return child

    def turns(self, seconds: float = 0.0) -> None:
        """Time goes by; the agent does all that is to be done."""
        self.now += seconds
        for _ in range(20):
            self.watch.turn(0)

    def hears(self) -> None:
        """Something has happened, and the agent does not have to wait for time to go by."""
        before = self.now
        self.watch.turn(PATIENCE)
        assert self.now == before

    def end(self, child: subprocess.Popen[bytes]) -> None:
        child.kill()
        child.communicate()


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    made = Stage(tmp_path)
    yield made
    made.watch.close()
    for child in made.children:
        made.end(child)


def test_a_tasks_process_from_start_to_end(stage: Stage) -> None:
    open_before = open_fds()
    stage.tasks.add()
    child = stage.run()
    stage.hears()
    stage.turns(SETTLE)
    assert stage.tasks.said() == {"hostProcessPID": child.pid, "overlayNamespaceID": "default"}
    stage.end(child)
    stage.hears()
    stage.turns(GRACE - 0.1)
    assert "hostProcessPID" in stage.tasks.said()  # the operator's turn
    stage.turns(0.1)
    assert stage.tasks.said() == {"overlayNamespaceID": "default"}
    stage.state("one").task.forget()
    stage.hears()
    stage.turns(60)
    assert len(stage.tasks.writes) == 2
    assert stage.watch._known == {}
    assert open_fds() == open_before


def test_nothing_is_asked_while_nothing_happens(stage: Stage) -> None:
    stage.tasks.add()
    stage.run()
    stage.turns()
    stage.turns(SETTLE)
    reads = stage.tasks.reads
    stage.turns(3600)
    assert stage.tasks.reads == reads == 1
    assert stage.watch._agenda.wait(stage.now) is None


def test_what_ends_at_once_is_one_look_after_the_operators(stage: Stage) -> None:
    stage.tasks.add()
    stage.end(stage.run())
    stage.state("one").task.forget()
    stage.turns()
    stage.tasks.update("hello", phase="Succeeded")
    stage.turns(GRACE)
    assert (stage.tasks.reads, stage.tasks.writes) == (0, [])  # written and removed before it was looked at


def test_an_end_that_the_operator_has_written_down_is_not_written_again(stage: Stage) -> None:
    stage.tasks.add()
    child = stage.run()
    stage.turns()
    stage.turns(SETTLE)
    stage.end(child)
    stage.state("one").task.forget()
    stage.turns()
    stage.tasks.update("hello", phase="Failed", hostProcessPID=None)
    stage.turns(GRACE)
    assert len(stage.tasks.writes) == 1
    assert stage.watch._known == {}


@pytest.mark.parametrize("end_first", [True, False])
def test_a_restart_in_the_same_pod(stage: Stage, *, end_first: bool) -> None:
    """The end of one process and the file about the other are told at the same time, in either order."""
    stage.tasks.add()
    first = stage.run()
    stage.turns()
    stage.turns(SETTLE)
    if end_first:
        stage.end(first)
    second = stage.run()
    if not end_first:
        stage.end(first)
    stage.turns()
    stage.turns(SETTLE)
    assert [status["hostProcessPID"] for _, status in stage.tasks.writes] == [first.pid, second.pid]
    assert stage.tasks.said()["hostProcessPID"] == second.pid


def test_the_second_attempt_never_shows_the_first_ones_pid(stage: Stage) -> None:
    stage.tasks.add()
    first = stage.run()
    stage.turns()
    stage.turns(SETTLE)
    stage.end(first)
    stage.turns()
    stage.tasks.add(pod_uid="pod-2")
    stage.state("one").task.forget()
    stage.turns(GRACE)
    assert stage.tasks.said() == {}
    second = stage.run(pod_uid="pod-2", sandbox="two")
    stage.turns()
    stage.turns(SETTLE)
    assert stage.tasks.said()["hostProcessPID"] == second.pid


def test_an_agent_that_was_away_finds_what_runs_and_what_has_ended(stage: Stage) -> None:
    for name in ("running", "ended", "new"):
        stage.tasks.add(name, pod_uid=name)
    running, ended = stage.run("running", "running", "one"), stage.run("ended", "ended", "two")
    stage.turns()
    stage.turns(SETTLE)
    stage.watch.close()
    stage.end(ended)  # and the runtime's file stays: the Pod is there, waiting for the next run
    new = stage.run("new", "new", "three")
    stage.watch = stage.agent()
    stage.turns(GRACE)
    assert stage.tasks.said("running")["hostProcessPID"] == running.pid
    assert stage.tasks.said("new")["hostProcessPID"] == new.pid
    assert "hostProcessPID" not in stage.tasks.said("ended")
    assert len(stage.tasks.writes) == 4  # nothing twice


def test_one_task_that_cannot_be_told_of_holds_up_no_other(stage: Stage) -> None:
    stage.tasks.add("bad", pod_uid="bad")
    stage.tasks.add("good", pod_uid="good")
    stage.tasks.down = {"bad"}
    bad, good = stage.run("bad", "bad", "one"), stage.run("good", "good", "two")
    stage.turns()
    stage.turns(SETTLE)
    assert stage.tasks.said("good")["hostProcessPID"] == good.pid
    reads = stage.tasks.reads
    for _ in range(100):
        stage.turns(1)
    assert 3 < stage.tasks.reads - reads < 10  # 1, 2, 4 … seconds later
    stage.tasks.down = set()
    stage.turns(60)
    assert stage.tasks.said("bad")["hostProcessPID"] == bad.pid


@pytest.mark.parametrize("content", ["", "pid 1\n", "\0"])
def test_a_file_that_makes_no_sense_is_passed_over(
    stage: Stage, content: str, caplog: pytest.LogCaptureFixture
) -> None:
    stage.tasks.add()
    (stage.folder / "tasks" / "odd~").write_text(content)
    (stage.folder / "tasks" / "odd~").rename(stage.folder / "tasks" / "odd")
    child = stage.run()
    stage.turns()
    stage.turns(SETTLE)
    assert stage.tasks.said()["hostProcessPID"] == child.pid
    assert "tasks/odd is not as the runtime writes it" in caplog.text


def test_after_an_overflow_everything_is_read_again(
    stage: Stage, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    most = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    old = stage.folder / "tasks" / "old"
    for name in ("first", "still"):
        stage.tasks.add(name, pod_uid=name)
    first, still = stage.run("first", "first", "first"), stage.run("still", "still", "still")
    stage.turns()
    stage.turns(SETTLE)
    reads = stage.tasks.reads
    for _ in range(most // 2 + 1):  # fill the queue with events about nothing
        old.touch()
        old.rename(f"{old}~").rename(old)
    stage.tasks.add()
    child = stage.run()  # nobody is told of these two
    stage.end(first)
    stage.state("first").task.forget()
    old.unlink()
    for _ in range(200):
        stage.watch.turn(0)
    stage.turns(GRACE)
    assert "everything is read again" in caplog.text
    assert stage.tasks.said()["hostProcessPID"] == child.pid
    assert "hostProcessPID" not in stage.tasks.said("first")
    assert stage.tasks.said("still")["hostProcessPID"] == still.pid
    assert set(stage.watch._known) == {"k8s.io@one", "k8s.io@still"}
    assert stage.tasks.reads == reads + 2, "nobody asks about what is as it was"


def test_it_ends_when_its_folder_is_gone(stage: Stage) -> None:
    (stage.folder / "tasks").rmdir()
    with pytest.raises(NodeError, match="was removed"):
        stage.watch.turn(PATIENCE)


def test_it_begins_again_after_whatever_ended_it_but_the_end_of_its_folder(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    """Its container would not be Ready otherwise, and hold up an upgrade."""
    ends = iter([NodeError("CannotWatch", "no inotify is left"), OSError(24, "Too many open files")])
    pauses: list[float] = []

    def make() -> Watch:
        for end in ends:
            raise end
        watch = stage.agent()
        (stage.folder / "tasks").rmdir()
        return watch

    with pytest.raises(NodeError, match="was removed"):
        keep(make, pauses.append)

    assert pauses == [2.0, 4.0]
    assert [record.message for record in caplog.records] == [
        "no inotify is left; the next try is in 2 s",
        "tasks are not watched; the next try is in 4 s",
    ]
