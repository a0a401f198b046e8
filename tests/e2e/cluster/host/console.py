"""What a person sees: one line when a step begins, one when it ends, and a sign of life in between."""

from __future__ import annotations

import contextlib
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HEARTBEAT = 30.0  # seconds of silence after which a person begins to wonder
_WORTH_TELLING = 1.0  # a step shorter than this needs no second line


def elapsed(seconds: float) -> str:
    """`7m41s`, `12s` or `0.4s`."""
    if seconds < 10:
        return f"{seconds:.1f}s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest:02d}s" if minutes else f"{rest}s"


@dataclass
class Step:
    """A step under way; `note` is what the sign of life mentions beside the time."""

    note: str = ""


@dataclass
class Console:
    """Writes to one stream, whole lines at a time, from any thread."""

    out: TextIO
    clock: Callable[[], float] = time.monotonic
    heartbeat: float = HEARTBEAT
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def say(self, text: str) -> None:
        with self._lock:
            self.out.write(f"{text}\n")
            self.out.flush()

    @contextlib.contextmanager
    def step(self, title: str, *, beside: str = "") -> Iterator[Step]:
        """Frame a step. `beside` names a step that runs next to another, to tell their lines apart."""
        mark = f"    ({beside}) " if beside else "    "
        self.say(f"==> {title}")
        step, start, over = Step(), self.clock(), threading.Event()

        def beat() -> None:
            while not over.wait(self.heartbeat):
                note = f": {step.note}" if step.note else ""
                self.say(f"{mark}… {elapsed(self.clock() - start)}{note}")

        pulse = threading.Thread(target=beat, daemon=True)
        pulse.start()
        try:
            yield step
        finally:
            over.set()
            pulse.join()
        took = self.clock() - start
        if took >= _WORTH_TELLING:
            self.say(f"{mark}done in {elapsed(took)}")
