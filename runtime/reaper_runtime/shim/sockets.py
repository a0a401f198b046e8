"""The shims' sockets as files: whether one is served, and its removal. C modules only: `delete` uses it too."""

import _socket
import fcntl
import os

from reaper_runtime.shim.launch import RUN_DIRECTORY

LOCK = f"{RUN_DIRECTORY}/sockets.lock"


class Lock:
    """The node's lock (flock(2)), held from asking is_served to making or removing the socket. Raises OSError."""

    __slots__ = ("_fd",)

    def __enter__(self) -> None:
        os.makedirs(os.path.dirname(LOCK), mode=0o711, exist_ok=True)
        self._fd = os.open(LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._fd, fcntl.LOCK_EX)

    def __exit__(self, *_: object) -> None:
        os.close(self._fd)


def is_served(path: str) -> bool:
    """Whether somebody listens at this path. It never waits: who has a full queue is there, too (EAGAIN, unix(7))."""
    probe = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM | _socket.SOCK_NONBLOCK)
    try:
        probe.connect(path)
    except BlockingIOError:
        return True
    except OSError:
        return False
    finally:
        probe.close()
    return True


def remove_dead(path: str) -> None:
    """Remove a socket unless it is served: by then it may be another shim's. Raises OSError."""
    with Lock():
        if not is_served(path):
            try:
                os.unlink(path)
            except FileNotFoundError:
                return
