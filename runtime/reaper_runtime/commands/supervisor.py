"""The supervisor of one OCI container: the shim without containerd. It lives from `create` until `delete`."""

import os
import signal
import socket

from reaper_runtime.commands.descriptors import Handover, named
from reaper_runtime.commands.home import DESCRIPTORS, TASK
from reaper_runtime.commands.service import OciService, owner
from reaper_runtime.errors import ReaperError, Unavailable
from reaper_runtime.exits import Reaper
from reaper_runtime.host import libc
from reaper_runtime.host.cgroup import cgroup
from reaper_runtime.loop import Loop
from reaper_runtime.placement import Placement
from reaper_runtime.pod import Pod
from reaper_runtime.shim.bootstrap import listen
from reaper_runtime.shim.events import Publisher
from reaper_runtime.state import Mark
from reaper_runtime.wire.messages import CreateTaskRequest
from reaper_runtime.wire.server import Server

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from reaper_runtime.commands.home import Home
    from reaper_runtime.commands.log import Log
    from reaper_runtime.config import Config
    from reaper_runtime.exits import Exit

SERVICE = "containerd.task.v3.Task"
_NAMESPACE = "oci"  # in the place of containerd's: its containers share an overlay
_INIT = "init"  # under this key lie the descriptors of the container's own process
_FLUSH_SECONDS = 0.05  # after the answer to Delete: it leaves in the same turn, unless its reader is slow


def spawn(home: "Home", bundle: str, descriptors: tuple[int, ...], config: "Config", log: "Log") -> int:
    """Start the supervisor, which creates the container, in a process of its own; gives the container's pid.

    Raises Unavailable with the supervisor's own words. The descriptors are those of the container's process.
    """
    ours, theirs = socket.socketpair()
    try:
        child = os.fork()
    except OSError as error:
        raise Unavailable(f"node {os.uname().nodename} cannot start another process: {error.strerror}") from error
    if child == 0:
        _detach(home, bundle, descriptors, config, log, theirs)
    theirs.close()
    os.waitpid(child, 0)
    answer = b""
    while more := ours.recv(4096):
        answer += more
    ours.close()
    if answer[:1] != b"+":
        home.remove()
        raise Unavailable(answer[1:].decode(errors="replace") or "the supervisor was killed before it had answered")
    return int(answer[1:])


def _detach(
    home: "Home", bundle: str, descriptors: tuple[int, ...], config: "Config", log: "Log", reply: socket.socket
) -> "NoReturn":
    """Fork once more, so that the supervisor is nobody's child, and become it."""
    try:
        if os.fork() == 0:
            os.setsid()
            os.umask(0o022)
            kept = _only(descriptors, reply, log)
            Supervisor(home, config, log).serve(bundle, kept, reply)
    except (ReaperError, OSError) as error:
        _answer(reply, f"-{error}")
    finally:
        os._exit(1)


def _answer(reply: socket.socket, text: str) -> None:
    """To who waits for it. One who was killed meanwhile has a container all the same, and can delete it."""
    try:
        reply.sendall(text.encode(errors="replace"))
    except BrokenPipeError:
        return
    finally:
        reply.close()


def _only(descriptors: tuple[int, ...], reply: socket.socket, log: "Log") -> tuple[int, ...]:
    """Copies of these, above the standard streams, which become /dev/null; everything else is closed but log and reply.

    What the caller of `create` left open would stay open as long as the container lives.
    """
    import fcntl

    wanted = {reply.fileno(), log.fd}
    kept = tuple(fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, 3) for fd in descriptors)
    for name in os.listdir("/proc/self/fd"):
        fd = int(name)
        if fd > 2 and fd not in wanted and fd not in kept:
            try:
                os.close(fd)
            except OSError:
                continue  # the listing's own
    null = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1, 2):
        os.dup2(null, stream)
    os.close(null)
    return kept


class Supervisor:
    """Loop, pod, service and sockets of one container, wired together."""

    def __init__(self, home: "Home", config: "Config", log: "Log") -> None:
        libc.become_subreaper()
        self._home = home
        self._loop = Loop(lambda error: log.error(f"defect: {type(error).__name__}: {error}"))
        self._handover = Handover(self._loop)
        self._pod = Pod(
            self._loop,
            Reaper(self._loop),
            home.records,
            self._ended,
            warn=log.warn,
            config=config,
            placement=Placement(config, _NAMESPACE),
            open_stdio=self._handover.open_stdio,
        )
        publisher = Publisher(self._loop, "", _NAMESPACE, log.warn)
        self._service = OciService(self._pod, publisher, home, owner(), self._stop_soon)
        self._server = Server(self._loop, listen(home.socket(TASK)), {SERVICE: self._service.methods()}, log.warn)
        self._handover.listen(socket.socket(fileno=listen(home.socket(DESCRIPTORS)).detach()))

    def serve(self, bundle: str, descriptors: tuple[int, ...], reply: socket.socket) -> "NoReturn":
        """Create the container, answer, and serve it until it is deleted."""
        os.chdir(bundle)  # hooks run here, as runc's do
        libc.set_command_line(f"reaper-supervisor {self._home.name} {os.path.dirname(self._home.path)}")
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)  # its end would be the end of what it supervises
        state = self._home.records
        state.mark(Mark.of_this_process(cgroup.places(state.namespace, state.group)))
        self._handover.put(_INIT, descriptors)
        request = CreateTaskRequest(id=self._home.name, bundle=bundle, stdin=named(_INIT).stdin)
        created = self._loop.spawn(self._service.create(request))

        def answer() -> None:
            try:
                text = f"+{created.result().pid}"
            except (ReaperError, OSError) as error:
                text = f"-{error}"
                self._home.remove()
                self._stop_soon()
            _answer(reply, text)

        created.when_done(answer)
        self._loop.run()
        os._exit(0)

    def _ended(self, container: str, exec_id: str, pid: int, ended: "Exit") -> None:
        self._service.publish_exit(container, exec_id, pid, ended)

    def _stop_soon(self) -> None:
        """Nothing is left of the container, and soon not of us."""
        cgroup.forget(*self._pod.names)
        self._loop.call_later(_FLUSH_SECONDS, self._loop.stop)
