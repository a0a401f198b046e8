"""systemd as one that asks it sees it: a socket that talks D-Bus, and what it is told."""

from __future__ import annotations

import contextlib
import socket
import threading
from typing import TYPE_CHECKING, Any

from reaper_runtime.host.systemd import marshalling, message
from reaper_runtime.host.systemd.message import ANSWER, CALL, ERROR, SIGNAL, Message

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Answer = Callable[["FakeSystemd", Message], list[bytes]]

JOB = "/org/freedesktop/systemd1/job/7"
SIGNATURES = {
    "AddMatch": "s",
    "ResetFailedUnit": "s",
    "SetUnitProperties": "sba(sv)",
    "StartTransientUnit": "ssa(sv)a(sa(sv))",
    "StopUnit": "ss",
}


def answer(to: Message, signature: str = "", *values: Any) -> bytes:
    fields = {"reply_to": to.serial, **({"signature": signature} if signature else {})}
    return Message(ANSWER, 1, fields, marshalling.encode(signature, values)).encode()


def refusal(to: Message, name: str, reason: str) -> bytes:
    fields = {"error": name, "reply_to": to.serial, "signature": "s"}
    return Message(ERROR, 1, fields, marshalling.encode("s", (reason,))).encode()


def removed(job: str = JOB, result: str = "done", member: str = "JobRemoved") -> bytes:
    fields = {"path": "/o", "interface": "org.freedesktop.systemd1.Manager", "member": member, "signature": "uoss"}
    return Message(SIGNAL, 2, fields, marshalling.encode("uoss", (7, job, "a.scope", result))).encode()


def obliging(_systemd: FakeSystemd, asked: Message) -> list[bytes]:
    """Does all that it is asked for. Of jobs that others have it tells too, and of one's end before its beginning."""
    if asked.fields["member"] in ("StartTransientUnit", "StopUnit"):
        return [removed("/other", "failed"), removed(), removed(member="JobNew"), answer(asked, "o", JOB)]
    return [answer(asked)]


class FakeSystemd:
    """Serves one connection after the other. `calls` are those that came: member, values."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.answer: Answer = obliging
        self.greeting = b"OK 0123\r\n"
        self.users: list[bytes] = []
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._listener.bind(str(path))
        self._listener.listen()
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def members(self) -> list[str]:
        return [member for member, _ in self.calls]

    def properties(self, number: int = -1) -> dict[str, Any]:
        """Those of a call, by name."""
        return {name: value for name, (_, value) in self.calls[number][1][2]}

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join(10)
        self._listener.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                with connection, contextlib.suppress(OSError):
                    self._converse(connection)

    def _converse(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as lines:
            self.users.append(lines.readline())
            connection.sendall(self.greeting)
            if lines.readline() != b"BEGIN\r\n":
                return
            while start := lines.read(16):
                whole = message.length(start)
                assert whole is not None
                asked = Message.decode(start + lines.read(whole - len(start)))
                assert asked.kind == CALL
                member = asked.fields["member"]
                self.calls.append((member, asked.body(SIGNATURES.get(member, ""))))
                for data in self.answer(self, asked):
                    for at in range(0, len(data), 7):  # as slowly as a socket may
                        connection.sendall(data[at : at + 7])
