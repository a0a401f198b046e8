"""The fork server: a warm interpreter with everything imported, that forks a shim a pod in about a millisecond.

Single-threaded, as a process that forks must be. It only accepts, checks who asks, and forks: whatever can go wrong
with a request goes wrong in the child. No running pod depends on it.
"""

import _socket
import gc
import os
import sys

from reaper_runtime.errors import ReaperError
from reaper_runtime.host import descriptors, libc
from reaper_runtime.host.cgroup import hierarchies
from reaper_runtime.shim import bootstrap, launch, serve
from reaper_runtime.shim.sweep import Sweeper
from reaper_runtime.stdlib import signal
from reaper_runtime.wire.server import accept, peer

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

RECEIVE_SECONDS = 5  # for a request to arrive: it comes from `start`, which has it ready


def main(build: str) -> "NoReturn":
    """Serve until SIGTERM. Tells descriptor 1 once it is ready."""
    os.setsid()
    os.umask(0o022)
    os.chdir("/")
    descriptors.close_from(3)  # what containerd has inherited, say: nobody else sees it closed
    path = launch.socket_path(build)
    os.makedirs(launch.RUN_DIRECTORY, mode=0o711, exist_ok=True)
    listener = bootstrap.listen(path)
    _end_predecessors(path)
    libc.set_command_line(f"reaper-zygote {build}")
    hierarchies.refresh()
    gc.disable()
    gc.collect()
    gc.freeze()  # the shims share these pages, as long as no collection writes to them
    sweeper = Sweeper(os.path.join(launch.RUN_DIRECTORY, "state"))
    sweeper.ask()  # what was left when nobody was here
    signal.signal(signal.SIGCHLD, lambda *_: _reap(sweeper))
    signal.signal(signal.SIGTERM, lambda *_: _leave(path, listener))
    _say_ready()  # last: whoever hears it may send requests and signals
    while True:
        conn = accept(listener)
        if peer(conn)[1] == os.geteuid() and _fork(conn) == 0:
            listener.close()
            _read_and_become_shim(conn)
        conn.close()


def _fork(conn: _socket.socket) -> int:
    """As os.fork; without memory or process ids left, the reason goes to who asked, and we live on."""
    try:
        return os.fork()
    except OSError as error:
        _reply(conn, b"-", f"node {os.uname().nodename} cannot start a shim: {error.strerror}".encode())
        return -1


def _read_and_become_shim(conn: _socket.socket) -> "NoReturn":
    for number in (signal.SIGCHLD, signal.SIGALRM, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    try:
        request = launch.Launch.decode(_receive(conn))
    except (ReaperError, OSError, UnicodeDecodeError) as error:
        _reply(conn, b"-", str(error).encode(errors="replace"))
        os._exit(1)
    become_shim(request, conn)


def become_shim(request: launch.Launch, conn: _socket.socket) -> "NoReturn":
    """In a process of its own: answer this request on conn, and serve its pod. Also used without a fork server."""
    try:
        serve.run(request, lambda answer: _reply(conn, b"+", answer))
    except (ReaperError, OSError) as error:
        _reply(conn, b"-", str(error).encode(errors="replace"))
    finally:
        os._exit(1)


def _receive(conn: _socket.socket) -> bytes:
    conn.settimeout(RECEIVE_SECONDS)
    data = b""
    while not launch.complete(data):
        more = conn.recv(1 << 16)
        if not more:
            break
        data += more
    return launch.split(data)[0]


def _reply(conn: _socket.socket, kind: bytes, answer: bytes) -> None:
    try:
        conn.sendall(kind + answer)
    except OSError:
        return  # `start` was killed: containerd will call `delete`
    finally:
        conn.close()


def _reap(sweeper: Sweeper) -> None:
    """Shims that have ended; one SIGCHLD can stand for several. Those that were killed may have left something."""
    try:
        while (ended := os.waitpid(-1, os.WNOHANG))[0]:
            if ended[1]:
                sweeper.ask()
    except ChildProcessError:
        return


def _end_predecessors(path: str) -> None:
    """End the fork servers of other versions: an upgrade would leave them waiting for ever. Their shims live on."""
    for name in os.listdir(launch.RUN_DIRECTORY):
        other = os.path.join(launch.RUN_DIRECTORY, name)
        if other == path or not (name.startswith("zygote-") and name.endswith(".sock")):
            continue
        probe = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
        try:
            probe.connect(other)
            os.kill(peer(probe)[0], signal.SIGTERM)
        except ConnectionRefusedError:
            os.unlink(other)  # left behind by one that was killed
        except OSError:
            continue
        finally:
            probe.close()


def _leave(path: str, listener: _socket.socket) -> "NoReturn":
    """Only the socket goes: shims are processes of their own."""
    listener.close()
    try:
        os.unlink(path)
    except FileNotFoundError:
        sys.exit(0)
    sys.exit(0)


def _say_ready() -> None:
    os.write(1, b"ready\n")
    null = os.open(os.devnull, os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)
