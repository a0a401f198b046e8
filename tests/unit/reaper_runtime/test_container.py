"""A container: every state with every verb, and its execs."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from reaper_runtime.errors import AlreadyExists, FailedPrecondition, InvalidArgument, NotFound, ReaperError, Unavailable
from reaper_runtime.oci import bundle
from reaper_runtime.process import CREATED, RUNNING, STOPPED
from tests.fakes.containers import NOWHERE, SLEEP, exit_code, start_exec
from tests.fakes.runtime import Reader, few_descriptors, is_alive, needs_root, open_fds, shell, spec, write_bundle

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from reaper_runtime.container import Container
    from reaper_runtime.host.stdio import StdioPaths
    from reaper_runtime.loop import Loop
    from reaper_runtime.pod import Pod

    Run = Callable[..., Any]
    Make = Callable[..., Awaitable[Container]]

pytestmark = needs_root

EXPECTED: dict[tuple[str, str], type[ReaperError] | None] = {
    (CREATED, "start"): None,
    (CREATED, "kill"): None,
    (CREATED, "exec"): FailedPrecondition,
    (CREATED, "pids"): None,
    (CREATED, "delete"): None,
    (RUNNING, "start"): FailedPrecondition,
    (RUNNING, "kill"): None,
    (RUNNING, "exec"): None,
    (RUNNING, "pids"): None,
    (RUNNING, "delete"): FailedPrecondition,
    (STOPPED, "start"): FailedPrecondition,
    (STOPPED, "kill"): NotFound,
    (STOPPED, "exec"): FailedPrecondition,
    (STOPPED, "pids"): None,
    (STOPPED, "delete"): None,
}


@pytest.mark.parametrize(("state", "verb"), sorted(EXPECTED))
def test_every_verb_in_every_state(run: Run, make: Make, state: str, verb: str) -> None:
    async def act(container: Container) -> None:
        if verb == "start":
            await container.start("", lambda _pid: None)
        elif verb == "kill":
            container.kill("", signal.SIGKILL, everything=False)
        elif verb == "exec":
            await container.add_exec("x", spec(*SLEEP), NOWHERE)
        elif verb == "pids":
            assert container.pids() == [container.init.pid]
        else:
            await container.delete("")

    async def story() -> None:
        container = await make(state=state)
        refusal = EXPECTED[state, verb]
        if refusal is None:
            await act(container)
        else:
            with pytest.raises(refusal, match=f"container one (is|has) {state}|container one has finished already"):
                await act(container)
            assert container.init.status == state

    run(story())


@pytest.mark.parametrize("code", [0, 1, 42, 255])
def test_the_exit_code_is_that_of_the_program(
    run: Run, make: Make, exits: list[tuple[str, str, int]], code: int
) -> None:
    async def story() -> None:
        container = await make("/bin/sh", "-c", f"exit {code}")
        assert await exit_code(container) == code
        assert (await container.delete(""))[1].code == code

    run(story())
    assert exits == [("one", "", code)]


def test_the_start_is_heard_of_before_the_end(
    run: Run, pod: Pod, tmp_path: Path, exits: list[tuple[str, str, int]]
) -> None:
    async def story() -> None:
        loaded = bundle.load(write_bundle(tmp_path / "one", "/bin/true"))
        container = await pod.create("one", loaded, NOWHERE)
        heard: list[int] = []
        await container.start("", lambda _pid: heard.append(len(exits)))
        await container.init.published
        assert heard == [0]

    run(story())
    assert exits == [("one", "", 0)]


def test_a_failed_start_is_no_exit(run: Run, make: Make, exits: list[tuple[str, str, int]]) -> None:
    async def story() -> None:
        container = await make("/no/such/program", state=CREATED)
        with pytest.raises(FailedPrecondition, match="/no/such/program"):
            await container.start("", lambda _pid: pytest.fail("it was started"))
        await container.delete("")

    run(story())
    assert exits == []


def test_an_exec_lives_its_own_life(run: Run, make: Make, exits: list[tuple[str, str, int]]) -> None:
    async def story() -> None:
        container = await make()
        await start_exec(container, "x", shell("exit 7"))
        assert await exit_code(container, "x") == 7
        pid, ended = await container.delete("x")
        assert pid > 0
        assert ended.code == 7
        with pytest.raises(NotFound, match="no exec 'x'"):
            container.process("x")
        await start_exec(container, "x", shell("exit 8"))
        assert await exit_code(container, "x") == 8
        assert container.init.status == RUNNING

    run(story())
    assert exits == [("one", "x", 7), ("one", "x", 8)]


def test_an_exec_id_in_use_is_refused(run: Run, make: Make) -> None:
    async def story() -> None:
        container = await make()
        pid = await start_exec(container, "x")
        with pytest.raises(FailedPrecondition, match="exec x of container one is running, and cannot be started"):
            await container.start("x", lambda _pid: pytest.fail("it was started"))
        with pytest.raises(FailedPrecondition, match="exec x of container one is running: kill it before"):
            await container.delete("x")
        with pytest.raises(AlreadyExists):
            await start_exec(container, "x")
        assert is_alive(pid)

    run(story())


@pytest.mark.parametrize("exec_id", ["../x", "a:b", "x~"])
def test_an_exec_id_that_is_no_file_name_is_refused(run: Run, make: Make, exec_id: str) -> None:
    async def story() -> None:
        container = await make()
        with pytest.raises(InvalidArgument):
            await start_exec(container, exec_id)

    run(story())


def test_a_process_on_a_terminal_leaves_no_descriptor(run: Run, make: Make) -> None:
    async def story() -> None:
        container = await make()
        before = open_fds()
        await start_exec(container, "x", spec("/bin/sh", "-c", "test -t 0 && test -t 1 && test -t 2", terminal=True))
        container.process("x").resize(100, 40)
        assert await exit_code(container, "x") == 0
        await container.delete("x")
        assert open_fds() == before

    run(story())


def test_a_process_without_a_terminal_has_no_size(run: Run, make: Make) -> None:
    async def story() -> None:
        container = await make()
        with pytest.raises(FailedPrecondition, match="no terminal to resize to 80x24"):
            container.process("").resize(80, 24)

    run(story())


def test_an_exec_that_cannot_be_prepared_leaves_nothing(run: Run, make: Make, pod: Pod) -> None:
    async def story() -> None:
        container = await make()
        before = open_fds()
        with pytest.raises(FailedPrecondition, match="/no/such/place"):
            await start_exec(container, "x", spec("/bin/true", cwd="/no/such/place"))
        assert (container.execs, container.exec_stdio) == ({}, {})
        assert [record.name for record in pod.state.records()] == ["one"]
        assert open_fds() == before

    run(story())


@pytest.mark.parametrize("spare", range(16))
def test_an_exec_for_which_the_node_lacks_a_descriptor_leaves_none(
    run: Run, make: Make, fifos: StdioPaths, spare: int
) -> None:
    """Wherever it fails: at its streams, at the namespaces that it enters, at its fork."""

    async def story() -> None:
        container = await make()
        before = open_fds()
        with few_descriptors(spare), pytest.raises((FailedPrecondition, Unavailable), match="Too many open files"):
            await container.add_exec("x", spec(*SLEEP), fifos)
        assert (container.execs, container.exec_stdio) == ({}, {})
        assert open_fds() == before

    run(story())


def test_what_a_container_discards_an_exec_of_it_does_not(
    run: Run, pod: Pod, loop: Loop, fifos: StdioPaths, tmp_path: Path
) -> None:
    annotations = {"reaper.runtime/stdout": "discard", "reaper.runtime/stderr": "discard"}
    loaded = bundle.load(write_bundle(tmp_path / "one", *SLEEP, annotations=annotations))
    out, err = (Reader(loop, Path(path)) for path in (fifos.stdout, fifos.stderr))

    async def story() -> None:
        container = await pod.create("one", loaded, NOWHERE)
        await container.start("", lambda _pid: None)
        await container.add_exec("x", shell("echo said; echo warned >&2"), fifos)
        await container.start("x", lambda _pid: None)
        assert await exit_code(container, "x") == 0
        await container.delete("x")
        await out.ended
        await err.ended

    run(story())
    assert (out.data, err.data) == (b"said\n", b"warned\n")
    out.close()
    err.close()


def test_an_exec_that_was_never_started_can_be_deleted(run: Run, make: Make) -> None:
    async def story() -> None:
        container = await make()
        pid = await start_exec(container, "x", start=False)
        assert (await container.delete("x"))[1].code == 137
        assert not is_alive(pid)

    run(story())


def test_an_exec_killed_before_its_start_cannot_be_started(run: Run, make: Make) -> None:
    async def story() -> None:
        container = await make()
        await start_exec(container, "x", start=False)
        container.kill("x", signal.SIGKILL, everything=False)
        await container.process("x").ended
        with pytest.raises(FailedPrecondition):
            await container.start("x", lambda _pid: pytest.fail("it was started"))
        assert await exit_code(container, "x") == 137

    run(story())


TOLD = {
    "reaper.runtime/task": "hello",
    "io.kubernetes.cri.container-name": "task",
    "io.kubernetes.cri.sandbox-namespace": "default",
    "io.kubernetes.cri.sandbox-name": "hello-2",
    "io.kubernetes.cri.sandbox-uid": "pod-2",
}


def tasks(tmp_path: Path) -> list[Path]:
    """What the node agent would read."""
    return sorted((tmp_path / "tasks").glob("*"))


def test_the_node_agent_is_told_of_a_tasks_process(run: Run, pod: Pod, tmp_path: Path) -> None:
    async def story() -> int:
        loaded = bundle.load(write_bundle(tmp_path / "one", *SLEEP, annotations=TOLD))
        container = await pod.create("one", loaded, NOWHERE)
        assert tasks(tmp_path) == []  # nothing of it runs yet
        return await container.start("", lambda _pid: None)

    pid = run(story())
    (told,) = tasks(tmp_path)
    lines = dict(line.split(" ", 1) for line in told.read_text().splitlines())
    assert (lines["pid"], lines["task"], lines["pod"], lines["pod_uid"]) == (str(pid), "hello", "hello-2", "pod-2")
    assert (lines["namespace"], lines["overlay"]) == ("default", "")


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("reaper.runtime/task", "No Name"),
        ("io.kubernetes.cri.container-name", "sidecar"),
        ("io.kubernetes.cri.sandbox-uid", ""),
    ],
)
def test_nobody_is_told_of_a_process_that_is_no_tasks(
    run: Run, pod: Pod, tmp_path: Path, name: str, value: str
) -> None:
    async def story() -> None:
        loaded = bundle.load(write_bundle(tmp_path / "one", *SLEEP, annotations=TOLD | {name: value}))
        await (await pod.create("one", loaded, NOWHERE)).start("", lambda _pid: None)

    run(story())
    assert tasks(tmp_path) == []


def test_a_task_runs_although_the_node_agent_cannot_be_told(run: Run, pod: Pod, tmp_path: Path) -> None:
    said: list[str] = []
    pod.warn = said.append
    (tmp_path / "tasks").write_text("a file in the way")

    async def story() -> Container:
        loaded = bundle.load(write_bundle(tmp_path / "one", *SLEEP, annotations=TOLD))
        container = await pod.create("one", loaded, NOWHERE)
        await container.start("", lambda _pid: None)
        return container

    assert run(story()).init.status == RUNNING
    assert len(said) == 1
    assert said[0].startswith("the node agent is not told of pid ")
