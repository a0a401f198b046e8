"""Twins of containerd's own integration tests (integration/client/*_test.go), by name and intent, for both shims.

Those that an older test here had already are named in its docstring. TestIssue13030 is about unpacking images.
"""

from __future__ import annotations

import os
import signal
import time
from typing import TYPE_CHECKING

import pytest

from reaper_runtime.wire import messages as m
from tests.conformance.ttrpc import RpcError

if TYPE_CHECKING:
    from tests.conformance import ttrpc
    from tests.conformance.shim import Container, Shim

STOPPED = 3
LARGE = "a" * 20_000
TERMINAL_MOUNTS = [
    {"destination": "/proc", "type": "proc", "source": "proc"},
    {"destination": "/dev", "type": "tmpfs", "source": "tmpfs"},
    {"destination": "/dev/pts", "type": "devpts", "source": "devpts", "options": ["ptmxmode=0666"]},
]


def exits(shim: Shim, count: int) -> list[m.TaskExit]:
    """All TaskExit events, once there are this many."""
    seen = shim.events.wait_for(lambda events: sum(isinstance(e, m.TaskExit) for e in events) >= count)
    return [event for event in seen if isinstance(event, m.TaskExit)]


def nanoseconds(stamp: m.Timestamp | None) -> int:
    assert stamp is not None
    return stamp.seconds * 10**9 + stamp.nanos


def test_the_time_of_the_exit_is_one_and_the_same_everywhere(shim: Shim) -> None:
    """TestContainerExitedAtSet: it is the time of the end, not of the question."""
    task = shim.create("c", "/bin/true")
    before = time.time_ns()
    task.start()
    waited = nanoseconds(shim.client.call("Wait", m.WaitRequest(id="c"), m.WaitResponse).exited_at)
    after = time.time_ns()
    stated = nanoseconds(task.state().exited_at)
    deleted = nanoseconds(task.delete().exited_at)
    assert before <= waited <= after
    assert waited == stated == deleted == nanoseconds(exits(shim, 1)[0].exited_at)


def test_wait_for_a_stopped_task_answers_at_once_and_again(shim: Shim) -> None:
    """TestWaitStoppedTask."""
    task = shim.create("c", "/bin/sh", "-c", "exit 7")
    task.start()
    assert [task.wait(seconds=5) for _ in range(3)] == [7, 7, 7]
    assert [call.result(m.WaitResponse).exit_status for call in _waits(shim, 5)] == [7] * 5


def _waits(shim: Shim, count: int) -> list[ttrpc.Call]:
    return [shim.client.begin("Wait", m.WaitRequest(id="c")) for _ in range(count)]


def test_a_short_task_has_had_a_pid(shim: Shim) -> None:
    """TestShortRunningTaskPid."""
    task = shim.create("c", "/bin/true")
    assert task.start() == task.pid > 0
    task.wait()
    assert task.state().pid == task.pid


def test_exec_takes_large_arguments(shim: Shim) -> None:
    """TestContainerLargeExecArgs: they once had to fit into a pipe."""
    task = shim.create("c", "/bin/sleep", "300")
    task.start()
    output = task.exec("e", "/bin/echo", *[LARGE] * 5)
    task.start("e")
    assert task.wait("e") == 0
    task.delete("e")
    assert output.text() == " ".join([LARGE] * 5) + "\n"


def test_large_output_of_an_exec_on_a_terminal_is_complete(shim: Shim) -> None:
    """TestContainerExecLargeOutputWithTTY: the last of it was cut off."""
    task = shim.create("c", "/bin/sleep", "300", mounts=TERMINAL_MOUNTS)
    task.start()
    for number in range(5):
        script = "yes 0123456789 | head -c 1100000; echo the end"
        output = task.exec(f"e{number}", "/bin/sh", "-c", script, terminal=True)
        task.start(f"e{number}")
        assert task.wait(f"e{number}", seconds=30) == 0
        task.delete(f"e{number}")
        text = output.text()
        assert (len(text), text[-9:]) == (100_000 * 12 + 9, "the end\r\n")


def test_a_task_and_its_execs_exit_once_each(shim: Shim) -> None:
    """TestRegressionIssue4769: a task's end was told twice."""
    for number in range(5):
        task = shim.create(f"c{number}", "/bin/sleep", "300")
        task.start()
        task.exec(f"e{number}", "/bin/true")
        task.start(f"e{number}")
        task.wait(f"e{number}")
        task.delete(f"e{number}")
        task.kill(signal.SIGKILL)
        task.wait()
        task.delete()
        shim.containers.remove(task.name)
        if shim.runtime.name == "runc" and number == 0:
            break  # its shim ends with its task
    ids = [(e.container_id, e.id) for e in exits(shim, 2 * (number + 1))]
    assert ids == [(f"c{n}", name) for n in range(number + 1) for name in (f"e{n}", f"c{n}")]


def test_an_init_that_dies_before_start_is_stopped(shim: Shim) -> None:
    """TestIssue9103: killed by the kernel between Create and Start, it was shown as running for ever."""
    task = shim.create("c", "/bin/sleep", "300")
    os.kill(task.pid, signal.SIGKILL)
    assert task.wait() == 128 + signal.SIGKILL
    assert task.state().status == STOPPED
    with pytest.raises(RpcError):
        task.start()
    assert task.delete().exit_status == 128 + signal.SIGKILL


@pytest.mark.parametrize("round_", range(10))
def test_execs_that_start_while_init_dies_all_end_and_before_it(shim: Shim, round_: int) -> None:
    """TestIssue10589: an exec that started during the end of init was never reported, and containerd leaked it."""
    task = shim.create("c", "/bin/sleep", "300")
    task.start()
    names = ["e1", "e2"]
    for name in names:
        task.exec(name, "/bin/sleep", "300")
    requests = [("Start", m.StartRequest(id="c", exec_id="e1"))]
    requests.insert(round_ % 2, ("Kill", m.KillRequest(id="c", signal=9)))  # type: ignore[arg-type]  # a list of both
    requests.append(("Start", m.StartRequest(id="c", exec_id="e2")))
    calls = [shim.client.begin(method, request) for method, request in requests]
    started = [name for name, call in zip(names, _starts(requests, calls), strict=True) if _succeeded(call)]
    assert task.wait() == 137
    ended = [e.id for e in exits(shim, 1 + len(started))]
    assert ended[-1] == "c"
    assert sorted(ended[:-1]) == started
    assert _all_gone(task)


def _starts(requests: list[tuple[str, m.StartRequest]], calls: list[ttrpc.Call]) -> list[ttrpc.Call]:
    return [call for (method, _), call in zip(requests, calls, strict=True) if method == "Start"]


def _succeeded(call: ttrpc.Call) -> bool:
    try:
        call.result(m.StartResponse)
    except RpcError:
        return False
    return True


def _all_gone(task: Container) -> bool:
    return task.state().status == STOPPED and task.delete().exit_status == 137
