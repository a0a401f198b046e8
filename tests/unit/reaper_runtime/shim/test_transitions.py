"""The shim's transition table: each verb in each state, and any sequence of verbs, with real processes."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reaper_runtime.errors import ReaperError
from reaper_runtime.shim.events import Publisher
from reaper_runtime.shim.service import TaskService
from reaper_runtime.wire import messages as m
from tests.fakes.runtime import needs_root, turn, write_bundle

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from reaper_runtime.loop import Loop
    from reaper_runtime.pod import Pod

    Run = Callable[..., Any]

pytestmark = needs_root

NOT_FOUND, EXISTS, PRECONDITION, UNIMPLEMENTED = 5, 6, 9, 12
WAITS = -1  # no code: there is no answer before the process has ended
NONE, CREATED, RUNNING, PAUSED, STOPPED, DELETED = "none", "created", "running", "paused", "stopped", "deleted"
ALWAYS = dict.fromkeys(("connect", "shutdown"), 0)  # containerd asks for them at any time

Row = dict[str, tuple[int, str]]


def _row(state: str, otherwise: int, moves: Row | None = None, /, **codes: int) -> Row:
    """What each verb answers in a state: a move, or a code that leaves it where it is."""
    return {verb: (codes.get(verb, otherwise), state) for verb in VERBS} | (moves or {})


VERBS = (
    "close_io", "connect", "create", "delete", "exec", "kill", "pause", "pids", "resize_pty", "resume", "shutdown",
    "start", "state", "stats", "update", "wait",
)  # fmt: skip
ASKED = dict.fromkeys(("close_io", "pids", "state", "stats"), 0)
# (state, verb): the code of the answer, 0 for success, and the state after it.
TABLE = {
    NONE: _row(NONE, NOT_FOUND, {"create": (0, CREATED)}, **ALWAYS),
    CREATED: _row(
        CREATED, PRECONDITION, {"start": (0, RUNNING), "kill": (0, STOPPED), "delete": (0, DELETED)},
        create=EXISTS, wait=WAITS, **ASKED, **ALWAYS,
    ),
    RUNNING: _row(
        RUNNING, PRECONDITION, {"kill": (0, STOPPED), "pause": (0, PAUSED)},
        create=EXISTS, exec=0, resume=0, wait=WAITS, **ASKED, **ALWAYS,
    ),
    PAUSED: _row(
        PAUSED, PRECONDITION, {"kill": (0, STOPPED), "resume": (0, RUNNING)},
        create=EXISTS, pause=0, wait=WAITS, **ASKED, **ALWAYS,
    ),
    STOPPED: _row(
        STOPPED, PRECONDITION, {"delete": (0, DELETED)}, create=EXISTS, kill=NOT_FOUND, wait=0, **ASKED, **ALWAYS
    ),
    DELETED: _row(
        DELETED, NOT_FOUND, {"create": (0, CREATED)}, delete=0, **ALWAYS  # delete: asked again, the same answer
    ),
}  # fmt: skip
WAY = {
    NONE: (), CREATED: ("create",), RUNNING: ("create", "start"), PAUSED: ("create", "start", "pause"),
    STOPPED: ("create", "start", "kill"), DELETED: ("create", "start", "kill", "delete"),
}  # fmt: skip
# The same of an exec, in a container that runs. What it has of its own are the calls with an exec_id.
EXEC_VERBS = ("close_io", "delete", "exec", "kill", "resize_pty", "start", "state", "wait")
EXEC_TABLE: dict[str, Row] = {
    NONE: {**dict.fromkeys(EXEC_VERBS, (NOT_FOUND, NONE)), "exec": (0, CREATED)},
    CREATED: {
        "close_io": (0, CREATED), "delete": (0, DELETED), "exec": (EXISTS, CREATED), "kill": (0, STOPPED),
        "resize_pty": (PRECONDITION, CREATED), "start": (0, RUNNING), "state": (0, CREATED), "wait": (WAITS, CREATED),
    },
    RUNNING: {
        "close_io": (0, RUNNING), "delete": (PRECONDITION, RUNNING), "exec": (EXISTS, RUNNING), "kill": (0, STOPPED),
        "resize_pty": (PRECONDITION, RUNNING), "start": (PRECONDITION, RUNNING), "state": (0, RUNNING),
        "wait": (WAITS, RUNNING),
    },
    STOPPED: {
        "close_io": (0, STOPPED), "delete": (0, DELETED), "exec": (EXISTS, STOPPED), "kill": (NOT_FOUND, STOPPED),
        "resize_pty": (PRECONDITION, STOPPED), "start": (PRECONDITION, STOPPED), "state": (0, STOPPED),
        "wait": (0, STOPPED),
    },
    DELETED: {
        **dict.fromkeys(EXEC_VERBS, (NOT_FOUND, DELETED)), "exec": (0, CREATED), "delete": (0, DELETED),
    },
}  # fmt: skip
EXEC_WAY = {
    NONE: (), CREATED: ("exec",), RUNNING: ("exec", "start"), STOPPED: ("exec", "start", "kill"),
    DELETED: ("exec", "start", "kill", "delete"),
}  # fmt: skip
STATUS = {CREATED: 1, RUNNING: 2, STOPPED: 3, PAUSED: 4}
_ids = itertools.count()


class Calls:
    """The verbs, on one container id, or with an exec_id on one exec of it."""

    def __init__(self, service: TaskService, loop: Loop, bundle: str, container: str = "", exec_id: str = "") -> None:
        self.service = service
        self.id = container or f"c{next(_ids)}"
        self.exec_id = exec_id
        self.bundle = bundle
        self._loop = loop
        self._execs = itertools.count()

    async def code(self, verb: str) -> int:
        """Call it; the code of the answer, or WAITS where there is none as long as nothing happens."""
        answer = self._loop.spawn(getattr(self, verb)())
        if verb == "wait":
            await turn(self._loop)
            if not answer.done:
                return WAITS
        try:
            await answer
        except ReaperError as error:
            return error.ttrpc_code
        return 0

    async def create(self) -> None:
        await self.service.create(m.CreateTaskRequest(id=self.id, bundle=self.bundle))

    async def start(self) -> None:
        await self.service.start(m.StartRequest(id=self.id, exec_id=self.exec_id))

    async def kill(self) -> None:
        await self.service.kill(m.KillRequest(id=self.id, exec_id=self.exec_id, signal=9))
        await self.wait()

    async def wait(self) -> None:
        assert (await self.service.wait(m.WaitRequest(id=self.id, exec_id=self.exec_id))).exit_status == 137

    async def delete(self) -> None:
        answer = await self.service.delete(m.DeleteRequest(id=self.id, exec_id=self.exec_id))
        assert answer.exit_status == 137

    async def exec(self) -> None:
        spec = m.Any(value=b'{"args": ["/bin/sleep", "60"], "cwd": "/"}')
        exec_id = self.exec_id or f"e{next(self._execs)}"
        await self.service.exec(m.ExecProcessRequest(id=self.id, exec_id=exec_id, spec=spec))

    async def pids(self) -> None:
        assert (await self.service.pids(m.PidsRequest(id=self.id))).processes != []

    async def state(self) -> m.StateResponse:
        return await self.service.state(m.StateRequest(id=self.id, exec_id=self.exec_id))

    async def resize_pty(self) -> None:
        await self.service.resize_pty(m.ResizePtyRequest(id=self.id, exec_id=self.exec_id, width=80, height=24))

    async def close_io(self) -> None:
        await self.service.close_io(m.CloseIORequest(id=self.id, exec_id=self.exec_id, stdin=True))

    async def stats(self) -> None:
        assert (await self.service.stats(m.StatsRequest(id=self.id))).stats is not None

    async def update(self) -> None:
        await self.service.update(m.UpdateTaskRequest(id=self.id, resources=m.Any(value=b'{"pids": {"limit": 9}}')))

    async def pause(self) -> None:
        await self.service.pause(m.PauseRequest(id=self.id))

    async def resume(self) -> None:
        await self.service.resume(m.ResumeRequest(id=self.id))

    async def connect(self) -> None:
        assert (await self.service.connect(m.ConnectRequest(id=self.id))).shim_pid == os.getpid()

    async def shutdown(self) -> None:
        await self.service.shutdown(m.ShutdownRequest(id=self.id))


class Story:
    """Calls one after the other, each compared with a table."""

    def __init__(self, calls: Calls, pod: Pod, table: dict[str, Row]) -> None:
        self.state = NONE
        self._calls = calls
        self._pod = pod
        self._table = table

    async def step(self, verb: str) -> None:
        """One call: its answer, and the state after it."""
        code, after = self._expected(verb)
        assert (verb, await self._calls.code(verb)) == (verb, code), f"{verb} in {self.state}"
        self.state = after
        if after in STATUS:
            assert (await self._calls.state()).status == STATUS[after], f"after {verb}"
        elif not self._calls.exec_id:
            assert self._calls.id not in self._pod.containers

    def _expected(self, verb: str) -> tuple[int, str]:
        """The table's, or on a node whose cgroups cannot be written: nothing can be paused there."""
        freezes = self.state == RUNNING and verb in ("pause", "resume")
        if freezes and self._pod.containers[self._calls.id].tracking.cgroup is None:
            return UNIMPLEMENTED, RUNNING
        return self._table[self.state][verb]


@pytest.fixture
def shutdowns() -> list[str]:
    """One entry for each time that the shim would have ended."""
    return []


@pytest.fixture
def calls(loop: Loop, pod: Pod, tmp_path: Path, shutdowns: list[str]) -> Calls:
    service = TaskService(pod, Publisher(loop, "", "k8s.io", lambda _line: None), lambda: shutdowns.append("ended"))
    return Calls(service, loop, write_bundle(tmp_path / "bundle", "/bin/sleep", "60"))


def test_the_table_has_every_pair(calls: Calls) -> None:
    methods = {handler.__name__ for _, handler in calls.service.methods().values()}
    assert methods == set(VERBS)
    assert all(set(row) == methods for row in TABLE.values())
    assert all(set(row) == set(EXEC_VERBS) for row in EXEC_TABLE.values())


def test_the_exec_verbs_are_those_that_have_an_exec_id(calls: Calls) -> None:
    asked = {handler.__name__ for kind, handler in calls.service.methods().values() if hasattr(kind(), "exec_id")}
    assert asked == set(EXEC_VERBS)


@pytest.mark.parametrize(("state", "verb"), list(itertools.product(TABLE, VERBS)))
def test_each_verb_in_each_state(run: Run, pod: Pod, calls: Calls, shutdowns: list[str], state: str, verb: str) -> None:
    """The whole table: the state is made by the shortest way, then the verb is called once."""
    story = Story(calls, pod, TABLE)

    async def told() -> None:
        for step in WAY[state]:
            await story.step(step)
        if story.state != state:
            pytest.skip("this node has no cgroup that can be written: nothing can be paused")
        await story.step(verb)

    run(told())
    ends = verb == "shutdown" and state in (NONE, DELETED)
    assert shutdowns == ["ended"] * ends, "the shim ends when it is asked to and has no container, and never else"


@pytest.mark.parametrize(("state", "verb"), list(itertools.product(EXEC_TABLE, EXEC_VERBS)))
def test_each_verb_in_each_state_of_an_exec(
    run: Run, loop: Loop, pod: Pod, calls: Calls, state: str, verb: str
) -> None:
    """The same for a process that exec added, whose container goes on."""
    story = Story(Calls(calls.service, loop, "", calls.id, "x"), pod, EXEC_TABLE)

    async def told() -> None:
        for step in ("create", "start"):
            assert await calls.code(step) == 0
        for step in (*EXEC_WAY[state], verb):
            await story.step(step)
        assert (await calls.state()).status == STATUS[RUNNING]

    run(told())


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(verbs=st.lists(st.sampled_from(VERBS), min_size=1, max_size=12))
def test_any_sequence_of_calls_goes_as_the_table_says(
    run: Run, loop: Loop, pod: Pod, calls: Calls, verbs: list[str]
) -> None:
    calls = Calls(calls.service, loop, calls.bundle)  # a new id: the fixtures are the same for all examples

    async def told() -> None:
        story = Story(calls, pod, TABLE)
        for verb in verbs:
            await story.step(verb)
        for verb in ("kill", "delete"):
            await calls.code(verb)
        assert pod.containers == {}

    run(told())
