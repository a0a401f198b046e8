"""The shim itself: one process a pod, serving its task service until the pod is gone."""

import gc
import os
import signal

from reaper_runtime.exits import Reaper
from reaper_runtime.host import libc
from reaper_runtime.loop import Loop
from reaper_runtime.pod import Pod
from reaper_runtime.shim import bootstrap
from reaper_runtime.shim.events import Publisher
from reaper_runtime.shim.log import Log
from reaper_runtime.shim.service import TaskService
from reaper_runtime.state import PodState
from reaper_runtime.wire.server import Server

TYPE_CHECKING = False
if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from typing import NoReturn

    from reaper_runtime.shim.launch import Launch

IDLE_SECONDS = 60.0  # a shim that never got a container, or lost its containerd after the last one, ends by itself
FLUSH_SECONDS = 2.0  # for events that are still queued at the end
SERVICES = ("containerd.task.v2.Task", "containerd.task.v3.Task")


def run(launch: "Launch", reply: "Callable[[str], None]") -> "NoReturn":
    """Become the shim of this launch. Raises a ReaperError before reply() was called, and never returns after."""
    group = bootstrap.group_of(launch)
    endpoint = bootstrap.open_endpoint(launch, group)
    _write_address(launch.bundle, endpoint.address)
    if endpoint.listener is None:
        reply(endpoint.answer())
        os._exit(0)
    state = PodState(launch.namespace, group)
    log = Log(launch.bundle, id=launch.container, namespace=launch.namespace)
    reply(endpoint.answer())  # it listens: what containerd sends meanwhile waits a millisecond
    os.setsid()
    os.chdir("/")
    shim = Shim(launch, endpoint.listener, state, log)
    libc.set_command_line(
        f"containerd-shim-reaper-v2 -namespace {launch.namespace} -id {group} -address {launch.address}"
    )
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a node that shuts down ends its pods through containerd
    gc.enable()
    shim.serve()
    os._exit(0)


class Shim:
    """Loop, pod, publisher and server of one pod, wired together."""

    def __init__(self, launch: "Launch", listener: "socket.socket", state: PodState, log: Log) -> None:
        libc.become_subreaper()
        self._loop = Loop(lambda error: log.error(f"defect: {type(error).__name__}: {error}"))
        self._publisher = Publisher(self._loop, launch.ttrpc_address, launch.namespace, log.warn)
        self._pod = Pod(self._loop, Reaper(self._loop), state, self._publish_exit)
        self._service = TaskService(self._pod, self._publisher, self._shut_down)
        self._server = Server(self._loop, listener, {name: self._service.methods() for name in SERVICES}, log.warn)
        self._socket: str = listener.getsockname()

    def serve(self) -> None:
        """Until containerd shuts us down, or nobody needs us any more."""
        self._loop.call_later(IDLE_SECONDS, self._check_idle)
        self._loop.run()
        try:
            os.unlink(self._socket)
        except FileNotFoundError:
            return

    def _publish_exit(self, *exited: "object") -> None:
        self._service.publish_exit(*exited)  # type: ignore[arg-type]  # the pod was made before the service

    def _check_idle(self) -> None:
        if not self._pod.containers and not self._server.connections:
            self._shut_down()
        else:
            self._loop.call_later(IDLE_SECONDS, self._check_idle)

    def _shut_down(self) -> None:
        """Stop once the answer and all events are out."""
        self._loop.call_later(FLUSH_SECONDS, self._loop.stop)
        self._publisher.sent.when_done(self._stop_soon)

    def _stop_soon(self) -> None:
        self._loop.call_later(0, self._loop.stop)


def _write_address(directory: str, address: str) -> None:
    """The file from which containerd before 2.0 finds the shim again, written as a whole or not at all."""
    temporary = os.path.join(directory, ".address")
    with open(temporary, "w") as file:
        file.write(address)
    os.rename(temporary, os.path.join(directory, "address"))
