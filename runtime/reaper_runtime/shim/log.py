"""The shim's log: containerd's FIFO `log` in the bundle, in the format of containerd's own log."""

import os
import time


class Log:
    """Lines to containerd's log; never blocks, and never fails the shim."""

    def __init__(self, bundle: str, **fields: str) -> None:
        """Opens the FIFO for reading too: a containerd that restarts must not cost us an EPIPE."""
        self._fields = "".join(f" {name}={value}" for name, value in fields.items())
        try:
            self._fd = os.open(os.path.join(bundle, "log"), os.O_RDWR | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            self._fd = -1  # no FIFO: another client than containerd

    def warn(self, message: str) -> None:
        """What an administrator should see, though the shim goes on."""
        self._write("warning", message)

    def error(self, message: str) -> None:
        """A defect, or something lost."""
        self._write("error", message)

    def _write(self, level: str, message: str) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        quoted = message.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
        line = f'time="{now}" level={level} msg="{quoted}" runtime=io.containerd.reaper.v2{self._fields}\n'
        if self._fd >= 0:
            try:
                os.write(self._fd, line.encode(errors="replace"))
            except OSError:
                return  # nobody has read the log for 64 KiB, or it is broken: the workload matters more
