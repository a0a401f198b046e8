"""Where a command says what went wrong: standard error for who typed it, a log file for who called it, as runc's."""

import os
import time

from reaper_runtime import logline
from reaper_runtime.errors import FailedPrecondition


class Log:
    """The file of --log, in text or JSON; without one, nothing is written."""

    def __init__(self, path: str = "", form: str = "text") -> None:
        """Raises FailedPrecondition where the file cannot be opened."""
        self._format = logline.json if form == "json" else logline.text
        self.fd = -1
        if path:
            try:
                self.fd = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
            except OSError as error:
                raise FailedPrecondition(f"the log {path} cannot be opened: {error.strerror}") from error

    def warn(self, message: str) -> None:
        """What somebody should know, though the command goes on."""
        self._write("warning", message)

    def error(self, message: str) -> None:
        """A defect, or something lost."""
        self._write("error", message)

    def failed(self, reason: str) -> None:
        """Why the command failed."""
        self._write("error", reason)

    def debug(self, message: str) -> None:
        """What was done; written with --debug only."""
        self._write("debug", message)

    def _write(self, level: str, message: str) -> None:
        if self.fd >= 0:
            try:
                os.write(self.fd, self._format(level, message, {}, time.time_ns()).encode(errors="replace"))
            except OSError:
                return  # a full disk must not change what happens to the container
