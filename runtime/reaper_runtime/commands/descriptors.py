"""Standard streams that come from the command itself: its own descriptors, or a console socket for a terminal.

`create` and `run` leave them to the supervisor by inheritance; `exec` sends them over a socket (SCM_RIGHTS, unix(7)).
What arrives is three streams, or, for a terminal, one console socket; and then what --preserve-fds adds.
"""

import os
import socket

from reaper_runtime.errors import FailedPrecondition, InvalidArgument, Unavailable
from reaper_runtime.host import terminal
from reaper_runtime.host.stdio import Stdio, StdioPaths
from reaper_runtime.loop import READ
from reaper_runtime.wire.server import peer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from reaper_runtime.loop import Loop
    from reaper_runtime.oci.process import ProcessSpec

SCHEME = "descriptors:"
MAX_DESCRIPTORS = 253  # SCM_MAX_FD of the kernel
_MAX_KEY = 256
_STREAMS = 3


def named(key: str) -> StdioPaths:
    """How a request says that its streams are those handed over under this key."""
    return StdioPaths(f"{SCHEME}{key}", "", "")


class Given(Stdio):
    """Descriptors that the process gets as they are: nothing is relayed, so nothing has to be drained."""

    def __init__(self, loop: "Loop", descriptors: tuple[int, ...], discard: frozenset[str]) -> None:
        """Takes them over. Of the first three, those named in discard become /dev/null."""
        super().__init__(loop)
        streams = list(descriptors[:_STREAMS])
        for number, name in ((1, "stdout"), (2, "stderr")):
            if name in discard:
                os.close(streams[number])
                streams[number] = os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)
        self.stdin, self.stdout, self.stderr = streams
        self.extra = descriptors[_STREAMS:]
        self._child_ends += [*streams, *self.extra]
        self._watch_outputs()


class Console(Stdio):
    """A terminal whose other side goes to whoever holds the console socket, in runc's way."""

    def __init__(self, loop: "Loop", descriptors: tuple[int, ...], spec: "ProcessSpec") -> None:
        """Takes the descriptors over, the first of which is the connected console socket."""
        super().__init__(loop)
        console, *extra = descriptors
        self.extra = tuple(extra)
        self._child_ends += extra
        with socket.socket(fileno=console) as receiver:
            try:
                ours, theirs = os.openpty()
            except OSError as error:
                self.close_child_ends()
                raise Unavailable(f"node {os.uname().nodename} has no terminal left: {error.strerror}") from error
            self.stdin = self.stdout = self.stderr = theirs
            self._child_ends.append(theirs)
            try:
                os.fchown(theirs, spec.user.uid, -1)
                if spec.console_size is not None:
                    terminal.set_size(ours, *spec.console_size)
                socket.send_fds(receiver, [os.ttyname(theirs).encode()], [ours])
            except OSError as error:
                self.close_child_ends()
                raise FailedPrecondition(f"the terminal cannot be handed over: {error.strerror}") from error
            finally:
                os.close(ours)
        self._watch_outputs()


class Handover:
    """The supervisor's side: descriptors by the key under which a process will ask for them."""

    def __init__(self, loop: "Loop") -> None:
        self._loop = loop
        self._held: dict[str, tuple[int, ...]] = {}

    def put(self, key: str, descriptors: tuple[int, ...]) -> None:
        """Keep descriptors until they are asked for."""
        self.drop(key)
        self._held[key] = descriptors

    def drop(self, key: str) -> None:
        """Close what nobody asked for."""
        for fd in self._held.pop(key, ()):
            os.close(fd)

    def open_stdio(self, loop: "Loop", spec: "ProcessSpec", paths: StdioPaths, discard: frozenset[str]) -> Stdio:
        """The streams of a process: those that were handed over, else those at the paths, as in a shim."""
        if not paths.stdin.startswith(SCHEME):
            return terminal.open_stdio(loop, spec, paths, discard)
        descriptors = self._held.pop(paths.stdin.removeprefix(SCHEME), ())
        if len(descriptors) < (1 if spec.terminal else _STREAMS):
            for fd in descriptors:
                os.close(fd)
            raise InvalidArgument("the descriptors of the process did not arrive")
        return Console(loop, descriptors, spec) if spec.terminal else Given(loop, descriptors, discard)

    def listen(self, listener: socket.socket) -> None:
        """Accept descriptors: a connection brings one key with them, and holds them until it ends."""
        listener.setblocking(False)
        self._loop.watch(listener.fileno(), READ, lambda _: self._accept(listener))

    def _accept(self, listener: socket.socket) -> None:
        try:
            conn, _ = listener.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return
        if peer(conn)[1] != os.geteuid():
            conn.close()
            return
        conn.setblocking(False)
        self._loop.watch(conn.fileno(), READ, lambda _: self._receive(conn))

    def _receive(self, conn: socket.socket) -> None:
        data, descriptors, _, _ = socket.recv_fds(conn, _MAX_KEY, MAX_DESCRIPTORS)
        key = data.decode(errors="replace")
        if key:
            for fd in descriptors:
                os.set_inheritable(fd, False)
            self.put(key, tuple(descriptors))
            self._loop.watch(conn.fileno(), READ, lambda _: self._end(conn, key))
            conn.send(b"+")
        else:
            self._end(conn, key)

    def _end(self, conn: socket.socket, key: str) -> None:
        self._loop.unwatch(conn.fileno())
        conn.close()
        self.drop(key)


def hand_over(path: str, key: str, descriptors: tuple[int, ...]) -> socket.socket:
    """The command's side: send them under a key. They are kept for as long as the connection is.

    Raises Unavailable when the supervisor is gone.
    """
    conn = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        conn.connect(path)
        socket.send_fds(conn, [key.encode()], list(descriptors))
        if conn.recv(1) != b"+":
            raise ConnectionResetError
    except OSError as error:
        conn.close()
        raise Unavailable(f"the supervisor takes no descriptors: {error.strerror or 'it went away'}") from error
    return conn


def connect_console(path: str) -> int:
    """A connection to a console socket; raises FailedPrecondition."""
    conn = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        conn.connect(path)
    except OSError as error:
        conn.close()
        raise FailedPrecondition(f"the console socket {path} cannot be reached: {error.strerror}") from error
    return conn.detach()
