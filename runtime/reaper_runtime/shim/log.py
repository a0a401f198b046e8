"""The shim's log: containerd's FIFO `log` in the bundle, in the format of containerd's own log; and REAPER_SHIM_LOG."""

import os
import time

from reaper_runtime import logline

RUNTIME = "io.containerd.reaper.v2"


class Log:
    """Lines to containerd's log; never blocks, and never fails the shim."""

    def __init__(self, bundle: str, **fields: str) -> None:
        """Opens the FIFO for reading too: a containerd that restarts must not cost us an EPIPE."""
        self._fields = {"runtime": RUNTIME, **fields}
        self._fds: list[int] = []
        self._open(os.path.join(bundle, "log"), os.O_RDWR)  # no FIFO: another client than containerd

    def copy_to(self, path: str) -> None:
        """Write to this file too. Says so in the log where that cannot be."""
        if not self._open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT):
            self.warn(f"the log {path} cannot be opened: correct REAPER_SHIM_LOG")

    def warn(self, message: str) -> None:
        """What an administrator should see, though the shim goes on."""
        self._write("warning", message)

    def error(self, message: str) -> None:
        """A defect, or something lost."""
        self._write("error", message)

    def _open(self, path: str, flags: int) -> bool:
        try:
            self._fds.append(os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC, 0o640))
        except OSError:
            return False
        return True

    def _write(self, level: str, message: str) -> None:
        line = logline.text(level, message, self._fields, time.time_ns()).encode(errors="replace")
        for fd in self._fds:
            try:
                os.write(fd, line)
            except OSError:
                continue  # nobody has read it for 64 KiB, or the disk is full: the workload matters more
