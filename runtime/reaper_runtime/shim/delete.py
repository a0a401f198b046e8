"""`containerd-shim-reaper-v2 delete`: after a shim is gone, leave nothing of its pod behind.

Run for a sandbox it clears the whole pod: for shims of version 3, containerd asks for nothing else.
"""

import os
import time

from reaper_runtime.state import STATE, PodState, find_group
from reaper_runtime.wire.messages import DeleteResponse, Timestamp

TYPE_CHECKING = False
if TYPE_CHECKING:
    from reaper_runtime.host.procfs import Stat
    from reaper_runtime.state import Record

KILLED = 137  # 128 + SIGKILL: never 0, nobody knows how it would have ended
_DEATH_SECONDS = 2.0  # of the 5 that containerd gives us


def delete(namespace: str, name: str, bundle: str, root: str = STATE) -> DeleteResponse:
    """Kill and forget the processes recorded under this id. Nothing recorded is fine: it was all done before."""
    group = find_group(namespace, name, root)
    state = PodState(namespace, group or name, root)
    records = [r for r in state.records() if group is None or r.name == name or r.name.startswith(f"{name}:")]
    if records:
        _kill(records)
    for record in records:
        state.forget(record.name)
    _remove_socket(bundle)
    pid = next((record.pid for record in records if record.name == name), 0)
    return DeleteResponse(pid=pid, exit_status=KILLED, exited_at=Timestamp.at(time.time_ns()))


def _kill(records: "list[Record]") -> None:
    """SIGKILL the recorded processes and their sessions, and wait until all are dead, or the time is over."""
    from reaper_runtime.host import procfs  # only here: mostly there is nothing to kill

    dying = procfs.kill_all(lambda: [p for r in records for p in procfs.session_members(r.pid, r.start_time)])
    deadline = time.monotonic() + _DEATH_SECONDS
    for process in dying:
        _wait(process, deadline)


def _wait(process: "Stat", deadline: float) -> None:
    import select

    from reaper_runtime.host.procfs import stat

    try:
        fd = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    now = stat(process.pid)
    if now is not None and now.start_time == process.start_time:
        poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
    os.close(fd)


def _remove_socket(bundle: str) -> None:
    """The dead shim's socket; a living one has not left it behind and is left alone."""
    try:
        with open(os.path.join(bundle, "address")) as file:
            path = file.read().strip().removeprefix("unix://")
    except OSError:
        return
    import _socket

    probe = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM)
    try:
        probe.connect(path)
    except ConnectionRefusedError:
        _unlink(path)
    except OSError:
        return
    finally:
        probe.close()


def _unlink(path: str) -> None:
    try:
        os.unlink(path)
    except OSError:
        return  # another `delete` was faster
