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
    from reaper_runtime.state import Mark, Record

KILLED = 137  # 128 + SIGKILL: never 0, nobody knows how it would have ended
_DEATH_SECONDS = 2.0  # of the 5 that containerd gives us
_UNIT_SECONDS = 0.5  # and for systemd, until what it does not see is stopped
_EXIT_SECONDS = 1.0  # and for a shim that dies: its connections are closed before its socket is


def delete(namespace: str, name: str, bundle: str, root: str = STATE) -> DeleteResponse:
    """Kill and forget the processes recorded under this id. Nothing recorded is fine: it was all done before."""
    group = find_group(namespace, name, root)
    state = PodState(namespace, group or name, root)
    records = [r for r in state.records() if group is None or r.name == name or r.name.startswith(f"{name}:")]
    whole_pod = group in (None, name)
    clear(state, records, whole_pod=whole_pod, mark=state.marked() if whole_pod else None)
    state.forget_half_written(None if group is None else name)
    _remove_socket(_address(bundle))
    pid = next((record.pid for record in records if record.name == name), 0)
    return DeleteResponse(pid=pid, exit_status=KILLED, exited_at=Timestamp.at(time.time_ns()))


def clear(state: PodState, records: "list[Record]", *, whole_pod: bool, mark: "Mark | None") -> None:
    """Kill what is recorded, and what is in its cgroups and sessions, and forget it; of a whole pod what is marked.

    A shim that lives keeps what is marked: it takes that back itself, and who kills it later has to find it.
    """
    cgroups = mark.cgroups if mark else ()
    if records or cgroups:
        _kill(records, cgroups)
        _end_units(records)
    for record in records:
        _remove_cgroups(record.cgroups, state)
        state.forget(record.name)
    if mark and (not state.holds(mark) or _lives_on(mark)):
        return  # or a new pod has that id meanwhile
    if mark:
        _remove_cgroups(cgroups, state)
        _remove_socket(mark.socket)
        _take_back(state, mark)
    elif whole_pod:
        state.task.forget()


def _kill(records: "list[Record]", pod_cgroups: tuple[str, ...]) -> None:
    """SIGKILL the recorded processes, their cgroups and sessions, and wait until all are dead, or the time is over."""
    from reaper_runtime.host import procfs  # only here: mostly there is nothing to kill
    from reaper_runtime.host.cgroup import directory

    cgroups = [*(path for record in records for path in record.cgroups[:1]), *pod_cgroups]
    dying = [process for path in cgroups for process in directory.kill(path)]
    dying += procfs.kill_all(lambda: [p for r in records for p in procfs.session_members(r.pid, r.start_time)])
    deadline = time.monotonic() + _DEATH_SECONDS
    for process in dying:
        _wait(process, deadline)


def _lives_on(mark: "Mark") -> bool:
    """Whether the shim is there, and does not end now."""
    from reaper_runtime.host import procfs

    shim = procfs.stat(mark.pid)
    if shim is None or shim.start_time != mark.start_time:
        return False
    _wait(shim, time.monotonic() + _EXIT_SECONDS)
    return procfs.is_alive(mark.pid, mark.start_time)


def _end_units(records: "list[Record]") -> None:
    """Have systemd remove what is a unit of its own."""
    from reaper_runtime.host.cgroup import directory

    units = [path for record in records for path in record.cgroups if directory.is_unit(path)]
    if units:
        from reaper_runtime.host.cgroup import scope  # only here: mostly systemd has removed them by now

        scope.end(units, _UNIT_SECONDS)


def _remove_cgroups(cgroups: tuple[str, ...], state: PodState) -> None:
    """A container's or the pod's, and what is empty above them then; kubelet's own stay."""
    if not cgroups:
        return
    from reaper_runtime.host.cgroup import directory

    directory.remove(cgroups)
    pod = f"/{state.namespace}/{state.group}"
    for path in cgroups:
        place = path if path.endswith(pod) else os.path.dirname(path)
        if place.endswith(pod):
            directory.remove_empty(place)
            directory.remove_empty(os.path.dirname(place))


def _wait(process: "Stat", deadline: float) -> None:
    import select

    from reaper_runtime.host.procfs import open_pidfd

    fd = open_pidfd(process)
    if fd is None:
        return
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    poll.poll(max(0.0, deadline - time.monotonic()) * 1000)
    os.close(fd)


def _take_back(state: PodState, mark: "Mark") -> None:
    from reaper_runtime.shim.sockets import Lock

    try:
        with Lock():
            state.take_back(mark)
    except OSError:
        return  # the fork server sees to it when the next shim is killed


def _address(bundle: str) -> str:
    """The path of the dead shim's socket, "" where the bundle does not tell."""
    try:
        with open(os.path.join(bundle, "address")) as file:
            return file.read().strip().removeprefix("unix://")
    except OSError:
        return ""


def _remove_socket(path: str) -> None:
    """The dead shim's socket; a living one has not left it behind and is left alone."""
    if not path:
        return
    from reaper_runtime.shim.sockets import remove_dead

    try:
        remove_dead(path)
    except OSError:
        return  # `start` replaces a dead socket, too
