"""Standard output and standard error, made so that no character ends the program, and a full disk is a sentence."""

from __future__ import annotations

import errno
import io
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator


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


@contextmanager
def on_a_disk_that_may_be_full(exit_code: int) -> Iterator[None]:
    """Ends the program with this exit code where there is no room for what it writes."""
    try:
        yield
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        sys.stderr.write(f"error: {error.strerror}\n")
        sys.exit(exit_code)
