"""Running programs: the one way out of this package, so that tests can stand in for the machine."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import threading
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING, Protocol

from cluster.errors import ClusterError, CommandFailed
from cluster.host.polling import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence
    from pathlib import Path

_PATIENCE = 10.0  # seconds that a program gets to clean up after SIGTERM before it is killed


TIMED_OUT = 124  # the exit code that timeout(1) gives


@dataclass(frozen=True)
class Result:
    """How a program ended and what it said."""

    code: int
    out: str = ""
    err: str = ""

    @property
    def ok(self) -> bool:
        return self.code == 0


class Child(Protocol):
    """A program left running in the background."""

    @property
    def pid(self) -> int: ...

    def poll(self) -> int | None: ...


class Runner(Protocol):
    """Runs programs to their end, or leaves one running."""

    def run(
        self,
        command: Sequence[str],
        *,
        stdin: str | Path | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        timeout: float | None = None,
        check: bool = True,
        on_line: Callable[[str], None] | None = None,
    ) -> Result:
        """Run to the end. `stdin` is text, or a file; `env` is added to ours; `on_line` sees standard error."""

    def spawn(self, command: Sequence[str], log: Path) -> Child:
        """Leave a program running, out of reach of Ctrl-C, with its output in `log`."""

    def stop(self, child: Child) -> None:
        """End a spawned program and wait until it is gone."""

    def stop_all(self) -> None:
        """End everything that `run` has under way, in whichever thread."""


class Processes:
    """The Runner that really runs programs. Ctrl-C ends every one of them before it goes on up."""

    def __init__(self) -> None:
        self._running: set[subprocess.Popen[str]] = set()
        self._lock = threading.Lock()

    def run(
        self,
        command: Sequence[str],
        *,
        stdin: str | Path | None = None,
        env: Mapping[str, str] | None = None,
        cwd: Path | None = None,
        timeout: float | None = None,
        check: bool = True,
        on_line: Callable[[str], None] | None = None,
    ) -> Result:
        with _opened(stdin) as source, self._started(command, source, env, cwd) as process:
            out, err = _Reader(process.stdout, None), _Reader(process.stderr, on_line)
            try:
                code = process.wait(timeout)
            except subprocess.TimeoutExpired:
                _end(process)
                why = f"gave no answer within {timeout:.0f} s"
                if check:
                    raise CommandFailed(command, why, err.text()) from None
                return Result(TIMED_OUT, out.text(), f"{err.text()}{command[0]} {why}\n")
            result = Result(code, out.text(), err.text())
        if check and not result.ok:
            raise CommandFailed(command, f"failed with exit code {code}", result.err + result.out)
        return result

    def spawn(self, command: Sequence[str], log: Path) -> Child:
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("wb") as output:
            return subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
            )

    def stop(self, child: Child) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            if child.poll() is not None:
                return
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, number)
            eventually(lambda: child.poll() is not None, within=_PATIENCE, every=0.05)

    def stop_all(self) -> None:
        with self._lock:
            running = list(self._running)
        for process in running:
            _end(process)

    @contextlib.contextmanager
    def _started(
        self, command: Sequence[str], stdin: IO[bytes] | int, env: Mapping[str, str] | None, cwd: Path | None
    ) -> Iterator[subprocess.Popen[str]]:
        try:
            process = subprocess.Popen(
                command,
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**os.environ, **(env or {})},
                cwd=cwd,
                text=True,
                errors="replace",
                start_new_session=True,  # a group of its own: Ctrl-C reaches us, and we end the whole group
            )
        except FileNotFoundError:
            raise ClusterError(f"`{command[0]}` is not installed; install it and try again") from None
        with self._lock:
            self._running.add(process)
        try:
            yield process
        finally:
            if process.poll() is None:
                _end(process)
            with self._lock:
                self._running.discard(process)


class _Reader:
    """Collects a stream in its own thread, so that neither pipe can fill up and stop the program."""

    def __init__(self, stream: IO[str] | None, on_line: Callable[[str], None] | None) -> None:
        assert stream is not None  # always a pipe here
        self._lines: list[str] = []
        self._thread = threading.Thread(target=self._collect, args=(stream, on_line), daemon=True)
        self._thread.start()

    def _collect(self, stream: IO[str], on_line: Callable[[str], None] | None) -> None:
        with stream:
            for line in stream:
                self._lines.append(line)
                if on_line:
                    on_line(line.rstrip())

    def text(self) -> str:
        # A grandchild may hold the pipe open for ever; what has been said by now is what counts.
        self._thread.join(timeout=_PATIENCE)
        return "".join(self._lines)


@contextlib.contextmanager
def _opened(stdin: str | Path | None) -> Iterator[IO[bytes] | int]:
    if stdin is None:
        yield subprocess.DEVNULL
    elif isinstance(stdin, str):
        # A file rather than a pipe: a program that does not read its input cannot block us.
        with tempfile.TemporaryFile() as file:
            file.write(stdin.encode())
            file.seek(0)
            yield file
    else:
        with stdin.open("rb") as file:
            yield file


def _end(process: subprocess.Popen[str]) -> None:
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(_PATIENCE)
            return
