"""The ttrpc server and the task service behind it, under inputs that libFuzzer finds by what code they reach.

    make fuzz                                            with a million of them, after the million random ones
    python -m tests.fuzz.guided --inputs 10000 --seed 7

An input is all that a client sends on one connection. It begins with a valid request of each method.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

try:
    import atheris  # type: ignore[import-untyped]
except ImportError as error:
    raise SystemExit(
        "what is guided by coverage needs atheris, which is for Linux on x86_64: see pyproject.toml"
    ) from error

with atheris.instrument_imports(include=["reaper_runtime"]):
    from reaper_runtime.wire.ttrpc import REQUEST, encode_frame
    from tests.fuzz.ttrpc_server import HANG_SECONDS, Target, corpus, open_descriptors, parse, rss

if TYPE_CHECKING:
    from collections.abc import Sequence

EVERY = 10_000  # inputs between two looks at what has grown
LONGEST = 4096  # bytes: longer than any frame of the corpus, and than some frames together
GROWTH_KB = 128 << 10  # libFuzzer keeps the inputs that it found, and what it knows of them, in this process too
SPARE_DESCRIPTORS = 4


class Fuzzed(Exception):
    """Something that must not happen did; libFuzzer keeps the input and says where."""


class Guided:
    """The target, and what it holds as time goes by."""

    def __init__(self, folder: Path) -> None:
        self._target = Target(folder)
        self._inputs = 0
        self._memory = self._descriptors = 0

    def one(self, data: bytes) -> None:
        """One input. Raises Fuzzed."""
        self._inputs += 1
        self._target.reconnect()
        self._target.send(data)
        if self._target.errors:
            raise Fuzzed(self._target.errors[0])
        if self._inputs % EVERY == 0:
            self._look()

    def _look(self) -> None:
        if not self._target.is_well():
            raise Fuzzed("a proper question has no answer any more")
        memory, descriptors = rss(), open_descriptors()
        if not self._memory:
            self._memory, self._descriptors = memory, descriptors
        if descriptors > self._descriptors + SPARE_DESCRIPTORS:
            raise Fuzzed(f"{descriptors} descriptors are open, and were {self._descriptors}")
        if memory > self._memory + GROWTH_KB:
            raise Fuzzed(f"{memory} KB are in use, and were {self._memory}")
        print(f"{self._inputs} inputs, {memory} KB, {descriptors} descriptors", flush=True)


def seeds(folder: Path) -> None:
    """A file for each request of the corpus, and one with all of them."""
    frames = [encode_frame(2 * number + 1, REQUEST, body) for number, body in enumerate(corpus())]
    for number, data in enumerate([*frames, b"".join(frames)]):
        (folder / str(number)).write_bytes(data)


def fuzz(folder: Path, inputs: int, seed: int) -> None:
    """Does not return: libFuzzer ends the process, with 0 when all is well."""
    guided = Guided(folder)
    words = [f"-runs={inputs}", f"-seed={seed}", f"-timeout={HANG_SECONDS}", f"-max_len={LONGEST}"]
    words += ["-verbosity=0", f"-artifact_prefix={folder}/", str(folder / "corpus")]
    atheris.Setup([sys.argv[0], *words], guided.one)
    atheris.Fuzz()


def main(arguments: Sequence[str]) -> int:
    """0 when all is well; else the input that broke it stays, and its path is printed."""
    options = parse(__doc__, arguments)
    folder = Path(tempfile.mkdtemp(prefix="z", dir="/tmp"))
    (folder / "corpus").mkdir()
    seeds(folder / "corpus")
    fuzzing = os.fork()
    if fuzzing == 0:
        fuzz(folder, options.inputs, options.seed)
    code = os.waitstatus_to_exitcode(os.waitpid(fuzzing, 0)[1])
    if code == 0:
        shutil.rmtree(folder)
    else:
        print(f"ended with {code}: the input is in {folder}")
    return int(code != 0)


if __name__ == "__main__":
    os.umask(0o077)
    sys.exit(main(sys.argv[1:]))
