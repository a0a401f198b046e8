"""A conversation with systemd: what is said, what is refused, and that nobody waits for ever."""

from __future__ import annotations

import os
import socket
from typing import TYPE_CHECKING, Any

import pytest

from reaper_runtime.errors import MalformedMessage, ReaperError, Unavailable
from reaper_runtime.host.systemd import connection
from reaper_runtime.host.systemd.connection import Connection, Refused
from reaper_runtime.host.systemd.message import LARGEST
from tests.fakes.runtime import eventually, open_fds
from tests.fakes.systemd import JOB, FakeSystemd, answer, obliging, refusal, removed

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from reaper_runtime.host.systemd.message import Message
    from reaper_runtime.loop import Loop

    Run = Callable[..., Any]

SECONDS = 20.0
STOP = ("StopUnit", "ss", "a.scope", "replace")


@pytest.fixture
def systemd(tmp_path: Path) -> Iterator[FakeSystemd]:
    made = FakeSystemd(tmp_path / "private")
    yield made
    made.close()


async def _stop(loop: Loop, own: Path, bus: str = "/nonexistent", seconds: float = SECONDS) -> None:
    connection = await Connection.open(loop, seconds, str(own), bus)
    try:
        await connection.job(*STOP)
    finally:
        connection.close()
        connection.close()


def test_a_job_is_waited_for(loop: Loop, run: Run, systemd: FakeSystemd) -> None:
    before = open_fds()
    run(_stop(loop, systemd.path))
    assert systemd.calls == [("StopUnit", ("a.scope", "replace"))]
    assert systemd.users == [b"\0AUTH EXTERNAL " + str(os.geteuid()).encode().hex().encode() + b"\r\n"]
    run(eventually(loop, lambda: open_fds() == before))


def test_the_bus_is_asked_where_systemds_own_socket_is_missing(
    loop: Loop, run: Run, systemd: FakeSystemd, tmp_path: Path
) -> None:
    run(_stop(loop, tmp_path / "none", str(systemd.path)))
    assert systemd.members() == ["Hello", "AddMatch", "Subscribe", "StopUnit"]


def test_a_job_that_ends_after_the_answer(loop: Loop, run: Run, systemd: FakeSystemd) -> None:
    systemd.answer = lambda _, asked: [answer(asked, "o", JOB), removed("/another"), removed()]
    run(_stop(loop, systemd.path))


def _gone(_systemd: FakeSystemd, _asked: Message) -> list[bytes]:
    raise OSError


def _of_another(_systemd: FakeSystemd, asked: Message) -> list[bytes]:
    """An answer to a question that was not asked, and then one of the wrong type."""
    asked.serial += 1
    wrong = answer(asked, "o", JOB)
    asked.serial -= 1
    return [wrong, answer(asked, "s", JOB)]


@pytest.mark.parametrize(
    ("says", "error", "why"),
    [
        (lambda _, asked: [refusal(asked, "org.a.B", "no such unit")], Refused, "systemd refuses it: no such unit"),
        (lambda _, asked: [answer(asked, "o", JOB), removed(result="failed")], Refused, "ended with 'failed'"),
        (_gone, Unavailable, "ended the conversation"),
        (_of_another, MalformedMessage, "has 's', not 'o'"),
        (lambda *_: [b"x" * 16], MalformedMessage, "not a D-Bus message"),
        (lambda *_: [b"l\2\0\1" + LARGEST.to_bytes(4, "little") * 3], MalformedMessage, "bytes"),
        (lambda *_: [b"l\2\0\1\0\0\0\0\1\0\0\0\0\0\0\0" + b"l\2\0\1" + b"\xff" * 12], MalformedMessage, "bytes"),
    ],
)
def test_what_is_no_success(
    loop: Loop, run: Run, systemd: FakeSystemd, says: Any, error: type[ReaperError], why: str
) -> None:
    systemd.answer = says
    before = open_fds()
    with pytest.raises(error, match=why):
        run(_stop(loop, systemd.path))
    run(eventually(loop, lambda: open_fds() == before))


def test_a_refusal_has_the_name_of_its_error(loop: Loop, run: Run, systemd: FakeSystemd) -> None:
    systemd.answer = lambda _, asked: [refusal(asked, "org.a.B", "")]
    with pytest.raises(Refused, match=r"org\.a\.B") as refused:
        run(_stop(loop, systemd.path))
    assert refused.value.name == "org.a.B"


@pytest.mark.parametrize("greeting", [b"", b"OK", b"O"])
def test_nobody_waits_longer_than_the_time(loop: Loop, run: Run, systemd: FakeSystemd, greeting: bytes) -> None:
    systemd.greeting = greeting
    with pytest.raises(Unavailable, match=r"not answered within 0\.05 seconds"):
        run(_stop(loop, systemd.path, seconds=0.05))


def test_who_does_not_answer_a_call(loop: Loop, run: Run, systemd: FakeSystemd) -> None:
    systemd.answer = lambda *_: []
    with pytest.raises(Unavailable, match=r"not answered within 0\.2 seconds"):
        run(_stop(loop, systemd.path, seconds=0.2))


def test_who_tells_other_things_for_ever(loop: Loop, run: Run, systemd: FakeSystemd) -> None:
    systemd.answer = lambda _, asked: [answer(asked, "o", JOB), *(removed("/another") for _ in range(200))]
    with pytest.raises(Unavailable, match="not answered within"):
        run(_stop(loop, systemd.path, seconds=0.3))


@pytest.mark.parametrize("greeting", [b"REJECTED EXTERNAL\r\n", b"ERROR\r\n", b"x" * 5000])
def test_who_does_not_hear_us(loop: Loop, run: Run, systemd: FakeSystemd, greeting: bytes) -> None:
    systemd.greeting = greeting
    with pytest.raises(Unavailable, match="does not hear user"):
        run(_stop(loop, systemd.path))


def test_nobody_is_there(loop: Loop, run: Run, tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"neither .*/none nor /nonexistent is there"):
        run(_stop(loop, tmp_path / "none"))


def test_nobody_listens(loop: Loop, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connection, "_MOST_REFUSALS", 2)
    systemd = FakeSystemd(tmp_path / "private")
    systemd.close()
    with pytest.raises(Unavailable, match="Connection refused"):
        run(_stop(loop, systemd.path))


def test_somebody_listens_again(loop: Loop, run: Run, tmp_path: Path) -> None:
    """As systemd does when it executes itself anew."""
    late = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    late.bind(str(tmp_path / "late"))

    async def story() -> None:
        loop.call_later(0.05, late.listen)
        loop.call_later(0.3, lambda: late.accept()[0].close())
        await _stop(loop, tmp_path / "late")

    with pytest.raises(Unavailable, match=r"ended the conversation|reset by peer"):
        run(story())
    late.close()


def test_where_more_want_to_be_heard_than_may_wait(loop: Loop, run: Run, tmp_path: Path) -> None:
    full = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    full.bind(str(tmp_path / "full"))
    full.listen(0)
    waiting = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    waiting.connect(str(tmp_path / "full"))
    with pytest.raises(Unavailable, match="not answered within"):
        run(_stop(loop, tmp_path / "full", seconds=0.15))

    async def story() -> None:
        for later in (0.01, 0.3):
            loop.call_later(later, lambda: full.accept()[0].close())
        await _stop(loop, tmp_path / "full")

    with pytest.raises(Unavailable, match=r"ended the conversation|reset by peer"):
        run(story())
    waiting.close()
    full.close()


def test_several_calls(loop: Loop, run: Run, systemd: FakeSystemd) -> None:
    async def story() -> None:
        connection = await Connection.open(loop, SECONDS, str(systemd.path), "/nonexistent")
        for name in ("a", "b"):
            await connection.call("ResetFailedUnit", "s", name)
        connection.close()

    systemd.answer = obliging
    run(story())
    assert systemd.calls == [("ResetFailedUnit", ("a",)), ("ResetFailedUnit", ("b",))]
