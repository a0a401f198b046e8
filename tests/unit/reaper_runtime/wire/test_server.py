"""The ttrpc server: bad input costs one call or one connection, never the server; nobody waits for another."""

from __future__ import annotations

import os
import resource
import socket
import struct
from typing import TYPE_CHECKING, Any

import pytest

from reaper_runtime.errors import FailedPrecondition, NotFound
from reaper_runtime.loop import Future, Loop
from reaper_runtime.wire.messages import Empty, Request, Response, StateRequest, StateResponse
from reaper_runtime.wire.server import Server, peer
from reaper_runtime.wire.ttrpc import MAX_MESSAGE, REQUEST, RESPONSE, encode_frame
from tests.fakes.runtime import eventually, needs_root, open_fds
from tests.fakes.ttrpc import Peer, code, listen, message

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from reaper_runtime.wire.protobuf import Message

    Run = Callable[..., Any]

S = "test.Service"


class Handlers:
    """What the server under test serves; `gate` holds up Wait until a test sets it."""

    def __init__(self) -> None:
        self.gate = Future()

    async def echo(self, request: Message) -> Message:
        assert isinstance(request, StateRequest)
        return StateResponse(id=request.id)

    async def wait(self, _request: Message) -> Message:
        await self.gate
        return StateResponse(id="waited")

    async def refuse(self, _request: Message) -> Message:
        raise FailedPrecondition("it is running")

    async def refuse_at_length(self, _request: Message) -> Message:
        raise NotFound("\ud800" + "x" * (2 * MAX_MESSAGE))

    async def defect(self, _request: Message) -> Message:
        raise KeyError("oops")

    async def too_much(self, _request: Message) -> Message:
        return StateResponse(id="x" * (MAX_MESSAGE + 1))

    def methods(self) -> dict[str, Any]:
        names = ("echo", "wait", "refuse", "refuse_at_length", "defect", "too_much")
        return {name: (StateRequest, getattr(self, name)) for name in names}


@pytest.fixture
def handlers() -> Handlers:
    return Handlers()


@pytest.fixture
def log() -> list[str]:
    return []


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "s"


@pytest.fixture
def server(loop: Loop, path: Path, handlers: Handlers, log: list[str]) -> Iterator[Server]:
    made = Server(loop, listen(path), {S: handlers.methods()}, log.append)
    yield made
    made.close()


@pytest.fixture
def client(server: Server, loop: Loop, path: Path) -> Iterator[Peer]:
    made = Peer(loop, path)
    yield made
    made.close()


async def _works(client: Peer) -> bool:
    """Whether the connection still serves."""
    client._stream += 1000
    response = await client.call(S, "echo", StateRequest(id="still here"))
    return StateResponse.decode(response.payload).id == "still here"


def test_a_request_is_answered(client: Peer, run: Run) -> None:
    response = run(client.call(S, "echo", StateRequest(id="abc")))
    assert (code(response), StateResponse.decode(response.payload)) == (0, StateResponse(id="abc"))


def test_a_request_that_arrives_byte_by_byte_is_answered(client: Peer, run: Run) -> None:
    frame = encode_frame(1, REQUEST, Request(service=S, method="echo", payload=b"\x0a\x01a").encode())

    async def story() -> Response:
        for byte in frame:
            await client.send(bytes([byte]))
        return await client.answer(1)

    assert StateResponse.decode(run(story()).payload).id == "a"


def test_a_blocked_call_does_not_hold_up_another(client: Peer, run: Run, handlers: Handlers) -> None:
    async def story() -> list[str]:
        waiting = await client.request(S, "wait", StateRequest())
        first = await client.call(S, "echo", StateRequest(id="out of order"))
        handlers.gate.set()
        second = await client.answer(waiting)
        return [StateResponse.decode(answer.payload).id for answer in (first, second)]

    assert run(story()) == ["out of order", "waited"]


@pytest.mark.parametrize(
    ("service", "method", "sentence"),
    [("no.Such", "echo", "service 'no.Such' is not served"), (S, "nothing", "has no method 'nothing'")],
)
def test_an_unknown_service_or_method_is_unimplemented(
    client: Peer, run: Run, service: str, method: str, sentence: str
) -> None:
    response = run(client.call(service, method, Empty()))
    assert code(response) == 12
    assert sentence in message(response)


def test_an_error_is_answered_with_its_code_and_sentence(client: Peer, run: Run) -> None:
    response = run(client.call(S, "refuse", StateRequest()))
    assert (code(response), message(response)) == (9, "it is running")


def test_an_error_too_long_for_a_frame_is_cut_and_still_answered(client: Peer, run: Run) -> None:
    response = run(client.call(S, "refuse_at_length", StateRequest()))
    assert code(response) == 5
    assert 0 < len(message(response)) < MAX_MESSAGE
    assert run(_works(client))


def test_a_reply_too_long_for_a_frame_is_resource_exhausted(client: Peer, run: Run) -> None:
    assert code(run(client.call(S, "too_much", StateRequest()))) == 8


def test_a_defect_is_internal_is_logged_and_costs_only_its_call(client: Peer, run: Run, log: list[str]) -> None:
    response = run(client.call(S, "defect", StateRequest()))
    assert code(response) == 13
    assert log == ["defect: KeyError: 'oops'"]
    assert run(_works(client))


def test_an_oversized_request_is_resource_exhausted_and_the_connection_lives_on(client: Peer, run: Run) -> None:
    size = MAX_MESSAGE + 1

    async def story() -> Response:
        await client.send(struct.pack(">IIBB", size, 1, REQUEST, 0) + bytes(size))
        return await client.answer(1)

    response = run(story())
    assert code(response) == 8
    assert f"message of {size} bytes exceeds the limit" in message(response)
    assert run(_works(client))


@pytest.mark.parametrize("kind", [RESPONSE, 3, 0, 255])
def test_a_frame_that_is_no_request_is_refused_and_the_connection_lives_on(client: Peer, run: Run, kind: int) -> None:
    async def story() -> Response:
        await client.send(encode_frame(1, kind, b"whatever"))
        return await client.answer(1)

    response = run(story())
    assert code(response) == 3
    assert "only requests" in message(response)
    assert run(_works(client))


@pytest.mark.parametrize("body", [b"\xff\xff\xff", b"\x0a\xff\x01a", b"\x0b"])
def test_a_malformed_request_is_refused_and_the_connection_lives_on(client: Peer, run: Run, body: bytes) -> None:
    async def story() -> Response:
        await client.send(encode_frame(1, REQUEST, body))
        return await client.answer(1)

    assert code(run(story())) == 3
    assert run(_works(client))


def test_a_malformed_payload_is_refused(client: Peer, run: Run) -> None:
    async def story() -> Response:
        body = Request(service=S, method="echo", payload=b"\x0a\x7f").encode()
        await client.send(encode_frame(1, REQUEST, body))
        return await client.answer(1)

    response = run(story())
    assert code(response) == 3
    assert "StateRequest" in message(response) or "claims 127 bytes" in message(response)


@pytest.mark.parametrize("streams", [(2,), (0,), (1, 1), (5, 3)])
def test_a_wrong_stream_id_closes_the_connection_and_the_server_lives_on(
    client: Peer, run: Run, loop: Loop, path: Path, log: list[str], streams: tuple[int, ...]
) -> None:
    async def story() -> None:
        for stream in streams:
            body = Request(service=S, method="echo").encode()
            await client.send(encode_frame(stream, REQUEST, body))
        await client.closed

    run(story())
    assert log[-1].startswith("closed a connection: stream id")
    other = Peer(loop, path)
    assert run(_works(other))
    other.close()


def test_a_client_that_goes_away_in_the_middle_of_a_request_leaves_nothing(
    client: Peer, run: Run, loop: Loop, server: Server, path: Path
) -> None:
    async def story() -> None:
        half = Peer(loop, path)
        await half.send(encode_frame(1, REQUEST, b"x" * 1000)[:500])
        await eventually(loop, lambda: len(server.connections) == 2)
        half.close()
        await eventually(loop, lambda: len(server.connections) == 1)

    run(story())
    assert run(_works(client))


def test_an_answer_for_a_client_that_is_gone_is_dropped(
    client: Peer, run: Run, loop: Loop, server: Server, path: Path, handlers: Handlers
) -> None:
    async def story() -> None:
        other = Peer(loop, path)
        await other.request(S, "wait", StateRequest())
        await eventually(loop, lambda: handlers.gate._waiting)
        other.close()
        await eventually(loop, lambda: len(server.connections) == 1)
        handlers.gate.set()

    run(story())
    assert run(_works(client))


def test_a_deadline_is_kept_and_the_late_result_ignored(client: Peer, run: Run, handlers: Handlers) -> None:
    response = run(client.call(S, "wait", StateRequest(), timeout_nano=5_000_000))
    assert code(response) == 4
    assert "0.005 s" in message(response)
    handlers.gate.set()
    assert run(_works(client))
    assert client.frames == []


def test_a_call_within_its_deadline_is_answered(client: Peer, run: Run) -> None:
    assert code(run(client.call(S, "echo", StateRequest(id="a"), timeout_nano=5_000_000_000))) == 0


@pytest.mark.parametrize("nanoseconds", [(1 << 63) - 1, -1, -(1 << 63)])
def test_an_absurd_deadline_harms_nobody(client: Peer, run: Run, handlers: Handlers, nanoseconds: int) -> None:
    async def story() -> Response:
        waiting = await client.request(S, "wait", StateRequest(), nanoseconds)
        await _works(client)
        handlers.gate.set()
        return await client.answer(waiting)

    assert code(run(story())) == 0


def test_many_clients_with_many_calls_each_get_their_own_answers(
    server: Server, loop: Loop, path: Path, run: Run
) -> None:
    clients = [Peer(loop, path) for _ in range(40)]

    async def talk(number: int, one: Peer) -> list[str]:
        streams = [await one.request(S, "echo", StateRequest(id=f"{number}-{n}")) for n in range(10)]
        return [StateResponse.decode((await one.answer(stream)).payload).id for stream in reversed(streams)]

    async def story() -> list[list[str]]:
        talks = [loop.spawn(talk(number, one)) for number, one in enumerate(clients)]
        return [await outcome for outcome in talks]

    assert run(story()) == [[f"{number}-{n}" for n in reversed(range(10))] for number in range(40)]
    for one in clients:
        one.close()
    run(eventually(loop, lambda: not server.connections))


def test_a_slow_reader_gets_everything_in_the_end(client: Peer, run: Run, loop: Loop) -> None:
    async def story() -> list[int]:
        loop.unwatch(client.sock.fileno())
        text = "x" * 100_000
        streams = [await client.request(S, "echo", StateRequest(id=text)) for _ in range(30)]
        loop.watch(client.sock.fileno(), 1, client._receive)
        return [len((await client.answer(stream)).payload) for stream in streams]

    assert len(set(run(story()))) == 1


def test_without_descriptors_it_waits_and_then_accepts(
    client: Peer, run: Run, loop: Loop, path: Path, log: list[str]
) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    other = Peer(loop, path)
    spare = os.open("/dev/null", os.O_RDONLY)
    os.close(spare)
    resource.setrlimit(resource.RLIMIT_NOFILE, (spare, hard))
    try:
        run(eventually(loop, lambda: log))
        assert len(log) < 10, "it spins"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert "cannot accept a connection: Too many open files" in log[0]
    assert run(_works(other))
    other.close()


def test_close_drops_all_connections_and_gives_back_the_descriptors(loop: Loop, path: Path, run: Run) -> None:
    before = open_fds()
    server = Server(loop, listen(path), {}, print)
    clients = [Peer(loop, path) for _ in range(3)]
    run(eventually(loop, lambda: len(server.connections) == 3))
    server.close()
    for one in clients:
        one.close()
    assert open_fds() == before


def test_the_peer_is_who_the_kernel_says() -> None:
    ours, theirs = socket.socketpair()
    assert peer(ours) == (os.getpid(), os.geteuid())
    ours.close()
    theirs.close()


@needs_root
def test_a_process_of_another_user_is_refused(server: Server, run: Run, loop: Loop, path: Path, log: list[str]) -> None:
    path.chmod(0o777)
    path.parent.chmod(0o755)
    pid = os.fork()
    if pid == 0:
        try:
            os.chdir(path.parent)
            os.setresuid(65534, 65534, 65534)
            stranger = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            stranger.connect(path.name)
            os._exit(0 if stranger.recv(1) == b"" else 1)
        finally:
            os._exit(2)
    run(eventually(loop, lambda: log))
    assert os.waitpid(pid, 0)[1] == 0
    assert log == [f"refused a connection of user 65534 (process {pid}): only user {os.geteuid()} may connect"]
    assert not server.connections
