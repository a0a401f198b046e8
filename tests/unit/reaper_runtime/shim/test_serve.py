"""The shim as a whole: it ends when nobody needs it any more, and not before."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from reaper_runtime.errors import AlreadyExists
from reaper_runtime.host.cgroup import cgroup
from reaper_runtime.loop import Future
from reaper_runtime.shim import serve, sockets
from reaper_runtime.shim.launch import Launch
from reaper_runtime.shim.log import Log
from reaper_runtime.state import Mark, PodState
from reaper_runtime.task import TaskProcess
from reaper_runtime.wire import messages as m
from reaper_runtime.wire.messages import CreateTaskRequest
from tests.fakes.runtime import run_in, write_sandbox
from tests.fakes.ttrpc import Peer, code, listen, message

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.usefixtures("reaper")


@pytest.fixture
def shim(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[serve.Shim]:
    monkeypatch.setattr(serve, "IDLE_SECONDS", 0.01)
    launch = Launch(container="c", namespace="ns", address="", ttrpc_address="", bundle=str(tmp_path), bootstrap=b"")
    state = PodState("ns", f"pod-{os.getpid()}", str(tmp_path / "state"))
    log = Log(str(tmp_path))
    made = serve.Shim(launch, listen(tmp_path / "s"), state, log, serve.note(state, str(tmp_path / "s"), log))
    yield made
    made._server.close()
    made._loop.close()


def test_a_shim_that_nobody_needs_ends_and_takes_its_socket_along(shim: serve.Shim, tmp_path: Path) -> None:
    whose = {"namespace": "default", "pod": "hello", "pod_uid": "pod-1", "task": "hello", "overlay": ""}
    shim._pod.state.task.write(TaskProcess(4711, 5, **whose))
    shim.serve()
    assert not (tmp_path / "s").exists()
    assert list((tmp_path / "tasks").iterdir()) == []


def test_a_shim_to_which_somebody_is_connected_waits_a_look_longer_for_a_container(
    shim: serve.Shim, tmp_path: Path
) -> None:
    looks: list[bool] = []
    look = shim._check_idle

    def noted(*, was_idle: bool = False) -> None:
        looks.append(was_idle)
        look(was_idle=was_idle)

    shim._check_idle = noted  # type: ignore[method-assign]
    client = Peer(shim._loop, tmp_path / "s")
    shim.serve()
    client.close()
    assert looks == [False, True]


def test_a_shim_that_ends_leaves_the_socket_of_its_successor(shim: serve.Shim, tmp_path: Path) -> None:
    (tmp_path / "s").unlink()
    successor = listen(tmp_path / "s")
    shim.serve()
    assert sockets.is_served(str(tmp_path / "s"))
    successor.close()


def test_a_shim_that_ends_leaves_what_its_successor_has_noted(shim: serve.Shim) -> None:
    """A pod of the same id was started between its last look and its end."""
    state = shim._pod.state
    state.mark(Mark(4711, 5))
    whose = {"namespace": "default", "pod": "hello", "pod_uid": "pod-2", "task": "hello", "overlay": ""}
    state.task.write(TaskProcess(4712, 6, **whose))
    shim.serve()
    assert state.holds(Mark(4711, 5))
    assert Path(state.task._path).exists()


def test_the_id_of_another_containerds_pod_is_refused_and_that_pod_keeps_its_mark(tmp_path: Path) -> None:
    """They would have one cgroup, and the end of one would kill the other's processes."""
    state = PodState("ns", "pod", str(tmp_path / "state"))
    theirs = Mark.of_this_process(["/a/cgroup"], "/run/containerd/s/theirs")
    state.mark(theirs)
    with pytest.raises(AlreadyExists, match=r"pod pod of namespace ns runs on node .* for another containerd"):
        serve.note(state, "/run/containerd/s/ours", Log(str(tmp_path)))
    assert state.holds(theirs)


@pytest.mark.parametrize(
    ("start_time", "socket"),
    [(1, "/run/containerd/s/theirs"), (0, "/run/other-place/ours"), (0, "")],
    ids=["of a dead shim", "of this containerd with another directory", "of an older runtime"],
)
def test_any_other_mark_is_replaced(tmp_path: Path, start_time: int, socket: str) -> None:
    state = PodState("ns", "pod", str(tmp_path / "state"))
    living = Mark.of_this_process(())
    state.mark(Mark(living.pid, start_time or living.start_time, (), socket))
    assert serve.note(state, "/run/containerd/s/ours", Log(str(tmp_path))) is not None
    noted = state.marked()
    assert noted is not None
    assert noted.socket == "/run/containerd/s/ours"


def test_a_shim_that_is_ending_takes_no_container_and_no_connection(
    shim: serve.Shim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "FLUSH_SECONDS", 60.0)
    shim._publisher._idle = Future()  # an event waits for a containerd that is down

    async def story() -> None:
        client = Peer(shim._loop, tmp_path / "s")
        for _ in range(2):
            assert code(await client.call(serve.SERVICES[1], "Shutdown", m.ShutdownRequest(id="c"))) == 0
        assert not (tmp_path / "s").exists()
        refused = await client.call(serve.SERVICES[1], "Create", m.CreateTaskRequest(id="c", bundle=str(tmp_path)))
        assert (code(refused), message(refused)) == (14, "this shim is shutting down")
        assert shim._pod.containers == {}
        client.close()

    run_in(shim._loop, story())
    shim._publisher._idle.set()
    shim.serve()


def test_nothing_of_its_name_is_left_when_shutdown_is_answered(
    shim: serve.Shim, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(serve, "FLUSH_SECONDS", 60.0)
    shim._publisher._idle = Future()  # it is there until the story is over
    places = cgroup.places(*shim._pod.names)
    assert serve.note(shim._pod.state, str(tmp_path / "s"), shim._log)
    cgroup.prepare(*shim._pod.names)
    mark = shim._pod.state.marked()
    assert mark is not None
    assert (mark.pid, mark.cgroups, mark.socket) == (os.getpid(), tuple(places), str(tmp_path / "s"))
    if any(map(os.access, places, [os.W_OK] * len(places))):
        assert all(map(os.path.isdir, places))

    async def story() -> None:
        client = Peer(shim._loop, tmp_path / "s")
        assert code(await client.call(serve.SERVICES[1], "Shutdown", m.ShutdownRequest(id="c"))) == 0
        assert not any(map(os.path.exists, [*places, shim._pod.state.path]))
        client.close()

    run_in(shim._loop, story())
    shim._publisher._idle.set()
    shim.serve()


def test_a_state_that_cannot_be_written_is_said_in_the_log(shim: serve.Shim, tmp_path: Path) -> None:
    assert shim._mark is not None
    shim._pod.state.take_back(shim._mark)
    (tmp_path / "state" / "ns").rmdir()
    (tmp_path / "state").rmdir()
    (tmp_path / "state").write_text("not a folder")
    shim._log.copy_to(str(tmp_path / "log"))
    assert not serve.note(shim._pod.state, str(tmp_path / "s"), shim._log)
    assert "cannot be written: File exists" in (tmp_path / "log").read_text()


def test_it_stays_while_it_has_a_container_and_ends_after_the_last(shim: serve.Shim) -> None:
    steps: list[str] = []
    shim._pod.containers["c"] = object()  # type: ignore[assignment]

    def forget() -> None:
        steps.append("the last container goes")
        shim._pod.containers.clear()

    shim._loop.call_later(0.05, forget)
    shim.serve()
    assert steps == ["the last container goes"]


def test_a_log_that_is_missing_full_or_given_odd_text_harms_nobody(tmp_path: Path) -> None:
    Log(str(tmp_path / "none")).error("lost")
    os.mkfifo(tmp_path / "log")
    log = Log(str(tmp_path), id="c")
    log.warn('a "quoted"\nline \ud800')
    line = os.read(log._fds[0], 4096).decode()
    assert line.endswith('level=warning msg="a \\"quoted\\"\\nline \\ud800" id=c runtime=io.containerd.reaper.v2\n')
    for _ in range(1000):
        log.error("x" * 200)
    os.close(log._fds[0])


def test_the_log_goes_to_a_file_too_where_an_administrator_wants_it(tmp_path: Path) -> None:
    log = Log(str(tmp_path), id="c")
    log.copy_to(str(tmp_path / "file"))
    log.error("lost")
    assert (tmp_path / "file").read_text().endswith(" level=error msg=lost id=c runtime=io.containerd.reaper.v2\n")
    log.copy_to(str(tmp_path / "none" / "file"))
    assert "cannot be opened: correct REAPER_SHIM_LOG" in (tmp_path / "file").read_text()


def _launch(bundle: Path, **settings: str) -> Launch:
    told = "".join(f"{name}={value}\0" for name, value in settings.items())
    return Launch(
        container="c", namespace="ns", address="", ttrpc_address="", bundle=str(bundle), bootstrap=b"", settings=told
    )


def test_the_configuration_comes_with_the_launch(tmp_path: Path) -> None:
    launch = _launch(
        tmp_path, REAPER_DNS_MODE="kubernetes", REAPER_SHIM_LOG=str(tmp_path / "file"), REAPER_OVERLAY_NS="x"
    )
    config, refusal = serve._configuration(launch, Log(str(tmp_path)))
    assert (config.dns_mode, refusal) == ("kubernetes", None)
    assert "REAPER_OVERLAY_NS has no meaning" in (tmp_path / "file").read_text()


def test_a_wrong_configuration_refuses_every_container_of_the_pod(tmp_path: Path) -> None:
    launch = _launch(tmp_path, REAPER_DNS_MODE="none")
    state, log = PodState("ns", "pod", str(tmp_path)), Log(str(tmp_path))
    made = serve.Shim(launch, listen(tmp_path / "s2"), state, log, None)
    client = Peer(made._loop, tmp_path / "s2")
    request = CreateTaskRequest(id="c", bundle=write_sandbox(tmp_path / "b"))
    answer = run_in(made._loop, client.call(serve.SERVICES[0], "Create", request))
    assert code(answer) == 9
    assert message(answer) == ("the environment: REAPER_DNS_MODE=none is not valid: it takes host or kubernetes or k8s")
    client.close()
    made._server.close()
    made._loop.close()
