"""A process's standard streams: pipes of its own, relayed from and to the FIFOs that containerd made.

A process never gets containerd's FIFO itself: a grandchild that keeps it open would hold up containerd, and a
restart of containerd would kill the writer with SIGPIPE.
"""

import errno
import os
import stat

from reaper_runtime.errors import FailedPrecondition, InvalidArgument, Unavailable
from reaper_runtime.host.relay import Relay
from reaper_runtime.loop import Future
from reaper_runtime.stdlib import NamedTuple, signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from reaper_runtime.loop import Loop


READER_SECONDS = 1.0  # for who is to read an output to open it


class StdioPaths(NamedTuple):
    """Where a process's streams go: paths as containerd gave them; empty means nowhere."""

    stdin: str
    stdout: str
    stderr: str


class Stdio:
    """What a process gets as 0, 1 and 2, and the relays behind it.

    Call close_child_ends() after the fork, and close() at the end, also where nothing was forked. Output is
    complete when `drained` is set.
    """

    stdin: int
    stdout: int
    stderr: int
    extra: tuple[int, ...] = ()  # what the process gets as 3 and above

    def __init__(self, loop: "Loop") -> None:
        self._loop = loop
        self._child_ends: list[int] = []
        self._kept_readers: list[int] = []
        self._stdin_writer = -1
        self._inputs: list[Relay] = []
        self._outputs: list[Relay] = []
        self.drained = Future()

    def close_child_ends(self) -> None:
        """Close our copies of what the process holds, so that its end of file is seen."""
        ends, self._child_ends = self._child_ends, []
        for fd in ends:
            os.close(fd)

    def close_stdin(self) -> None:
        """Let the process read to the end of what has been written, and then an end of file."""
        if self._stdin_writer >= 0:
            os.close(self._stdin_writer)
            self._stdin_writer = -1

    def resize(self, width: int, height: int) -> None:
        """Columns and rows of the terminal; raises FailedPrecondition, for a process that has none."""
        raise FailedPrecondition(f"there is no terminal to resize to {width}x{height}")

    def end_input(self) -> None:
        """Nobody reads the input any more: the process is gone."""
        self.close_stdin()
        for relay in self._inputs:
            relay.close()

    def end_output(self) -> None:
        """The process is gone: relay what is still in the pipes and then stop, although somebody holds them open."""
        for relay in self._outputs:
            relay.end()

    async def heard(self) -> None:
        """Wait until somebody has read the first of what the process has written, of each output where it has."""
        for relay in self._outputs:
            await relay.heard()

    def forgo_readers(self) -> None:
        """heard() waits no longer."""
        for relay in self._outputs:
            relay.forgo_reader()

    def abandon_output(self) -> None:
        """Stop relaying at once; `drained` is set."""
        for relay in self._outputs:
            relay.close()

    def close(self) -> None:
        """Close everything. Readers of the FIFOs see an end of file at the latest now."""
        self.close_child_ends()
        self.end_input()
        self.abandon_output()
        readers, self._kept_readers = self._kept_readers, []
        for fd in readers:
            os.close(fd)

    def _add_output(self, relay: Relay) -> None:
        self._outputs.append(relay)
        relay.expect_reader()

    def _watch_outputs(self) -> None:
        for relay in self._outputs:
            relay.drained.when_done(self._check_drained)
        self._check_drained()

    def _check_drained(self) -> None:
        if all(relay.drained.done for relay in self._outputs):
            self.drained.set()


class Streams(Stdio):
    """Three separate streams: a pipe each."""

    def __init__(self, loop: "Loop", paths: StdioPaths, owner: int, discard: frozenset[str] = frozenset()) -> None:
        """owner: the user who may open the streams again by their names, as /dev/stdout.

        An empty path, or a stream named in discard, means /dev/null.
        """
        super().__init__(loop)
        self._owner = owner
        self._files: dict[str, int] = {}
        try:
            self.stdin = self._input(paths.stdin)
            self.stdout = self._output("" if "stdout" in discard else paths.stdout)
            self.stderr = self._output("" if "stderr" in discard else paths.stderr)
        except BaseException:
            self.close_child_ends()
            self.close()
            raise
        self._watch_outputs()

    def _input(self, path: str) -> int:
        if not path:
            return self._null(os.O_RDONLY)
        source, self._stdin_writer = open_input(path)
        child, ours = self._pipe(path, source, child_reads=True)
        self._inputs.append(Relay(self._loop, source, ours))
        return child

    def _output(self, path: str) -> int:
        if not path:
            return self._null(os.O_WRONLY)
        if path in self._files:  # both outputs to one file: they share its position
            target = os.dup(self._files[path])
        else:
            target = self._files[path] = open_output(path, self._kept_readers)
        child, ours = self._pipe(path, target, child_reads=False)
        self._add_output(Relay(self._loop, ours, target))
        return child

    def _pipe(self, path: str, outside: int, *, child_reads: bool) -> tuple[int, int]:
        """The process's end of a pipe between it and the descriptor outside, and ours, which is non-blocking.

        The pipe belongs to the process's user, as runc has it (fixStdioPermissions). Raises Unavailable, and closes
        the descriptor outside then.
        """
        ends: tuple[int, ...] = ()
        try:
            reader, writer = ends = os.pipe2(os.O_CLOEXEC)
            os.fchown(reader, self._owner, -1)  # the two ends are one file
        except OSError as error:
            for fd in (outside, *ends):
                os.close(fd)
            raise Unavailable(f"there is no pipe for the stream {path}: {error.strerror}") from error
        child, ours = (reader, writer) if child_reads else (writer, reader)
        self._child_ends.append(child)
        os.set_blocking(ours, False)
        return child, ours

    def _null(self, flags: int) -> int:
        fd = _open(os.devnull, flags)
        self._child_ends.append(fd)
        return fd


def open_input(path: str) -> tuple[int, int]:
    """A FIFO to read from, and a writer that keeps it from ending before CloseIO says so; both non-blocking.

    Raises InvalidArgument for what is not a FIFO, FailedPrecondition for what cannot be opened.
    """
    if not _is_fifo(path):
        raise InvalidArgument(f"the input {path} is not a FIFO")
    reader = _open(path, os.O_RDONLY | os.O_NONBLOCK)
    try:
        return reader, _open(path, os.O_WRONLY | os.O_NONBLOCK)
    except BaseException:
        os.close(reader)
        raise


def open_output(path: str, kept_readers: list[int]) -> int:
    """A FIFO or a file to write to; an empty path means /dev/null. For a FIFO, a read end goes to kept_readers.

    Raises InvalidArgument for an address that is not supported, FailedPrecondition for what cannot be opened.
    """
    if "://" in path and not path.startswith("file://"):
        raise InvalidArgument(f"output to {path} is not supported: use a FIFO or a file:// address")
    path = path.removeprefix("file://") or os.devnull
    if _is_fifo(path):
        writer = _open_to_a_reader(path)
        try:
            # A read end of our own: without one, a writer is killed as soon as containerd restarts.
            kept_readers.append(_open(path, os.O_RDONLY | os.O_NONBLOCK))
        except BaseException:
            os.close(writer)
            raise
        os.set_blocking(writer, False)
        return writer
    target = _open(path, os.O_WRONLY | os.O_CREAT)
    try:
        os.lseek(target, 0, os.SEEK_END)  # splice refuses O_APPEND
    except OSError:
        pass  # a device
    return target


def _open_to_a_reader(path: str) -> int:
    """The write end of a FIFO, once somebody has the other end, or after READER_SECONDS without.

    containerd opens its end beside our Create, and gives that up when the process has ended (containerd/fifo closes
    what was not opened yet): a quick process on a slow machine would be over before, and its output lost.
    """
    try:
        return os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        if error.errno != errno.ENXIO:
            raise _cannot_be_opened(path, error) from error
    handler = signal.signal(signal.SIGALRM, _give_up)
    timer = (0.0, 0.0)
    try:
        timer = signal.setitimer(signal.ITIMER_REAL, READER_SECONDS)
        return _open(path, os.O_WRONLY)  # fifo(7): waits for a reader
    except _GivenUp:
        return _open(path, os.O_RDWR)
    finally:
        signal.setitimer(signal.ITIMER_REAL, *timer)
        signal.signal(signal.SIGALRM, handler)


class _GivenUp(Exception):
    """Nobody reads the FIFO."""


def _give_up(_number: int, _frame: object) -> None:
    raise _GivenUp


def _is_fifo(path: str) -> bool:
    try:
        return stat.S_ISFIFO(os.stat(path).st_mode)
    except FileNotFoundError:
        return False


def _open(path: str, flags: int) -> int:
    try:
        return os.open(path, flags | os.O_CLOEXEC, 0o640)
    except OSError as error:
        raise _cannot_be_opened(path, error) from error


def _cannot_be_opened(path: str, error: OSError) -> FailedPrecondition:
    return FailedPrecondition(f"the stream {path} cannot be opened: {error.strerror}")
