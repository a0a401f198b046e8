"""Starting a host process in two steps: fork prepares everything and waits at a gate, open_gate lets it exec.

The gate is a socket pair that closes on exec. The child writes "ready" to it, or why it cannot go on; the parent
writes "go"; an end of file after that means that the program runs.
"""

import _socket
import errno
import fcntl
import gc
import os

from reaper_runtime.errors import FailedPrecondition, Unavailable
from reaper_runtime.host import attributes, descriptors, libc, passwd, procfs
from reaper_runtime.host.cgroup.directory import join
from reaper_runtime.host.cgroup.hierarchies import UNIFIED
from reaper_runtime.host.clone import fork_into
from reaper_runtime.host.terminal import take_terminal
from reaper_runtime.stdlib import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn, Protocol

    from reaper_runtime.host.cgroup.cgroup import Cgroup
    from reaper_runtime.loop import Loop
    from reaper_runtime.oci.process import ProcessSpec

    class Rootfs(Protocol):
        """The file system that the child enters, and the descriptors it needs for that."""

        @property
        def fds(self) -> tuple[int, ...]: ...

        def enter(self, fds: tuple[int, ...]) -> None: ...


DEFAULT_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
NOT_EXECUTABLE, NOT_FOUND = 126, 127  # exit codes of a shell in the same situation

_READY, _GO = b"ready", b"go"


class DiedWithoutWord(FailedPrecondition):
    """A process ended while it prepared itself, and did not say why: its exit code is all there is."""


class Child:
    """A process of ours, from the fork on: its pid, its start time (clock ticks since boot), its gate."""

    __slots__ = ("_gate", "pid", "start_time")

    def __init__(self, pid: int, gate: _socket.socket) -> None:
        self.pid = pid
        self._gate = gate
        seen = procfs.stat(pid)  # it is our child and not reaped yet: it is there
        self.start_time = seen.start_time if seen is not None else 0

    async def prepared(self, loop: "Loop") -> None:
        """Wait until it stands at the gate; raises FailedPrecondition with its reason, or DiedWithoutWord."""
        message = await self._receive(loop)
        if message != _READY:
            self.close()
            if not message:
                raise DiedWithoutWord("the process died while it was prepared")
            raise FailedPrecondition(message.decode(errors="replace"))

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
        await loop.readable(self._gate.fileno())
        try:
            return self._gate.recv(4096)
        except ConnectionResetError:
            return b""


def fork(
    spec: "ProcessSpec", descriptors: tuple[int, ...], rootfs: "Rootfs | None" = None, cgroup: "Cgroup | None" = None
) -> Child:
    """Fork a process that prepares itself to execute spec, with these descriptors from 0 on, in this file system."""
    ends: tuple[_socket.socket, ...] = ()
    try:
        ours, theirs = ends = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        pid, files = _fork_into(cgroup)
    except OSError as error:
        for end in ends:
            end.close()
        raise Unavailable(f"node {_node()} cannot start another process: {error.strerror}") from error
    if pid == 0:
        _be_child(spec, theirs, descriptors, rootfs, files)
    theirs.close()
    return Child(pid, ours)


def _be_child(
    spec: "ProcessSpec",
    gate: _socket.socket,
    descriptors: tuple[int, ...],
    rootfs: "Rootfs | None",
    cgroup_files: "Sequence[str]",
) -> "NoReturn":
    """Never returns into the parent's code: it ends in the program, or in _exit after a word through the gate."""
    code = NOT_EXECUTABLE
    gc.disable()  # what is garbage of the parent's would close descriptors whose numbers mean something else here
    try:
        try:
            signal.set_wakeup_fd(-1)  # before its descriptor is closed, and another gets its number
            others = _arrange_descriptors(gate, descriptors, () if rootfs is None else rootfs.fds)
            gate = _socket.socket(fileno=len(descriptors))
            _join(cgroup_files)
            _prepare(spec, rootfs, others)
            gate.send(_READY)
            if gate.recv(16) == _GO:
                _execute(spec)
        except Exception as error:  # noqa: BLE001  # whatever it is, the parent must not take it for a success
            code = NOT_FOUND if isinstance(error, FileNotFoundError) else NOT_EXECUTABLE
            gate.send((str(error) or type(error).__name__).encode(errors="replace")[:4000])
    finally:
        os._exit(code)


def _arrange_descriptors(gate: _socket.socket, kept: tuple[int, ...], others: tuple[int, ...]) -> tuple[int, ...]:
    """From 0 on what is kept, then the gate, then the others, and nothing else: copies would keep the shim's open.

    Gives the numbers of the others, which close on exec as the gate does.
    """
    wanted = (*kept, gate.fileno(), *others)
    lifted = [fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, len(wanted)) for fd in wanted]  # above what is overwritten next
    for target, fd in enumerate(lifted):
        os.dup2(fd, target, inheritable=target < len(kept))
    gate.detach()
    descriptors.close_from(len(wanted))
    return tuple(range(len(kept) + 1, len(wanted)))


def _fork_into(cgroup: "Cgroup | None") -> "tuple[int, Sequence[str]]":
    """As os.fork, in the cgroup as far as the kernel can; and the cgroup.procs files that the child has to write to."""
    if cgroup is None:
        return os.fork(), ()
    second = cgroup.paths.get(UNIFIED)
    pid = fork_into(second) if second else None
    if pid is None:
        return os.fork(), cgroup.join_files(cgroup.directories)
    return pid, cgroup.join_files(place for place in cgroup.directories if place != second)


def _join(cgroup_files: "Sequence[str]") -> None:
    """First of all: whatever it starts, and uses, from here on is the container's."""
    try:
        join(cgroup_files)
    except OSError as error:
        raise FailedPrecondition(f"cannot join cgroup {error.filename} on node {_node()}: {error.strerror}") from error


def _prepare(spec: "ProcessSpec", rootfs: "Rootfs | None", fds: tuple[int, ...]) -> None:
    os.setsid()
    if spec.terminal:
        take_terminal()
    for number in signal.valid_signals():
        if signal.getsignal(number) not in (signal.SIG_DFL, None):
            signal.signal(number, signal.SIG_DFL)  # an ignored signal would stay ignored over exec
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    if rootfs is not None:
        rootfs.enter(fds)
    attributes.set_before_user(spec)  # after the mounts: a limit on open files would be in their way
    entered = _change_directory(spec, last_try=spec.user.uid == os.geteuid())
    _become_user(spec)
    if not entered:
        _change_directory(spec, last_try=True)
    attributes.set_after_user(spec)
    libc.reset_library_signals()  # last: by one of them the C library tells threads of a change of user (nptl(7))


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
    env = spec.env if "HOME" in spec.env else {**spec.env, "HOME": passwd.home_of(spec.user.uid)}
    try:
        os.execve(path, spec.args, env)
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
