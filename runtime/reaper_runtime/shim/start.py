"""`containerd-shim-reaper-v2 start`: have the fork server make a shim, and print where it listens.

containerd waits for this, so it imports C modules only: half of its time is the interpreter's own start.
"""

import _socket
import fcntl
import os

from reaper_runtime.errors import Unavailable
from reaper_runtime.shim.launch import RUN_DIRECTORY, socket_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from reaper_runtime.shim.launch import Launch

# The shims show their own command line in place of the fork server's, which must be long enough for it.
_PADDING = "." * 160


def start(launch: "Launch", build: str, zygote: str) -> bytes:
    """The shim's answer, as containerd wants it printed. Raises Unavailable with the shim's own words.

    zygote is the program of the fork server. A pod never fails for the lack of it: without one, the shim is
    started in a process of its own, only more slowly.
    """
    conn = _connect(socket_path(build)) or _start_zygote(build, zygote)
    answer = _ask(conn, launch) if conn is not None else b""
    if not answer:  # no fork server, or it ended just now
        answer = _read_all(_start_cold(launch))
    if answer[:1] != b"+":
        reason = answer[1:].decode(errors="replace") or "the shim died before it answered"
        raise Unavailable(reason)
    return answer[1:]


def _ask(conn: _socket.socket, launch: "Launch") -> bytes:
    """The fork server's answer; empty if it went away without one."""
    try:
        conn.sendall(launch.encode())
    except OSError:
        conn.close()
        return b""
    return _read_all(conn)


def _connect(path: str) -> _socket.socket | None:
    conn = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        conn.connect(path)
    except OSError:
        conn.close()
        return None
    return conn


def _start_zygote(build: str, program: str) -> _socket.socket | None:
    """Start the fork server, once, whoever else wants it at this moment; None if it cannot be had."""
    try:
        os.makedirs(RUN_DIRECTORY, mode=0o711, exist_ok=True)
        lock = os.open(f"{RUN_DIRECTORY}/zygote.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError:
        return None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        conn = _connect(socket_path(build))  # another `start` was faster
        if conn is None and _spawn(build, program):
            conn = _connect(socket_path(build))
        return conn
    finally:
        os.close(lock)


def _spawn(build: str, program: str) -> bool:
    """Run the fork server and wait until it says that it listens."""
    reader, writer = os.pipe()
    null = os.open(os.devnull, os.O_RDWR)
    streams = [(os.POSIX_SPAWN_DUP2, fd, target) for target, fd in enumerate((null, writer, null))]
    try:
        os.posix_spawn(
            program, [program, build, _PADDING], {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}, file_actions=streams
        )
    except OSError:
        return False
    finally:
        os.close(writer)
        os.close(null)
    ready = os.read(reader, 16)
    os.close(reader)
    return ready == b"ready\n"


def _start_cold(launch: "Launch") -> _socket.socket:
    """The shim in a process forked from this one, with everything still to be imported."""
    ours, theirs = _socket.socketpair()
    if os.fork() == 0:
        _become_cold(launch, theirs.detach())
    theirs.close()
    return ours


def _become_cold(launch: "Launch", fd: int) -> None:
    """Never returns. The standard streams go first: containerd reads them until their end."""
    try:
        null = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(null, stream)

        from reaper_runtime import zygote
        from reaper_runtime.host import descriptors

        os.closerange(3, fd)  # as the fork server does
        descriptors.close_from(fd + 1)
        zygote.become_shim(launch, _socket.socket(fileno=fd))
    finally:
        os._exit(1)


def _read_all(conn: _socket.socket) -> bytes:
    """All that the other side sends; empty if it was killed before it was done. The connection is closed."""
    answer = b""
    try:
        while more := conn.recv(1 << 16):
            answer += more
    except OSError:
        return b""
    finally:
        conn.close()
    return answer
