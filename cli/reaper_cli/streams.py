"""Standard output and standard error, made so that no character ends the program."""

from __future__ import annotations

import io
import sys


def be_lenient() -> None:
    """What the encoding of a terminal does not have, such as ✅ in latin1, becomes a question mark there instead of a
    UnicodeEncodeError. In a file or a pipe nothing is lost: it is UTF-8, whatever the locale says, as manifests are.

    Streams that somebody else has put there stay as they are.
    """
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            if stream.isatty():
                stream.reconfigure(errors="replace")
            else:
                stream.reconfigure(encoding="utf-8")
