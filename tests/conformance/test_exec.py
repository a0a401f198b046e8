"""Exec: more processes in a running container."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import pytest

from reaper_runtime.wire import messages as m
from tests.conformance.ttrpc import RpcError

if TYPE_CHECKING:
    from tests.conformance.shim import Container, Shim

UNKNOWN, FAILED_PRECONDITION, NOT_FOUND, ALREADY_EXISTS = 2, 9, 5, 6


@pytest.fixture
def task(shim: Shim) -> Container:
    """A container that runs until it is killed."""
    container = shim.create("c", "/bin/sleep", "300")
    container.start()
    return container


@pytest.mark.parametrize("code", [0, 1, 7])
def test_exit_code_and_output(task: Container, code: int) -> None:
    """containerd's TestContainerExec."""
    output = task.exec("e", "/bin/sh", "-c", f"echo out; exit {code}")
    task.start("e")
    assert task.wait("e") == code
    assert task.delete("e").exit_status == code
    assert output.text() == "out\n"


def test_events(shim: Shim, task: Container) -> None:
    """containerd, docs/runtime-v2.md, "Events": TaskExecAdded, TaskExecStarted and TaskExit, in this order."""
    task.exec("e", "/bin/true")
    pid = task.start("e")
    task.wait("e")
    task.delete("e")
    events = shim.events.wait_for(lambda seen: any(isinstance(e, m.TaskExit) for e in seen))
    assert [type(e).__name__ for e in events[2:]] == ["TaskExecAdded", "TaskExecStarted", "TaskExit"]
    exited = events[-1]
    assert isinstance(exited, m.TaskExit)
    assert (exited.container_id, exited.id, exited.pid) == ("c", "e", pid)


def test_a_second_exec_of_the_same_id_is_refused(task: Container) -> None:
    """containerd, cmd/containerd-shim-runc-v2/task/service.go, Exec: AlreadyExists."""
    task.exec("e", "/bin/sleep", "300")
    with pytest.raises(RpcError) as refused:
        task.shim.client.call(
            "Exec", m.ExecProcessRequest(id="c", exec_id="e", spec=m.Any(value=b'{"args": ["/bin/true"]}')), m.Empty
        )
    assert refused.value.code == ALREADY_EXISTS


def test_execs_end_with_the_container_and_before_it(shim: Shim, task: Container) -> None:
    """containerd PR#10603: the end of init is told after that of all execs."""
    task.exec("e", "/bin/sleep", "300")
    task.start("e")
    task.kill(signal.SIGKILL)
    assert task.wait() == 137
    assert task.wait("e") == 137
    events = shim.events.wait_for(lambda seen: sum(isinstance(e, m.TaskExit) for e in seen) == 2)
    assert [e.id for e in events if isinstance(e, m.TaskExit)] == ["e", "c"]


def test_nothing_is_started_in_a_stopped_container(task: Container) -> None:
    """containerd, cmd/containerd-shim-runc-v2/task/service.go, Start: no exec starts after the end of init."""
    task.exec("e", "/bin/true")
    task.kill(signal.SIGKILL)
    task.wait()
    with pytest.raises(RpcError) as refused:
        task.start("e")
    assert refused.value.code == (FAILED_PRECONDITION if task.shim.runtime.name == "reaper" else UNKNOWN)


def test_a_missing_program_fails_start_with_its_name(task: Container) -> None:
    """containerd's TestContainerExecNoBinaryExists."""
    with pytest.raises(RpcError, match="/no/such/program"):  # noqa: PT012  # the two shims refuse at different calls
        task.exec("e", "/no/such/program")
        task.start("e")


def test_stdin_ends_after_all_of_it_was_read(task: Container) -> None:
    """containerd's TestContainerCloseIO, of an exec: CloseIO of api/runtime/task/v3/shim.proto."""
    path = task.shim.folder / "stdin"
    os.mkfifo(path)
    keeper = os.open(path, os.O_RDWR)
    output = task.exec("e", "/bin/sh", "-c", "wc -c", stdin=path)
    task.start("e")
    written = 0
    while written < 1_000_000:
        written += os.write(keeper, b"x" * 50_000)
    os.close(keeper)
    task.close_stdin("e")
    assert task.wait("e") == 0
    task.delete("e")
    assert int(output.text()) == 1_000_000


def test_an_unknown_exec_is_not_found(task: Container) -> None:
    """containerd, cmd/containerd-shim-runc-v2/runc/container.go, Process: NotFound."""
    with pytest.raises(RpcError) as refused:
        task.state("nobody")
    assert refused.value.code == NOT_FOUND


def test_kill_reaches_the_exec_only(task: Container) -> None:
    """api/runtime/task/v3/shim.proto, KillRequest: exec_id says whom."""
    task.exec("e", "/bin/sleep", "300")
    task.start("e")
    task.kill(signal.SIGKILL, "e")
    assert task.wait("e") == 137
    assert task.state().status == 2
