"""containerd's task service (containerd.task.v2 and v3): each method decodes, calls the pod, encodes."""

import os

from reaper_runtime import __version__
from reaper_runtime.errors import InvalidArgument, Unimplemented
from reaper_runtime.host.stdio import StdioPaths
from reaper_runtime.names import check_id
from reaper_runtime.oci import bundle, fields, process, resources, text
from reaper_runtime.process import CREATED, RUNNING, STOPPED
from reaper_runtime.wire import messages as m
from reaper_runtime.wire import metrics

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    from reaper_runtime.container import Container
    from reaper_runtime.errors import ReaperError
    from reaper_runtime.exits import Exit
    from reaper_runtime.pod import Pod
    from reaper_runtime.shim.events import Publisher
    from reaper_runtime.wire.protobuf import Message
    from reaper_runtime.wire.server import Methods

_STATUS = {CREATED: 1, RUNNING: 2, STOPPED: 3}  # containerd.v1.types.Status
_PAUSED = 4
_ANSWERS_KEPT = 64  # of deletes, for containerd to ask again; a liveness probe deletes an exec every few seconds


class TaskService:
    """Answers for one pod."""

    def __init__(
        self,
        pod: "Pod",
        publisher: "Publisher",
        on_shutdown: "Callable[[], None]",
        refusal: "ReaperError | None" = None,
    ) -> None:
        """on_shutdown is called once containerd asks for it and no container is left.

        refusal: why no container can be created in this pod, raised for each; it may be set later, too.
        """
        self._pod = pod
        self._publisher = publisher
        self._on_shutdown = on_shutdown
        self.refusal = refusal
        self._deleted: dict[tuple[str, str], m.DeleteResponse] = {}

    def methods(self) -> "Methods":
        """Method name to request class and coroutine, for the ttrpc server."""
        methods: dict[str, tuple[type[Message], Any]] = {
            "Create": (m.CreateTaskRequest, self.create),
            "Start": (m.StartRequest, self.start),
            "State": (m.StateRequest, self.state),
            "Wait": (m.WaitRequest, self.wait),
            "Kill": (m.KillRequest, self.kill),
            "Delete": (m.DeleteRequest, self.delete),
            "Exec": (m.ExecProcessRequest, self.exec),
            "Pids": (m.PidsRequest, self.pids),
            "CloseIO": (m.CloseIORequest, self.close_io),
            "ResizePty": (m.ResizePtyRequest, self.resize_pty),
            "Stats": (m.StatsRequest, self.stats),
            "Update": (m.UpdateTaskRequest, self.update),
            "Pause": (m.PauseRequest, self.pause),
            "Resume": (m.ResumeRequest, self.resume),
            "Connect": (m.ConnectRequest, self.connect),
            "Shutdown": (m.ShutdownRequest, self.shutdown),
        }
        return methods

    async def create(self, request: m.CreateTaskRequest) -> m.CreateTaskResponse:
        """Prepare a container from its bundle. Its rootfs is not used: the process has an overlay of the node's."""
        check_id(request.id)
        if self.refusal is not None:
            raise self.refusal
        if request.checkpoint:
            raise Unimplemented("restoring from a checkpoint is not possible for a host process")
        loaded = bundle.load(request.bundle)
        if loaded.is_sandbox:
            fields.check(fields.of_the_pod(loaded.unsupported), "this pod")
        else:
            self._check_fields(loaded, request.id)
        stdio = StdioPaths(request.stdin, request.stdout, request.stderr)
        container = await self._pod.create(request.id, loaded, stdio)
        self._deleted.pop((request.id, ""), None)
        io = m.TaskIO(stdin=request.stdin, stdout=request.stdout, stderr=request.stderr, terminal=request.terminal)
        self._publisher.publish(
            m.TaskCreate(
                container_id=request.id, bundle=request.bundle, rootfs=request.rootfs, io=io, pid=container.init.pid
            )
        )
        return m.CreateTaskResponse(pid=container.init.pid)

    def _check_fields(self, loaded: bundle.Bundle, name: str) -> None:
        refuse = self._pod.config.refuse_unsupported
        warning = fields.check(loaded.unsupported, f"container {name}", refuse=refuse)
        for line in (warning, fields.ignored_image(loaded.annotations, f"container {name}")):
            if line:
                self._pod.warn(line)

    async def start(self, request: m.StartRequest) -> m.StartResponse:
        """Run the container's process, or an exec's."""
        container = self._pod.container(request.id)

        def started(pid: int) -> None:
            if request.exec_id:
                self._publisher.publish(m.TaskExecStarted(container_id=request.id, exec_id=request.exec_id, pid=pid))
            else:
                self._publisher.publish(m.TaskStart(container_id=request.id, pid=pid))

        return m.StartResponse(pid=await container.start(request.exec_id, started))

    async def state(self, request: m.StateRequest) -> m.StateResponse:
        """What is known of a process, from memory."""
        container = self._pod.container(request.id)
        of = container.process(request.exec_id)
        stdio = _stdio(container, request.exec_id)
        response = m.StateResponse(
            id=request.exec_id or request.id,
            bundle=container.bundle.path,
            pid=of.pid,
            status=_STATUS.get(of.status, 0),
            stdin=stdio.stdin,
            stdout=stdio.stdout,
            stderr=stdio.stderr,
            terminal=of.has_terminal,
            exec_id=request.exec_id,
        )
        if of.published.done:
            ended: Exit = of.published.result()
            response.exit_status, response.exited_at = ended.code, m.Timestamp.at(ended.at)
        elif of.status == STOPPED:
            response.status = _STATUS[RUNNING]  # its container is still being cleared: nobody has heard of the end
        elif container.tracking.paused and of.status == RUNNING:
            response.status = _PAUSED
        return response

    async def wait(self, request: m.WaitRequest) -> m.WaitResponse:
        """The exit code and time, once there is one."""
        ended: Exit = await self._pod.container(request.id).process(request.exec_id).published
        return m.WaitResponse(exit_status=ended.code, exited_at=m.Timestamp.at(ended.at))

    async def kill(self, request: m.KillRequest) -> m.Empty:
        """Send a signal."""
        self._pod.container(request.id).kill(request.exec_id, request.signal, everything=request.all)
        return m.Empty()

    async def delete(self, request: m.DeleteRequest) -> m.DeleteResponse:
        """Forget what has ended. Asked again, it gives the same answer: the first may have come too late."""
        key = (request.id, request.exec_id)
        if key in self._deleted:
            return self._deleted[key]
        pid, ended = await self._pod.container(request.id).delete(request.exec_id)
        at = m.Timestamp.at(ended.at)
        if not request.exec_id and self._pod.containers.pop(request.id, None) is not None:
            self._publisher.publish(
                m.TaskDelete(container_id=request.id, pid=pid, exit_status=ended.code, exited_at=at)
            )
        while len(self._deleted) >= _ANSWERS_KEPT:
            del self._deleted[next(iter(self._deleted))]
        return self._deleted.setdefault(key, m.DeleteResponse(pid=pid, exit_status=ended.code, exited_at=at))

    async def exec(self, request: m.ExecProcessRequest) -> m.Empty:
        """Prepare one more process in a running container."""
        container = self._pod.container(request.id)
        if request.spec is None:
            raise InvalidArgument(f"exec {request.exec_id} has no process spec")
        where = f"the spec of exec {request.exec_id}"
        spec = process.parse_exec(request.spec.value, where, container.bundle.process)
        await container.add_exec(request.exec_id, spec, StdioPaths(request.stdin, request.stdout, request.stderr))
        self._deleted.pop((request.id, request.exec_id), None)
        self._publisher.publish(m.TaskExecAdded(container_id=request.id, exec_id=request.exec_id))
        return m.Empty()

    async def pids(self, request: m.PidsRequest) -> m.PidsResponse:
        """All processes of a container."""
        return m.PidsResponse(processes=[m.ProcessInfo(pid=pid) for pid in self._pod.container(request.id).pids()])

    async def close_io(self, request: m.CloseIORequest) -> m.Empty:
        """Give the process the end of its input."""
        to = self._pod.container(request.id).process(request.exec_id)
        if request.stdin:
            to.close_stdin()
        return m.Empty()

    async def resize_pty(self, request: m.ResizePtyRequest) -> m.Empty:
        """Give the process's terminal another size."""
        self._pod.container(request.id).process(request.exec_id).resize(request.width, request.height)
        return m.Empty()

    async def stats(self, request: m.StatsRequest) -> m.StatsResponse:
        """CPU, memory and tasks of a container."""
        used = self._pod.container(request.id).usage()
        figures = metrics.Metrics.of(used.pids, used.cpu, used.memory, used.events)
        return m.StatsResponse(stats=m.Any(type_url=metrics.TYPE_URL, value=figures.encode()))

    async def update(self, request: m.UpdateTaskRequest) -> m.Empty:
        """Change the limits of a container that has some."""
        container = self._pod.container(request.id)
        where = f"the resources of container {request.id}"
        wanted = text.decode(request.resources.value if request.resources else b"{}", where)
        await container.tracking.update(resources.parse(wanted, where))
        self._pod.restore_limits(container)
        return m.Empty()

    async def pause(self, request: m.PauseRequest) -> m.Empty:
        """Stop all processes of a container where they are."""
        await self._pod.container(request.id).freeze(frozen=True)
        self._publisher.publish(m.TaskPaused(container_id=request.id))
        return m.Empty()

    async def resume(self, request: m.ResumeRequest) -> m.Empty:
        """Let the processes of a paused container go on."""
        await self._pod.container(request.id).freeze(frozen=False)
        self._publisher.publish(m.TaskResumed(container_id=request.id))
        return m.Empty()

    async def connect(self, request: m.ConnectRequest) -> m.ConnectResponse:
        """Whether we are alive. An unknown id is no error: containerd asks before the first Create."""
        container = self._pod.containers.get(request.id)
        return m.ConnectResponse(
            shim_pid=os.getpid(), task_pid=container.init.pid if container else 0, version=__version__
        )

    async def shutdown(self, _request: m.ShutdownRequest) -> m.Empty:
        """End the shim, unless another container still lives in it: nobody would see to its processes then.

        containerd asks after every delete. `now` makes no difference, as for containerd's own shim.
        """
        if not self._pod.containers:
            self._on_shutdown()
        return m.Empty()

    def publish_oom(self, container_id: str) -> None:
        """Tell containerd that the kernel has killed a process for want of memory."""
        self._publisher.publish(m.TaskOOM(container_id=container_id))

    def publish_exit(self, container_id: str, exec_id: str, pid: int, ended: "Exit") -> None:
        """Tell containerd of an end."""
        self._publisher.publish(
            m.TaskExit(
                container_id=container_id,
                id=exec_id or container_id,
                pid=pid,
                exit_status=ended.code,
                exited_at=m.Timestamp.at(ended.at),
            )
        )


def _stdio(container: "Container", exec_id: str) -> StdioPaths:
    return container.exec_stdio[exec_id] if exec_id else container.stdio
