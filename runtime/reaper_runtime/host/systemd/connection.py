"""A D-Bus connection to systemd, for one conversation: by its own socket, which needs no bus, or by the system bus.

As go-systemd has it for runc (dbus/dbus.go), in the other order: systemctl, too, asks systemd itself first.
"""

import _socket
import os

from reaper_runtime.errors import FailedPrecondition, ReaperError, Unavailable
from reaper_runtime.host.systemd import message
from reaper_runtime.host.systemd.message import ANSWER, ERROR, SIGNAL, Message
from reaper_runtime.loop import Future

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Self

    from reaper_runtime.loop import Loop

SOCKET, BUS = "/run/systemd/private", "/run/dbus/system_bus_socket"
_SYSTEMD = "org.freedesktop.systemd1"
_MANAGER = {"destination": _SYSTEMD, "path": "/org/freedesktop/systemd1", "interface": f"{_SYSTEMD}.Manager"}
_THE_BUS = {"destination": "org.freedesktop.DBus", "path": "/org/freedesktop/DBus", "interface": "org.freedesktop.DBus"}
_OF_JOBS = f"type='signal',sender='{_SYSTEMD}',interface='{_SYSTEMD}.Manager',member='JobRemoved'"
_AGAIN_SECONDS = 0.1  # where more want to be heard than may wait, or systemd executes itself anew
_MOST_REFUSALS = 20  # of these in a row: a socket that is nobody's any more refuses for ever
_LONGEST_LINE = 1 << 12  # bytes, of the answer to who we are


class Refused(FailedPrecondition):
    """systemd has answered, and does not do it. `name` is that of the D-Bus error."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"systemd refuses it: {reason or name}")
        self.name = name


class Interrupted(Unavailable):
    """systemd has ended the conversation in its midst, as when it executes itself anew: ask again."""


class Connection:
    """All that it waits for together takes at most the seconds that it was given."""

    def __init__(self, loop: "Loop", seconds: float) -> None:
        self._loop = loop
        self._socket = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_NONBLOCK)
        self._received = b""
        self._ends: list[Message] = []
        self._serial = 0
        self._late = False
        self._timer = loop.call_later(seconds, self._expire)
        self._seconds = seconds

    @classmethod
    async def open(cls, loop: "Loop", seconds: float, own: str = "", bus: str = "") -> "Self":
        """own and bus: other sockets. Raises Unavailable where nobody listens, or nobody answers in time."""
        try:
            made = cls(loop, seconds)
        except OSError as error:  # no descriptors left
            raise Unavailable(f"systemd cannot be asked: {error.strerror}") from error
        try:
            await made._begin(own or SOCKET, bus or BUS)
        except BaseException:
            made.close()
            raise
        return made

    async def call(self, member: str, signature: str = "", *values: "Any", to: "dict[str, str]" = _MANAGER) -> Message:
        """The answer to a method's call, by default of systemd's; raises Refused, Unavailable or MalformedMessage."""
        self._serial += 1
        self._send(message.call(self._serial, {**to, "member": member}, signature, values).encode())
        while True:
            came = await self._next()
            if _is_end_of_job(came):
                self._ends.append(came)  # it may come before the answer that names the job
            elif came.kind in (ANSWER, ERROR) and came.fields.get("reply_to") == self._serial:
                break
        if came.kind == ERROR:
            reason = came.body("s")[0] if came.fields.get("signature") == "s" else ""
            raise Refused(came.fields.get("error", ""), reason)
        return came

    async def job(self, member: str, signature: str, *values: "Any") -> None:
        """Call a method that answers with a job, and wait for the job's end; raises Refused if that is not "done"."""
        (job,) = (await self.call(member, signature, *values)).body("o")
        while True:
            came = self._ends.pop(0) if self._ends else await self._next()
            if _is_end_of_job(came):
                _, removed, _, result = came.body("uoss")
                if removed == job:
                    break
        if result != "done":
            raise Refused(result, f"the job has ended with {result!r}")

    def close(self) -> None:
        """Harmless when done before."""
        self._timer.cancel()
        if self._socket.fileno() >= 0:
            self._loop.unwatch(self._socket.fileno())
            self._socket.close()

    async def _begin(self, own: str, bus: str) -> None:
        found = next((path for path in (own, bus) if os.path.exists(path)), None)
        if found is None:
            raise Unavailable(f"systemd cannot be asked: neither {own} nor {bus} is there")
        try:
            await self._connect(found)
        except OSError as error:
            raise Unavailable(f"systemd cannot be asked: {found}: {error.strerror}") from error
        await self._say_who_we_are()
        if found == bus:
            await self.call("Hello", to=_THE_BUS)
            await self.call("AddMatch", "s", _OF_JOBS, to=_THE_BUS)
            await self.call("Subscribe")

    async def _connect(self, path: str) -> None:
        refusals = 0
        while not self._late:
            try:
                self._socket.connect(path)
            except BlockingIOError:  # more want to be heard than may wait (unix(7))
                pass
            except ConnectionRefusedError:
                refusals += 1
                if refusals == _MOST_REFUSALS:
                    raise
            else:
                return
            again = Future()
            self._loop.call_later(_AGAIN_SECONDS, again.set)
            await again
        raise self._unanswered()

    async def _say_who_we_are(self) -> None:
        """D-Bus specification, "Authentication Protocol", EXTERNAL: the kernel vouches for the user id."""
        user = str(os.geteuid()).encode().hex().encode()
        self._send(b"\0AUTH EXTERNAL " + user + b"\r\n")
        while b"\r\n" not in self._received and len(self._received) < _LONGEST_LINE:
            await self._receive()
        line, _, self._received = self._received.partition(b"\r\n")
        if not line.startswith(b"OK"):
            raise Unavailable(f"systemd does not hear user {os.geteuid()}: {line[:80].decode(errors='replace')}")
        self._send(b"BEGIN\r\n")

    async def _next(self) -> Message:
        """The next message, whatever it is."""
        while True:
            whole = message.length(self._received)
            if whole is not None and len(self._received) >= whole:
                data, self._received = self._received[:whole], self._received[whole:]
                return Message.decode(data)
            await self._receive()

    async def _receive(self) -> None:
        await self._loop.readable(self._socket.fileno())
        try:
            more = self._socket.recv(1 << 16)
        except BlockingIOError:
            return
        except OSError as error:
            raise Unavailable(f"systemd has not answered: {error.strerror}") from error
        if not more:
            raise self._unanswered()
        self._received += more

    def _send(self, data: bytes) -> None:
        """At once: all that we ever say fits into a socket that has nothing in it."""
        try:
            sent = self._socket.send(data, _socket.MSG_NOSIGNAL)
        except OSError as error:
            raise Unavailable(f"systemd has not listened: {error.strerror}") from error
        if sent < len(data):
            raise Unavailable("systemd has not listened to the end")

    def _expire(self) -> None:
        """Whoever waits reads the end of the connection then."""
        self._late = True
        try:
            self._socket.shutdown(_socket.SHUT_RDWR)
        except OSError:
            return  # not connected yet

    def _unanswered(self) -> ReaperError:
        if self._late:
            return Unavailable(f"systemd has not answered within {self._seconds:g} seconds")
        return Interrupted("systemd has ended the conversation")


def _is_end_of_job(came: Message) -> bool:
    return came.kind == SIGNAL and came.fields.get("member") == "JobRemoved"
