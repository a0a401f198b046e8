"""A loop to run stories in, bundles, FIFOs and processes for the tests of the runtime. The processes are real."""

from __future__ import annotations

import contextlib
import gc
import json
import os
import resource
import select
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import pytest

from reaper_runtime.loop import READ, Future, Loop
from reaper_runtime.oci.process import ProcessSpec, User

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterator

T = TypeVar("T")

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="a host process becomes another user: root only")

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


def run_in(loop: Loop, story: Coroutine[Future, None, T], within: float = 40.0) -> T:
    """Run the loop until the story is over; raises TimeoutError where a future was never set."""
    outcome = loop.spawn(story)
    if not outcome.done:
        outcome.when_done(loop.stop)
        timer = loop.call_later(within, lambda: outcome.fail(TimeoutError(f"not over within {within} s")))
        loop.run()
        timer.cancel()
    assert outcome.done, "the loop was stopped before the story was over"
    result: T = outcome.result()
    return result


async def turn(loop: Loop, seconds: float = 0) -> None:
    """Let the loop do what is ready, or go on for a time."""
    over = Future()
    loop.call_later(seconds, over.set)
    await over


async def eventually(loop: Loop, true: Callable[[], object], within: float = 30.0) -> None:
    """Go on until something is true; raises AssertionError if it does not become so.

    The limit is for what never comes: on a machine that is busy with other things, everything takes ten times as long.
    """
    deadline = time.monotonic() + within
    while not true():
        assert time.monotonic() < deadline, "it did not become true"
        await turn(loop, 0.002)


async def settled(future: Future) -> bool:
    """Wait for a future whose value or error does not matter."""
    over = Future()
    future.when_done(over.set)
    await over
    return True


async def read_all(loop: Loop, fd: int) -> bytes:
    """Everything up to the end of file. fd must be non-blocking, and is closed."""
    data = b""
    while True:
        await loop.readable(fd)
        try:
            more = os.read(fd, 1 << 16)
        except BlockingIOError:
            continue
        if not more:
            os.close(fd)
            return data
        data += more


class Reader:
    """The reading end of a FIFO, as containerd holds it: collects what comes."""

    def __init__(self, loop: Loop, path: Path) -> None:
        self.loop = loop
        self.path = path
        self.data = b""
        self.ended = Future()
        self._fd = -1
        self.open()

    def open(self) -> None:
        self._fd = os.open(self.path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        self.loop.watch(self._fd, READ, self._read)

    def close(self) -> None:
        """Go away, as containerd does when it restarts. Harmless when it is closed."""
        if self._fd >= 0:
            self.loop.unwatch(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _read(self, events: int) -> None:
        try:
            more = os.read(self._fd, 1 << 16)
        except BlockingIOError:
            return
        self.data += more
        if not more and events & select.EPOLLHUP:
            self.close()
            self.ended.set()


def spec(*args: str, cwd: str = "/", env: dict[str, str] | None = None, user: User | None = None, **more: Any) -> Any:
    """A ProcessSpec with what a test does not care about filled in."""
    return ProcessSpec(
        args, {"PATH": PATH} if env is None else env, cwd, user or User(os.geteuid(), os.getegid(), (), None), **more
    )


def shell(script: str, **more: Any) -> Any:
    """A ProcessSpec for a line of shell."""
    return spec("/bin/sh", "-c", script, **more)


def process_object(*args: str, **more: Any) -> dict[str, Any]:
    """The `process` of a config.json."""
    user = {"uid": os.geteuid(), "gid": os.getegid()}
    return {"args": list(args), "env": [f"PATH={PATH}"], "cwd": "/", "user": user, **more}


def write_bundle(path: Path, *args: str, annotations: dict[str, str] | None = None, **process: Any) -> str:
    """A bundle that runs args; gives its path."""
    path.mkdir(parents=True, exist_ok=True)
    config = {"ociVersion": "1.2.0", "process": process_object(*args, **process), "annotations": annotations or {}}
    (path / "config.json").write_text(json.dumps(config))
    return str(path)


def write_sandbox(path: Path, name: str = "sandbox") -> str:
    """The bundle of a pod's sandbox."""
    annotations = {"io.kubernetes.cri.container-type": "sandbox", "io.kubernetes.cri.sandbox-id": name}
    return write_bundle(path, "/pause", annotations=annotations)


def is_alive(pid: int) -> bool:
    """Whether a process runs: neither gone nor a zombie. It may have lost its first thread (num_threads of proc(5))."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return fields[0] not in ("Z", "X") or int(fields[17]) > 1


def open_fds() -> int:
    """How many file descriptors this process holds, without those of objects that nobody can reach any more."""
    gc.collect()
    return len(list(Path("/proc/self/fd").iterdir()))


@contextlib.contextmanager
def few_descriptors(spare: int) -> Iterator[None]:
    """So many descriptors more can be opened, and no others (RLIMIT_NOFILE of getrlimit(2))."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    free = [os.open(os.devnull, os.O_RDONLY) for _ in range(spare + 1)]
    for fd in free:
        os.close(fd)
    resource.setrlimit(resource.RLIMIT_NOFILE, (free[-1], hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
