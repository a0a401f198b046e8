"""Starting a host process in two steps: fork prepares everything and waits at a gate, open_gate lets it exec.

The gate is a socket pair that closes on exec. The child writes "ready" to it, or why it cannot go on; the parent
writes "go"; an end of file after that means that the program runs.
"""

import errno
import os
import resource
import signal
import socket

from reaper_runtime.errors import FailedPrecondition, InvalidArgument, Unavailable
from reaper_runtime.host import libc, procfs
from reaper_runtime.host.terminal import take_terminal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

    from reaper_runtime.loop import Loop
    from reaper_runtime.oci.bundle import ProcessSpec

DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NOT_EXECUTABLE, NOT_FOUND = 126, 127  # exit codes of a shell in the same situation

_NO_LIMIT = (1 << 64) - 1
_READY, _GO = b"ready", b"go"
_FIRST_FREE_FD = 4  # 0 to 2 are stdio, 3 is the gate


class Child:
    """A process of ours, from the fork on: its pid, its start time (clock ticks since boot), its gate."""

    __slots__ = ("_gate", "pid", "start_time")

    def __init__(self, pid: int, gate: socket.socket) -> None:
        self.pid = pid
        self._gate = gate
        seen = procfs.stat(pid)  # it is our child and not reaped yet: it is there
        self.start_time = seen.start_time if seen is not None else 0

    async def prepared(self, loop: "Loop") -> None:
        """Wait until it stands at the gate; raises FailedPrecondition with its reason if it could not."""
        message = await self._receive(loop)
        if message != _READY:
            self.close()
            raise FailedPrecondition(message.decode(errors="replace") or "the process died while it was prepared")

    async def open_gate(self, loop: "Loop") -> None:
        """Let it execute its program; raises FailedPrecondition with the reason if that fails."""
        try:
            self._gate.send(_GO)
        except (BrokenPipeError, ConnectionResetError):
            self.close()
            raise FailedPrecondition("the process was killed before it was started") from None
        message = await self._receive(loop)
        self.close()
        if message:
            raise FailedPrecondition(message.decode(errors="replace"))

    def close(self) -> None:
        """Give the gate up. Harmless when done before."""
        self._gate.close()

    async def _receive(self, loop: "Loop") -> bytes:
        while True:
            await loop.readable(self._gate.fileno())
            try:
                return self._gate.recv(4096, socket.MSG_DONTWAIT)
            except BlockingIOError:
                continue  # another descriptor of this number was ready in the same round
            except ConnectionResetError:
                return b""


def fork(spec: "ProcessSpec", stdin: int, stdout: int, stderr: int) -> Child:
    """Fork a process that prepares itself to execute spec, with these descriptors as 0, 1 and 2."""
    ends: tuple[socket.socket, ...] = ()
    try:
        ours, theirs = ends = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        pid = os.fork()
    except OSError as error:
        for end in ends:
            end.close()
        raise Unavailable(f"node {_node()} cannot start another process: {error.strerror}") from error
    if pid == 0:
        _be_child(spec, theirs, (stdin, stdout, stderr))
    theirs.close()
    return Child(pid, ours)


def _be_child(spec: "ProcessSpec", gate: socket.socket, stdio: tuple[int, int, int]) -> "NoReturn":
    """Never returns into the parent's code: it ends in the program, or in _exit after a word through the gate."""
    code = NOT_EXECUTABLE
    try:
        try:
            signal.set_wakeup_fd(-1)  # before its descriptor is closed, and another gets its number
            _arrange_descriptors(gate, stdio)
            gate = socket.socket(fileno=3)
            _prepare(spec)
            gate.send(_READY)
            if gate.recv(16) == _GO:
                _execute(spec)
        except Exception as error:  # noqa: BLE001  # whatever it is, the parent must not take it for a success
            code = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
            gate.send((str(error) or type(error).__name__).encode(errors="replace")[:4000])
    finally:
        os._exit(code)


def _arrange_descriptors(gate: socket.socket, stdio: tuple[int, int, int]) -> None:
    """0 to 2: stdio, 3: the gate, and nothing else: a copy of the shim's sockets would keep them open."""
    lifted = [os.dup(fd) for fd in (*stdio, gate.fileno())]  # above whatever is overwritten next
    high = [fd if fd >= _FIRST_FREE_FD else _dup_above(fd) for fd in lifted]
    for target, fd in enumerate(high):
        os.dup2(fd, target, inheritable=target != 3)
    gate.detach()
    os.closerange(_FIRST_FREE_FD, 1 << 20)


def _dup_above(fd: int) -> int:
    import fcntl

    return fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, _FIRST_FREE_FD)


def _prepare(spec: "ProcessSpec") -> None:
    os.setsid()
    if spec.terminal:
        take_terminal()
    for number in signal.valid_signals():
        if signal.getsignal(number) not in (signal.SIG_DFL, None):
            signal.signal(number, signal.SIG_DFL)  # an ignored signal would stay ignored over exec
    libc.reset_library_signals()
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    _set_limits(spec)
    entered = _change_directory(spec, last_try=spec.user.uid == os.geteuid())
    _become_user(spec)
    if not entered:
        _change_directory(spec, last_try=True)
    if spec.no_new_privileges:
        libc.set_no_new_privileges()


def _set_limits(spec: "ProcessSpec") -> None:
    if spec.oom_score_adj is not None:
        try:
            with open("/proc/self/oom_score_adj", "w") as file:
                file.write(str(spec.oom_score_adj))
        except OSError as error:
            raise FailedPrecondition(
                f"oom_score_adj {spec.oom_score_adj} cannot be set on node {_node()}: {error.strerror}"
            ) from error
    for name, soft, hard in spec.rlimits:
        number = getattr(resource, name, None)
        if not name.startswith("RLIMIT_") or number is None:
            raise InvalidArgument(f"rlimit {name} is unknown on node {_node()}")
        try:
            resource.setrlimit(number, (_limit(soft), _limit(hard)))
        except (OSError, ValueError) as error:
            raise FailedPrecondition(f"{name} cannot be set to {soft}/{hard} on node {_node()}: {error}") from error


def _limit(value: int) -> int:
    """The largest number of config.json means no limit, as for setrlimit(2); Python calls it -1."""
    return resource.RLIM_INFINITY if value >= _NO_LIMIT else value


def _change_directory(spec: "ProcessSpec", *, last_try: bool) -> bool:
    """Enter the working directory; False if only the later user may. Tried as root first, as runc does."""
    try:
        os.chdir(spec.cwd)
    except OSError as error:
        if isinstance(error, PermissionError) and not last_try:
            return False
        raise FailedPrecondition(
            f"working directory {spec.cwd} cannot be entered on node {_node()}: {error.strerror}"
        ) from error
    return True


def _become_user(spec: "ProcessSpec") -> None:
    user = spec.user
    try:
        os.setgroups(user.groups)  # always: root's own groups must not leak
        os.setresgid(user.gid, user.gid, user.gid)
        os.setresuid(user.uid, user.uid, user.uid)
    except PermissionError as error:
        raise FailedPrecondition(
            f"cannot become user {user.uid}:{user.gid} on node {_node()}: {error.strerror}"
        ) from error
    os.umask(0o022 if user.umask is None else user.umask)


def _execute(spec: "ProcessSpec") -> "NoReturn":
    """Execute the program; raises OSError with a sentence that names program, node and reason."""
    program = spec.args[0]
    path = program if "/" in program else _find(program, spec.env.get("PATH", DEFAULT_PATH))
    try:
        os.execve(path, spec.args, spec.env)
    except OSError as error:
        raise type(error)(_explain(path, error, spec)) from error


def _find(program: str, search: str) -> str:
    """A bare name in PATH, as execvp(3) would find it."""
    found = None
    for directory in search.split(":"):
        path = os.path.join(directory or ".", program)
        if os.path.isfile(path):
            if os.access(path, os.X_OK):
                return path
            found = found or path
    if found is not None:
        return found  # exec says why it may not
    raise FileNotFoundError(f'program "{program}" does not exist on node {_node()}: not found in PATH={search}')


def _explain(path: str, error: OSError, spec: "ProcessSpec") -> str:
    place = f'program "{path}" on node {_node()}'
    if error.errno == errno.ENOENT and os.path.exists(path):
        return f"{place} cannot run: the interpreter or loader that it names does not exist there"
    if error.errno == errno.ENOENT:
        return f'program "{path}" does not exist on node {_node()}: install it there, or correct the command'
    if error.errno == errno.EACCES:
        return f"{place} may not be executed by user {spec.user.uid}: permission denied"
    if error.errno == errno.ENOEXEC:
        return f"{place} cannot run: neither a binary for this machine nor a script with a #! line"
    return f"{place} cannot run: {error.strerror}"


def _node() -> str:
    return os.uname().nodename
