"""Create, Start, Wait, Kill, Delete: what containerd relies on, for both shims."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest

from reaper_runtime.wire import messages as m
from tests.conformance.ttrpc import RpcError

if TYPE_CHECKING:
    from reaper_runtime.wire.protobuf import Message
    from tests.conformance.shim import Shim

FAILED_PRECONDITION, NOT_FOUND, ALREADY_EXISTS = 9, 5, 6
CREATED, RUNNING, STOPPED = 1, 2, 3


def names(events: list[Message]) -> list[str]:
    return [type(event).__name__ for event in events]


@pytest.mark.parametrize("code", [0, 1, 42, 127, 255])
def test_the_exit_code_is_exact(shim: Shim, code: int) -> None:
    """containerd's TestContainerStart."""
    task = shim.create("c", "/bin/sh", "-c", f"exit {code}")
    task.start()
    assert task.wait() == code
    deleted = task.delete()
    assert (deleted.pid, deleted.exit_status) == (task.pid, code)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL, signal.SIGUSR1, signal.SIGHUP])
def test_death_by_signal_is_128_plus_the_signal(shim: Shim, number: int) -> None:
    """docs/runtime.md, "Applied": 128 + n for signal n, as a shell has it and runc."""
    task = shim.create("c", "/bin/sh", "-c", f"kill -{int(number)} $$; sleep 10")
    task.start()
    if shim.runtime.name == "runc" and number != signal.SIGKILL:  # init of a pid namespace ignores its own signals
        task.kill(signal.SIGKILL)
        assert task.wait() == 128 + signal.SIGKILL
    elif shim.runtime.name == "runc":
        task.kill(number)
        assert task.wait() == 128 + number
    else:
        assert task.wait() == 128 + number


def test_events_come_in_the_order_of_the_contract(shim: Shim) -> None:
    """containerd, docs/runtime-v2.md, "Events": TaskCreate, TaskStart, TaskExit, TaskDelete, in this order."""
    task = shim.create("c", "/bin/true")
    task.start()
    task.wait()
    task.delete()
    events = shim.events.wait_for(lambda seen: "TaskDelete" in names(seen))
    assert names(events) == ["TaskCreate", "TaskStart", "TaskExit", "TaskDelete"]
    exited = events[2]
    assert isinstance(exited, m.TaskExit)
    assert (exited.container_id, exited.id, exited.pid, exited.exit_status) == ("c", "c", task.pid, 0)


def test_wait_before_start_is_answered_at_the_end(shim: Shim) -> None:
    """containerd's TestContainerWait: CRI waits before it starts."""
    task = shim.create("c", "/bin/sh", "-c", "exit 3")
    waiting = shim.client.begin("Wait", m.WaitRequest(id="c"))
    assert task.state().status == CREATED
    task.start()
    assert waiting.result(m.WaitResponse).exit_status == 3


def test_states_and_pids(shim: Shim) -> None:
    """containerd's TestContainerPids."""
    task = shim.create("c", "/bin/sleep", "60")
    assert (task.state().status, task.state().pid) == (CREATED, task.pid)
    assert task.start() == task.pid
    assert task.state().status == RUNNING
    assert task.pid in task.pids()
    task.kill(signal.SIGKILL)
    assert task.wait() == 137
    state = task.state()
    assert (state.status, state.exit_status) == (STOPPED, 137)


def test_a_running_task_is_not_deleted(shim: Shim) -> None:
    """containerd's TestDeleteRunningContainer."""
    task = shim.create("c", "/bin/sleep", "60")
    task.start()
    with pytest.raises(RpcError):
        task.delete()
    assert task.state().status == RUNNING


def test_a_created_task_can_be_deleted_without_start(shim: Shim) -> None:
    """containerd, docs/runtime-v2.md, "Events": TaskDelete may follow TaskCreate if it was never started."""
    task = shim.create("c", "/bin/sleep", "60")
    task.delete()
    with pytest.raises(RpcError) as refused:
        task.state()
    assert refused.value.code == NOT_FOUND


def test_kill_after_the_end_is_not_found(shim: Shim) -> None:
    """containerd's TestContainerKill, TestKillContainerDeletedByRunc: CRI takes NotFound for success."""
    task = shim.create("c", "/bin/true")
    task.start()
    task.wait()
    with pytest.raises(RpcError) as refused:
        task.kill(signal.SIGTERM)
    assert refused.value.code == NOT_FOUND


def test_a_missing_program_fails_start_and_sends_no_exit(shim: Shim) -> None:
    """containerd's TestContainerNoBinaryExists and TestRegressionIssue6429.

    containerd takes TaskExit for a task that has run (its issue 6429).
    """
    with pytest.raises(RpcError, match="/no/such/program"):  # runc looks at Create, we at Start
        shim.create("c", "/no/such/program").start()
    if shim.runtime.name == "reaper":
        probe = shim.create("probe", "/bin/true")
        probe.start()
        probe.wait()
        probe.delete()
        events = shim.events.wait_for(lambda seen: "TaskDelete" in names(seen))
        assert [e.container_id for e in events if isinstance(e, m.TaskExit)] == ["probe"]


def test_a_second_create_of_the_same_id_is_refused(reaper: Shim) -> None:
    """containerd, core/runtime/nsmap.go: an id that is there is AlreadyExists; the shim says the same."""
    task = reaper.create("c", "/bin/sleep", "60")
    with pytest.raises(RpcError) as refused:
        reaper.client.call("Create", m.CreateTaskRequest(id="c", bundle=str(reaper.folder / "c")), m.CreateTaskResponse)
    assert refused.value.code == ALREADY_EXISTS
    assert task.state().status == CREATED


def test_connect_answers_for_any_id(shim: Shim) -> None:
    """containerd, core/runtime/v2/shim.go, PID: Connect is its probe of a shim; an unknown id is no error."""
    task = shim.create("c", "/bin/true")
    known = shim.client.call("Connect", m.ConnectRequest(id="c"), m.ConnectResponse)
    unknown = shim.client.call("Connect", m.ConnectRequest(id="nobody"), m.ConnectResponse)
    assert (known.task_pid, unknown.task_pid) == (task.pid, 0)
    assert known.shim_pid == unknown.shim_pid > 0


def test_unknown_containers_are_not_found(shim: Shim) -> None:
    """containerd, cmd/containerd-shim-runc-v2/task/service.go, getContainer: NotFound."""
    shim.create("c", "/bin/true")
    for method, request in (
        ("State", m.StateRequest(id="nobody")),
        ("Start", m.StartRequest(id="nobody")),
        ("Wait", m.WaitRequest(id="nobody")),
        ("Kill", m.KillRequest(id="nobody", signal=9)),
        ("Pids", m.PidsRequest(id="nobody")),
    ):
        with pytest.raises(RpcError) as refused:
            shim.client.call(method, request, m.Empty)
        assert refused.value.code == NOT_FOUND, method


def test_shutdown_waits_for_the_last_container(shim: Shim) -> None:
    """containerd, cmd/containerd-shim-runc-v2/task/service.go, Shutdown: not while a container is left."""
    task = shim.create("c", "/bin/sleep", "60")
    task.start()
    shim.client.call("Shutdown", m.ShutdownRequest(id="c"), m.Empty)
    assert task.state().status == RUNNING


def test_background_children_die_before_the_exit_is_told(shim: Shim) -> None:
    """containerd, cmd/containerd-shim-runc-v2/task/service.go, handleInitExit: all is killed before TaskExit."""
    task = shim.create("c", "/bin/sh", "-c", "sleep 300 & setsid sleep 300 & echo $!; exit 5")
    task.start()
    assert task.wait() == 5
    task.delete()
    assert task.stdout.text().strip().isdigit()  # an end of file: nobody holds the pipe any more


def test_a_hundred_short_tasks_in_one_shim(shim: Shim) -> None:
    """The exit often comes before Start has been answered."""
    for number in range(100 if shim.runtime.name == "reaper" else 5):
        task = shim.create(f"c{number}", "/bin/sh", "-c", f"exit {number % 256}")
        task.start()
        assert task.wait() == number % 256
        task.delete()
        shim.containers.remove(task.name)
