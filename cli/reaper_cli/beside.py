"""A program that runs beside us, and whose output is read as it comes."""

from __future__ import annotations

import os
import selectors
import subprocess
import threading
from typing import TYPE_CHECKING

from reaper_cli.errors import NoKubectl

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

_CHUNK = 1 << 16


class Beside:
    """Implements reaper_cli.cluster.Lines. NoKubectl if the program is not there."""

    def __init__(self, command: Sequence[str]) -> None:
        try:
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
        except FileNotFoundError:
            raise NoKubectl(command[0]) from None
        self._complaint = b""
        # Read beside the output: a program that complains a lot must not wait for us.
        self._reader = threading.Thread(target=self._read_complaint, daemon=True)
        self._reader.start()

    def __iter__(self) -> Iterator[str]:
        for line in self.lines(None):
            if line is not None:
                yield line.decode(errors="replace")

    def lines(self, tick: float | None) -> Iterator[bytes | None]:
        """Lines as they come; None when `tick` seconds brought nothing. Ends when the program has."""
        assert self._process.stdout is not None  # noqa: S101 - for the type checker: it was opened as a pipe
        output, rest = self._process.stdout.fileno(), b""
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            while True:
                if not selector.select(tick):
                    yield None
                    continue
                data = os.read(output, _CHUNK)
                if not data:
                    break
                *lines, rest = (rest + data).split(b"\n")
                yield from lines
        if rest:
            yield rest
        self._process.wait()

    def close(self) -> int:
        """End the program if it still runs; its exit code."""
        if self._process.poll() is None:
            self._process.terminate()
        code = self._process.wait()
        self._reader.join()
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        return code

    @property
    def complaint(self) -> str:
        """What it wrote to standard error; complete once it has ended."""
        return self._complaint.decode(errors="replace").strip()

    def _read_complaint(self) -> None:
        assert self._process.stderr is not None  # noqa: S101 - for the type checker: it was opened as a pipe
        self._complaint = self._process.stderr.read()
