"""The shim itself: one process a pod, serving its task service until the pod is gone."""

import gc
import os

from reaper_runtime import config
from reaper_runtime.errors import AlreadyExists, Unavailable
from reaper_runtime.exits import Reaper
from reaper_runtime.host import file, libc, procfs
from reaper_runtime.host.cgroup import cgroup
from reaper_runtime.loop import Loop
from reaper_runtime.placement import Placement
from reaper_runtime.pod import Pod
from reaper_runtime.shim import bootstrap, sockets
from reaper_runtime.shim.events import Publisher
from reaper_runtime.shim.log import Log
from reaper_runtime.shim.service import TaskService
from reaper_runtime.state import Mark, PodState
from reaper_runtime.stdlib import signal
from reaper_runtime.wire.server import Server

TYPE_CHECKING = False
if TYPE_CHECKING:
    import _socket
    from collections.abc import Callable
    from typing import NoReturn

    from reaper_runtime.shim.launch import Launch

IDLE_SECONDS = 60.0  # a shim that never got a container, or lost its containerd after the last one, ends by itself
FLUSH_SECONDS = 2.0  # for events that are still queued at the end
_MAX_OOM_SCORE_ADJ = 1000  # proc(5)
SERVICES = ("containerd.task.v2.Task", "containerd.task.v3.Task")


def run(launch: "Launch", reply: "Callable[[bytes], None]") -> "NoReturn":
    """Become the shim of this launch. Raises a ReaperError before reply() was called, and never returns after."""
    group = bootstrap.group_of(launch)
    state = PodState(launch.namespace, group)
    log = Log(launch.bundle, id=launch.container, namespace=launch.namespace)
    mark: Mark | None = None

    def mark_pod(socket_path: str) -> None:
        nonlocal mark
        mark = note(state, socket_path, log)

    endpoint = bootstrap.open_endpoint(launch, group, mark_pod)
    file.replace(os.path.join(launch.bundle, "address"), endpoint.address)  # containerd before 2.0 looks there again
    if endpoint.listener is None:
        reply(endpoint.answer())
        os._exit(0)
    names = (launch.namespace, group)
    reply(endpoint.answer())  # it listens: what containerd sends meanwhile waits a millisecond
    os.setsid()
    os.chdir("/")
    _die_before_containerd()
    shim = Shim(launch, endpoint.listener, state, log, mark)
    if mark:
        cgroup.prepare(*names)  # while nobody waits
    libc.set_command_line(
        f"containerd-shim-reaper-v2 -namespace {launch.namespace} -id {group} -address {launch.address}"
    )
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a node that shuts down ends its pods through containerd
    gc.enable()
    shim.serve()
    os._exit(0)


class Shim:
    """Loop, pod, publisher and server of one pod, wired together."""

    def __init__(
        self, launch: "Launch", listener: "_socket.socket", state: PodState, log: Log, mark: Mark | None
    ) -> None:
        """mark: what note() has written down."""
        libc.become_subreaper()
        self._log = log
        self._loop = Loop(lambda error: log.error(f"defect: {type(error).__name__}: {error}"))
        self._publisher = Publisher(self._loop, launch.ttrpc_address, launch.namespace, log.warn)
        settings, refusal = _configuration(launch, log)
        placement = Placement(settings, launch.namespace)
        self._pod = Pod(
            self._loop,
            Reaper(self._loop),
            state,
            self._publish_exit,
            on_oom=self._publish_oom,
            warn=log.warn,
            config=settings,
            placement=placement,
        )
        self._service = TaskService(self._pod, self._publisher, self._shut_down, refusal)
        self._server = Server(self._loop, listener, {name: self._service.methods() for name in SERVICES}, log.warn)
        self._mark = mark
        self._socket: str = listener.getsockname()
        self._stopping = False

    def serve(self) -> None:
        """Until containerd shuts us down, or nobody needs us any more."""
        self._loop.call_later(IDLE_SECONDS, self._check_idle)
        self._loop.run()

    def _publish_exit(self, *exited: "object") -> None:
        self._service.publish_exit(*exited)  # type: ignore[arg-type]  # the pod was made before the service

    def _publish_oom(self, container_id: str) -> None:
        self._service.publish_oom(container_id)

    def _check_idle(self, *, was_idle: bool = False) -> None:
        """was_idle: there was no container at the last look either. containerd 1.6 that was killed while it created one
        connects to the shim when it is back, and keeps it for ever."""
        idle = not self._pod.containers
        if idle and (was_idle or not self._server.connections):
            self._shut_down()
        else:
            self._loop.call_later(IDLE_SECONDS, lambda: self._check_idle(was_idle=idle))

    def _shut_down(self) -> None:
        """Take no container and no connection any more, and stop once the answer and all events are out.

        Whatever has the pod's name goes before the answer: a pod of the same name may be started as soon as it is read.
        """
        if self._stopping:
            return
        self._stopping = True
        self._service.refusal = Unavailable("this shim is shutting down")
        self._server.stop_listening()
        self._loop.call_later(FLUSH_SECONDS, self._loop.stop)
        self._publisher.sent.when_done(self._stop_soon)
        sockets.remove_dead(self._socket)
        cgroup.forget(*self._pod.names)
        if self._mark is not None:
            with sockets.Lock():
                self._pod.state.take_back(self._mark)

    def _stop_soon(self) -> None:
        self._loop.call_later(0, self._loop.stop)


def note(state: PodState, socket_path: str, log: Log) -> Mark | None:
    """Write down what this shim is going to have, for who clears up after it if it is killed. None if it could not
    be. In sockets.Lock: a shim that had the pod's id takes its own note back at its end.

    Raises AlreadyExists where another containerd of this node has a pod of this id, which would share its cgroups.
    """
    held = state.marked()
    if held and _is_anothers(held, socket_path):
        whose = f"pod {state.group} of namespace {state.namespace}"
        raise AlreadyExists(f"{whose} runs on node {os.uname().nodename} for another containerd: take another id")
    mark = Mark.of_this_process(cgroup.places(state.namespace, state.group), socket_path)
    try:
        state.mark(mark)
    except OSError as error:  # each container will be refused for the same reason
        log.warn(f"{state.path} cannot be written: {error.strerror}")
        return None
    return mark


def _is_anothers(mark: Mark, socket_path: str) -> bool:
    """Whether it is of a living shim of another containerd, whose address is in the socket's name."""
    name = os.path.basename(mark.socket)
    return name not in ("", os.path.basename(socket_path)) and procfs.is_alive(mark.pid, mark.start_time)


def _die_before_containerd() -> None:
    """One more than containerd's oom score, which the fork server inherited, as containerd's own shims have."""
    try:
        with open("/proc/self/oom_score_adj", "r+b", buffering=0) as setting:
            score = min(int(setting.read()) + 1, _MAX_OOM_SCORE_ADJ)
            setting.seek(0)
            setting.write(b"%d" % score)
    except OSError:
        return  # without /proc: nothing depends on it


def _configuration(launch: "Launch", log: Log) -> tuple[config.Config, config.InvalidConfig | None]:
    """The node's configuration for this pod; or, with the defaults, why the pod cannot be served."""
    try:
        settings = config.load(dict(entry.split("=", 1) for entry in launch.settings.split("\0")[:-1]))
    except config.InvalidConfig as error:
        log.warn(str(error))
        return config.Config(), error
    if settings.shim_log:
        log.copy_to(settings.shim_log)
    for warning in settings.warnings:
        log.warn(warning)
    return settings, None
