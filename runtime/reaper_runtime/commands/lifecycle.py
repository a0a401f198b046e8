"""create, start, state, kill and delete: the operations of OCI runtime-spec 1.2, runtime.md."""

import os
import signal

from reaper_runtime.commands import supervisor
from reaper_runtime.commands.client import Supervisor
from reaper_runtime.commands.descriptors import connect_console
from reaper_runtime.commands.home import CREATING, STOPPED, TASK, Home, State, without_supervisor
from reaper_runtime.errors import FailedPrecondition, InvalidArgument, NotFound, ReaperError, Unavailable
from reaper_runtime.host import procfs
from reaper_runtime.oci import bundle as oci_bundle
from reaper_runtime.shim.delete import clear
from reaper_runtime.shim.sockets import is_served
from reaper_runtime.wire import messages as m

TYPE_CHECKING = False
if TYPE_CHECKING:
    from reaper_runtime.commands.log import Log
    from reaper_runtime.config import Config

_STATUS = {1: "created", 2: "running", 3: "stopped"}  # containerd.v1.types.Status


class Creation:
    """What `create` and `run` are told."""

    __slots__ = ("bundle", "config", "console_socket", "log", "pid_file", "preserve_fds")

    def __init__(
        self, bundle: str, config: "Config", log: "Log", *, pid_file: str, console_socket: str, preserve_fds: int
    ) -> None:
        self.bundle = os.path.abspath(bundle)
        self.config = config
        self.log = log
        self.pid_file = pid_file
        self.console_socket = console_socket
        self.preserve_fds = preserve_fds


def create(home: Home, wanted: Creation, console: int = -1) -> int:
    """Create a container; gives its pid. console: a console socket that is connected already.

    Raises a ReaperError, and leaves nothing behind, if that fails.
    """
    spec = oci_bundle.load(wanted.bundle).process
    terminal = spec is not None and spec.terminal
    if terminal and console < 0:
        if not wanted.console_socket:
            raise InvalidArgument("the process wants a terminal: name a --console-socket that takes its other side")
        console = connect_console(wanted.console_socket)
    elif wanted.console_socket and not terminal:
        raise InvalidArgument("--console-socket is for a process with terminal: true, which this one has not")
    extra = preserved(wanted.preserve_fds)
    home.make()
    try:
        streams = (console,) if terminal else standard_streams()
        pid = supervisor.spawn(home, wanted.bundle, (*streams, *extra), wanted.config, wanted.log)
        if wanted.pid_file:
            write_pid_file(wanted.pid_file, pid)
    except ReaperError:
        if os.path.exists(os.path.join(home.path, TASK)):
            delete(home, force=True)
        home.remove()
        raise
    return pid


def start(home: Home) -> None:
    """Run the program of a created container."""
    Supervisor(home).call("Start", m.StartRequest(id=home.name), m.StartResponse)


def state(home: Home) -> State:
    """The state, from the supervisor's memory, or without one from /proc."""
    known = home.read()
    try:
        answer = Supervisor(home).call("State", m.StateRequest(id=home.name), m.StateResponse)
    except Unavailable:
        return without_supervisor(home.read())
    except FailedPrecondition:
        return home.read()  # the container is not made yet, or was deleted just now: NotFound
    if known.status != CREATING:
        known.status = _STATUS.get(answer.status, known.status)
    known.pid = answer.pid
    return known


def kill(home: Home, number: int, *, everything: bool) -> None:
    """Send a signal to what is created or running."""
    try:
        Supervisor(home).call("Kill", m.KillRequest(id=home.name, signal=number, all=everything), m.Empty)
    except Unavailable:
        left = without_supervisor(home.read())
        if left.status == STOPPED:
            raise FailedPrecondition(f"container {home.name} is stopped: it takes no signals") from None
        ours = set(home.pids()) if everything else set()
        for process in procfs.processes():
            if process.group == left.pid or process.pid in ours:
                procfs.send_signal(process, number)


def delete(home: Home, *, force: bool) -> None:
    """Forget a stopped container; with force, kill it first, and do not mind if there is none."""
    try:
        _delete(home, force=force)
    except NotFound:
        if not force:
            raise
    except (FailedPrecondition, Unavailable):
        if not force or is_served(home.socket(TASK)):
            raise
        _delete_without_supervisor(home)


def _delete(home: Home, *, force: bool) -> None:
    try:
        remote = Supervisor(home)
    except Unavailable:
        if not force and without_supervisor(home.read()).status != STOPPED:
            raise
        _delete_without_supervisor(home)
        return
    if force:
        try:
            remote.call("Kill", m.KillRequest(id=home.name, signal=signal.SIGKILL, all=True), m.Empty)
        except FailedPrecondition:
            pass  # it has stopped
        remote.call("Wait", m.WaitRequest(id=home.name), m.WaitResponse)
    remote.call("Delete", m.DeleteRequest(id=home.name), m.DeleteResponse)


def _delete_without_supervisor(home: Home) -> None:
    clear(home.records, list(home.records.records()), whole_pod=True, mark=home.records.marked())
    home.remove()


def standard_streams() -> tuple[int, ...]:
    """0, 1 and 2; one that the caller has closed is /dev/null."""
    for fd in (0, 1, 2):
        try:
            os.fstat(fd)
        except OSError:
            null = os.open(os.devnull, os.O_RDWR)
            if null != fd:
                os.dup2(null, fd)
                os.close(null)
    return 0, 1, 2


def preserved(count: int) -> tuple[int, ...]:
    """The descriptors that --preserve-fds names: so many from 3 on. Raises InvalidArgument when one is not open."""
    found = tuple(range(3, 3 + count))
    for fd in found:
        try:
            os.fstat(fd)
        except OSError:
            raise InvalidArgument(f"--preserve-fds {count}: descriptor {fd} is not open") from None
    return found


def write_pid_file(path: str, pid: int) -> None:
    """The pid as decimal digits, as a whole or not at all; raises FailedPrecondition.

    The directory may be everybody's: what is in the way there is replaced, and never written to.
    """
    temporary = os.path.join(os.path.dirname(path), f".{os.path.basename(path)}")
    try:
        if os.path.lexists(temporary):
            os.unlink(temporary)  # of a command that was killed
        with open(temporary, "x") as file:  # O_EXCL: follows no link either (open(2))
            file.write(str(pid))
        os.rename(temporary, path)
    except OSError as error:
        raise FailedPrecondition(f"the pid file {path} cannot be written: {error.strerror}") from error
