"""Standard output and standard error, made so that no character ends the program."""

from __future__ import annotations

import io
import sys


def be_lenient() -> None:
    """What the encoding of a terminal does not have, such as ✅ in latin1, becomes a question mark instead of a
    UnicodeEncodeError. Streams that somebody else has put there stay as they are."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
