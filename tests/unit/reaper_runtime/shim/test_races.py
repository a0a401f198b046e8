"""Races that failpoints make certain: the service behind a real ttrpc server, with real processes."""

from __future__ import annotations

import json
import os
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reaper_runtime.shim.events import Publisher
from reaper_runtime.shim.service import TaskService
from reaper_runtime.wire import messages as m
from reaper_runtime.wire.server import Server
from tests.fakes.failpoints import PREFIX, Failpoint, intercept
from tests.fakes.runtime import eventually, is_alive, needs_root, process_object, turn, write_bundle
from tests.fakes.ttrpc import FakeContainerd, Peer, code, listen, message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from reaper_runtime.exits import Exit, Reaper
    from reaper_runtime.loop import Loop
    from reaper_runtime.pod import Pod
    from reaper_runtime.wire.protobuf import Message

    Run = Callable[..., Any]

TASK = "containerd.task.v3.Task"
KINDS = {
    f"containerd.events.{kind.__name__}": kind
    for kind in (m.TaskCreate, m.TaskStart, m.TaskExit, m.TaskDelete, m.TaskExecAdded, m.TaskExecStarted)
}
NOT_FOUND, FAILED_PRECONDITION = 5, 9
METHODS = sorted(TaskService(None, None, lambda: None).methods())  # type: ignore[arg-type]  # it is asked for names only
PROMPT = ("Connect", "State", "Pids", "Stats")  # what containerd and kubelet ask while something else is going on

pytestmark = needs_root


class Served:
    """A pod behind a server with failpoints, a client, and a containerd that listens to its events."""

    def __init__(self, loop: Loop, pod: Pod, folder: Path) -> None:
        self.loop = loop
        self.pod = pod
        self.folder = folder
        self.containerd = FakeContainerd(loop, folder / "events")
        self.publisher = Publisher(loop, str(folder / "events"), "k8s.io", lambda _line: None)
        self.service = TaskService(pod, self.publisher, lambda: None)
        pod.on_exit = self.service.publish_exit
        self.server: Server
        self.peer: Peer

    def with_failpoints(self, **terms: str) -> Served:
        """Serve, with these terms by method."""
        annotations = {PREFIX + name: text for name, text in terms.items()}
        methods = intercept(self.loop, self.service.methods(), annotations)
        self.server = Server(self.loop, listen(self.folder / "s"), {TASK: methods}, lambda _line: None)
        self.peer = Peer(self.loop, self.folder / "s")
        return self

    async def begin(self, method: str, request: Message) -> int:
        return await self.peer.request(TASK, method, request)

    async def answer(self, stream: int) -> m.Response:
        return await self.peer.answer(stream)

    async def call(self, method: str, request: Message) -> m.Response:
        return await self.peer.call(TASK, method, request)

    def create_request(self, *args: str) -> m.CreateTaskRequest:
        return m.CreateTaskRequest(id="c", bundle=write_bundle(self.folder / "c", *(args or ("/bin/sleep", "60"))))

    async def running(self, *args: str) -> int:
        """A started container, as its pid."""
        pid = await self.created(*args)
        assert code(await self.call("Start", m.StartRequest(id="c"))) == 0
        return pid

    async def created(self, *args: str) -> int:
        """A container that waits to be started, as its pid."""
        answer = await self.call("Create", self.create_request(*args))
        assert code(answer) == 0, message(answer)  # a pid of 0 would be killed as our own process group
        return m.CreateTaskResponse.decode(answer.payload).pid

    def events(self) -> list[Message]:
        """What containerd has heard."""
        bodies = [r.envelope.event for r in self.containerd.received]  # type: ignore[attr-defined]
        return [KINDS[body.type_url].decode(body.value) for body in bodies]

    def names(self) -> list[str]:
        return [type(event).__name__ for event in self.events()]

    def close(self) -> None:
        self.peer.close()
        self.server.close()
        self.containerd.stop()
        if self.publisher._client is not None:
            self.publisher._client.close()


@pytest.fixture
def served(loop: Loop, reaper: Reaper, pod: Pod) -> Iterator[Served]:  # the reaper has to be there
    with tempfile.TemporaryDirectory(prefix="r", dir="/tmp") as folder:
        made = Served(loop, pod, Path(folder))
        yield made
        made.close()


def ended(process: Any) -> int:
    exited: Exit = process.published.result()
    return exited.code


def test_an_exit_between_create_and_start(run: Run, served: Served, loop: Loop) -> None:
    """containerd#9103: Start fails, Wait answers, and the end is told once and without a start."""
    served.with_failpoints()

    async def story() -> None:
        pid = await served.created()
        waiting = await served.begin("Wait", m.WaitRequest(id="c"))
        os.kill(pid, signal.SIGKILL)
        assert m.WaitResponse.decode((await served.answer(waiting)).payload).exit_status == 137
        assert code(await served.call("Start", m.StartRequest(id="c"))) == FAILED_PRECONDITION
        await eventually(loop, lambda: served.names() == ["TaskCreate", "TaskExit"])

    run(story())


@pytest.mark.parametrize("delayed", ["Start", "Delete"])
def test_delete_during_start(run: Run, served: Served, loop: Loop, delayed: str) -> None:
    """Whichever comes first, both are answered, and nothing runs that containerd has forgotten."""
    served.with_failpoints(**{delayed: f"1*after({'Delete' if delayed == 'Start' else 'Start'})"})

    async def story() -> None:
        pid = await served.created()
        starting = await served.begin("Start", m.StartRequest(id="c"))
        deleting = await served.begin("Delete", m.DeleteRequest(id="c"))
        started, deleted = code(await served.answer(starting)), code(await served.answer(deleting))
        if delayed == "Start":
            assert deleted == 0
            # The others where the delete takes longer than the delay: it is dead, or dies, as the program would begin.
            assert started in (NOT_FOUND, FAILED_PRECONDITION, 0)
            await eventually(loop, lambda: not is_alive(pid))
        else:
            assert (started, deleted) == (0, FAILED_PRECONDITION)
            assert is_alive(pid)

    run(story())


def test_delete_in_the_same_moment_as_start(run: Run, served: Served) -> None:
    served.with_failpoints()

    async def story() -> None:
        await served.call("Create", served.create_request())
        calls = [await served.begin("Start", m.StartRequest(id="c"))]
        calls += [await served.begin("Delete", m.DeleteRequest(id="c")) for _ in range(3)]
        assert [code(await served.answer(call)) for call in calls] == [0, *[FAILED_PRECONDITION] * 3]

    run(story())


@pytest.mark.parametrize("delayed", ["Create", "Kill"])
def test_kill_during_create(run: Run, served: Served, delayed: str) -> None:
    """A kill before the container is there is NotFound, never lost in silence; one after it ends it."""
    served.with_failpoints(**{delayed: f"1*after({'Kill' if delayed == 'Create' else 'Create'})"})

    async def story() -> None:
        creating = await served.begin("Create", served.create_request())
        killing = await served.begin("Kill", m.KillRequest(id="c", signal=9))
        created, killed = await served.answer(creating), code(await served.answer(killing))
        if delayed == "Kill" and code(created) != 0:  # a busy machine prepares a process for longer than that
            assert (code(created), killed) == (FAILED_PRECONDITION, 0)
            assert served.pod.containers == {}
            return
        assert code(created) == 0
        if delayed == "Create":
            assert killed == NOT_FOUND
            assert is_alive(m.CreateTaskResponse.decode(created.payload).pid)
        else:
            assert killed == 0
            answer = await served.call("Wait", m.WaitRequest(id="c"))
            assert m.WaitResponse.decode(answer.payload).exit_status == 137

    run(story())


def test_kill_while_create_prepares_the_process(run: Run, served: Served) -> None:
    """Create and Kill in one segment: the process has no pid to signal yet, or has one and dies; never a hang."""
    served.with_failpoints()

    async def story() -> None:
        creating = await served.begin("Create", served.create_request())
        killing = await served.begin("Kill", m.KillRequest(id="c", signal=9))
        created, killed = code(await served.answer(creating)), code(await served.answer(killing))
        assert killed in (0, NOT_FOUND, FAILED_PRECONDITION)
        if created == 0 and killed == 0:
            answer = await served.call("Wait", m.WaitRequest(id="c"))
            assert m.WaitResponse.decode(answer.payload).exit_status == 137
        elif created:
            assert served.pod.containers == {}

    run(story())


@pytest.mark.parametrize("milliseconds", [0, 1, 5, 20])
def test_an_exec_starts_while_init_exits(run: Run, served: Served, loop: Loop, milliseconds: int) -> None:
    """containerd#10589: an exec that was started is reported, and before init; one that was not has no exit."""
    served.with_failpoints(Start=f"1*off->1*delay({milliseconds})")

    async def story() -> None:
        pid = await served.running()
        spec = m.Any(value=json_of("/bin/sleep", "60"))
        assert code(await served.call("Exec", m.ExecProcessRequest(id="c", exec_id="e", spec=spec))) == 0
        starting = await served.begin("Start", m.StartRequest(id="c", exec_id="e"))
        os.kill(pid, signal.SIGKILL)
        started = code(await served.answer(starting)) == 0
        await served.call("Wait", m.WaitRequest(id="c"))
        await eventually(loop, lambda: any(isinstance(e, m.TaskExit) and e.id == "c" for e in served.events()))
        told = [e.id for e in served.events() if isinstance(e, m.TaskExit)]
        assert told == (["e", "c"] if started else ["c"])
        assert ("TaskExecStarted" in served.names()) == started

    run(story())


def json_of(*args: str) -> bytes:
    return json.dumps(process_object(*args)).encode()


def test_containerd_is_gone_between_the_exit_and_its_event(run: Run, served: Served, loop: Loop) -> None:
    """It hears of the end when it is back, once, in order, and Wait has the same code."""
    served.with_failpoints()

    async def story() -> None:
        await served.running("/bin/sh", "-c", "sleep 0.05; exit 23")
        await eventually(loop, lambda: "TaskStart" in served.names())
        served.containerd.stop()
        answer = await served.call("Wait", m.WaitRequest(id="c"))
        assert m.WaitResponse.decode(answer.payload).exit_status == 23
        served.containerd.start()
        assert code(await served.call("Delete", m.DeleteRequest(id="c"))) == 0
        await eventually(loop, lambda: "TaskDelete" in served.names())
        await turn(loop, 0.05)
        assert served.names() == ["TaskCreate", "TaskStart", "TaskExit", "TaskDelete"]
        assert [e.exit_status for e in served.events() if isinstance(e, m.TaskExit)] == [23]

    run(story())


@pytest.mark.parametrize("terms", ["1*error(injected)", "1*panic(injected)"])
@pytest.mark.parametrize("method", METHODS)
def test_a_failure_costs_its_call_only(run: Run, served: Served, method: str, terms: str) -> None:
    """Any method fails, as it should or as nobody thought of: it says so, and the next container is none the worse."""
    served.with_failpoints(**{method: terms})

    async def story() -> None:
        failed = await served.call(method, m.StateRequest(id="c"))
        assert code(failed) != 0
        assert failed.status is not None
        assert "injected" in failed.status.message
        await served.running("/bin/sh", "-c", "exit 5")
        answer = await served.call("Wait", m.WaitRequest(id="c"))
        assert m.WaitResponse.decode(answer.payload).exit_status == 5

    run(story())


@pytest.mark.parametrize("terms", ["1*delay(5)", "1*after({last})"])
@pytest.mark.parametrize("method", METHODS)
def test_a_method_that_takes_its_time_holds_up_no_other(run: Run, served: Served, method: str, terms: str) -> None:
    """ttrpc, server.go: requests are handled at once, and answered in any order. A late answer is the same answer.

    With `after` it is later than all others however slow the machine is; a server of one at a time would hang.
    """
    others = [other for other in PROMPT if other != method]
    slow = {"Create": served.create_request()}.get(method, m.StateRequest(id="c"))
    served.with_failpoints(**{method: terms.format(last=others[-1])})

    async def story() -> None:
        delayed = await served.begin(method, slow)
        answered = [f"{other} {code(await served.call(other, m.StateRequest(id='nobody')))}" for other in others]
        assert answered == [f"{other} {0 if other == 'Connect' else NOT_FOUND}" for other in others]
        late = await served.answer(delayed)
        assert code(late) == (0 if method in ("Connect", "Create", "Shutdown") else NOT_FOUND), message(late)

    run(story())


@pytest.mark.parametrize(
    ("text", "actions"),
    [
        ("off", ["off", "off", "off"]),
        ("1*error(x)", ["error", "off", "off"]),
        ("1*off->1*error(x)", ["off", "error", "off"]),
        ("2*delay(1)->panic(y)", ["delay", "delay", "panic"]),
        ("0*off->error(x)", ["error", "error", "error"]),
    ],
)
def test_terms_are_used_up_in_order(text: str, actions: list[str]) -> None:
    failpoint = Failpoint(text)
    assert [failpoint.next().action for _ in actions] == actions


@pytest.mark.parametrize("text", ["", "x", "1*", "error(x", "delay()", "delay(soon)", "1*off>error(x)"])
def test_what_is_no_term_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Failpoint(text)
