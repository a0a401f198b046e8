"""Moving bytes between two descriptors in the loop: inside the kernel where it can, by reading and writing else."""

import errno
import fcntl
import os
import select

from reaper_runtime.loop import READ, WRITE, Future

TYPE_CHECKING = False
if TYPE_CHECKING:
    from reaper_runtime.loop import Loop

_SPLICE = 1 << 20  # bytes a call; the pipe's capacity is what really limits it
_SPLICE_FLAGS = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK
_COPY = 1 << 16
_ONE_PAGE = 1  # the kernel rounds up to that
_PAGES = 16  # of a pipe, as the kernel makes them


class Relay:
    """Moves bytes from one descriptor to another, by splice(2), until the source ends; `drained` is set then."""

    def __init__(self, loop: "Loop", source: int, target: int) -> None:
        """Takes both descriptors over; both must be non-blocking, and one of them a pipe or FIFO."""
        self._loop = loop
        self._source = source
        self._target = target
        self._ending = False
        self._unread = False  # the first bytes are in the target, and nobody is known to have read them
        self._reader = Future()  # somebody reads, or is not waited for
        self._reader.set()
        self.drained = Future()
        loop.watch(source, READ, self._move)

    def expect_reader(self) -> None:
        """If the target is a FIFO, see when its first bytes are read, and move no others before.

        A FIFO of one page can be written anew when that has been read, which poll tells of. A process that nobody
        listens to stands still a little sooner for it.
        """
        try:
            fcntl.fcntl(self._target, fcntl.F_SETPIPE_SZ, _ONE_PAGE)
        except OSError:
            return  # a file, or a FIFO that others have filled: who reads it is not waited for
        self._reader = Future()

    async def heard(self) -> None:
        """Wait until somebody has read the first of what was written to the source by now, if anything was."""
        if not self._reader.done and not self._unread and _is_ready(self._source, READ):
            self._move(READ)
        if self._unread:
            await self._reader

    def forgo_reader(self) -> None:
        """Wait no longer for who is to read."""
        if self._reader.done:
            return
        try:
            fcntl.fcntl(self._target, fcntl.F_SETPIPE_SZ, _PAGES * os.sysconf("SC_PAGE_SIZE"))
        except OSError:
            pass  # no memory, or too many pipes of one user (pipe-user-pages-soft of pipe(7)): it is slower
        unread, self._unread = self._unread, False
        self._reader.set()
        if unread:
            self._resume(WRITE)

    def end(self) -> None:
        """The source's own writers are gone: stop as soon as what they wrote is through, whoever else holds it open.

        A slow reader is waited for.
        """
        self._ending = True
        if self._source >= 0 and not self._unread:
            self._move(READ)

    def close(self) -> None:
        """Stop, close both ends, and let those go on who wait for `drained`."""
        if self._source < 0:
            return
        for fd in (self._source, self._target):
            self._loop.unwatch(fd)
            os.close(fd)
        self._source = self._target = -1
        self._unread = False
        self._reader.set()
        self.drained.set()

    def _transfer(self) -> int:
        """Move some bytes and say how many, 0 at the end of the source; raises BlockingIOError when none can move."""
        return os.splice(self._source, self._target, _SPLICE, flags=_SPLICE_FLAGS)

    def _holds_bytes(self) -> bool:
        """Whether bytes have left the source that the target has not taken."""
        return False

    def _move(self, _events: int) -> None:
        """Move what there is. Of the two descriptors only the one that we wait for is watched."""
        try:
            moved = self._transfer()
        except BlockingIOError:
            self._wait_for_the_slower()
        except OSError as error:
            self.close()
            if error.errno not in (errno.EPIPE, errno.EIO):  # nobody reads any more; nobody has the terminal open
                raise
        else:
            if moved == 0:
                self.close()
            elif not self._reader.done:
                self._unread = True
                self._loop.unwatch(self._source)
                self._loop.watch(self._target, WRITE, lambda _: self.forgo_reader())
            elif self._holds_bytes():
                self._wait_for_the_slower()  # the source may have nothing more to wake us
            elif self._ending and not _is_ready(self._source, READ):
                self.close()  # nothing will tell us: a stranger keeps it open

    def _wait_for_the_slower(self) -> None:
        """Nothing moved: the source is empty, or the target full. Only poll can tell which.

        The target is asked: the source may have got more data since, and a file is never full.
        """
        if self._holds_bytes() or not _is_ready(self._target, WRITE):
            self._loop.unwatch(self._source)
            self._loop.watch(self._target, WRITE, self._resume)
        elif self._ending:
            self.close()

    def _resume(self, _events: int) -> None:
        self._loop.unwatch(self._target)
        self._loop.watch(self._source, READ, self._move)
        self._move(READ)


class CopyRelay(Relay):
    """The same by read(2) and write(2), for terminals: not every kernel can splice from or to one."""

    def __init__(self, loop: "Loop", source: int, target: int) -> None:
        self._held = b""
        super().__init__(loop, source, target)

    def _holds_bytes(self) -> bool:
        return bool(self._held)

    def _transfer(self) -> int:
        if not self._held:
            self._held = os.read(self._source, _COPY)
            if not self._held:
                return 0
        written = os.write(self._target, self._held)
        self._held = self._held[written:]
        return written


def _is_ready(fd: int, events: int) -> bool:
    poll = select.poll()
    poll.register(fd, events)
    return bool(poll.poll(0))
