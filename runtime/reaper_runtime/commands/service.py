"""The task service of one OCI container: that of the shim, with hooks, and with a state for others to read."""

import os

from reaper_runtime.commands import hooks
from reaper_runtime.commands.home import CREATED, CREATING, RUNNING, STOPPED, State
from reaper_runtime.errors import FailedPrecondition, NotFound, ReaperError
from reaper_runtime.loop import Future
from reaper_runtime.oci.hooks import CREATE_CONTAINER, CREATE_RUNTIME, POSTSTART, POSTSTOP, PRESTART, START_CONTAINER
from reaper_runtime.shim.service import TaskService
from reaper_runtime.wire import messages as m

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from reaper_runtime.commands.home import Home
    from reaper_runtime.container import Container
    from reaper_runtime.pod import Pod
    from reaper_runtime.shim.events import Publisher

_ORDER = (CREATING, CREATED, RUNNING, STOPPED)
DETACHED = "detached-"  # how the ids of execs begin whose end nobody waits for
_KILL = 9


class OciService(TaskService):
    """Answers for one container. Its lifecycle is that of OCI runtime-spec 1.2, runtime.md, "Lifecycle"."""

    def __init__(
        self, pod: "Pod", publisher: "Publisher", home: "Home", owner: str, on_deleted: "Callable[[], None]"
    ) -> None:
        super().__init__(pod, publisher, lambda: None)
        self._home = home
        self._owner = owner
        self._on_deleted = on_deleted
        self._recorded: State | None = None
        self._starting = False
        self._given_up = Future()  # set by delete --force while hooks of create run
        self._destroyed: Future | None = None

    async def create(self, request: "m.CreateTaskRequest") -> "m.CreateTaskResponse":
        """Steps 1 to 5. A hook that fails destroys the container."""
        self._recorded = State(id=request.id, bundle=request.bundle, owner=self._owner)
        self._home.write(self._recorded)
        response = await super().create(request)
        container = self._pod.container(request.id)
        self._recorded.annotations = container.bundle.annotations
        self._recorded.pid, self._recorded.start_time = container.init.pid, container.init.start_time
        try:
            self._record(CREATING)
            for kind in (PRESTART, CREATE_RUNTIME, CREATE_CONTAINER):
                await self._run_hooks(container, kind)
            if self._given_up.done:
                raise FailedPrecondition(f"container {request.id} was deleted by force")
            self._record(CREATED)
        except (ReaperError, OSError):
            await self._destroy(container)
            raise
        return response

    async def start(self, request: "m.StartRequest") -> "m.StartResponse":
        """Steps 6 to 9 for the container's own process. A hook that fails stops the container."""
        if request.exec_id:
            return await super().start(request)
        container = self._pod.container(request.id)
        status = "starting" if self._starting else self._status(container)
        if status != CREATED:
            raise FailedPrecondition(f"container {request.id} is {status}: only a created container can be started")
        self._starting = True
        try:
            await self._run_hooks(container, START_CONTAINER)
            response = await super().start(request)
            self._record(RUNNING)
            await self._run_hooks(container, POSTSTART)
        except ReaperError:
            await self._stop(container)
            self._record(STOPPED)
            raise
        finally:
            self._starting = False
        return response

    async def kill(self, request: "m.KillRequest") -> "m.Empty":
        """Signal what is created or running. `delete --force` ends what is still being created, too."""
        if not request.exec_id:
            status = self._status(self._pod.container(request.id))
            if status == CREATING and request.all and request.signal == _KILL:  # delete --force: a hook may never end
                self._given_up.set()
                self._destroyed = self._destroyed or Future()
            elif status in (CREATING, STOPPED):
                raise FailedPrecondition(f"container {request.id} is {status}: it takes no signals")
        return await super().kill(request)

    async def delete(self, request: "m.DeleteRequest") -> "m.DeleteResponse":
        """Steps 11 to 13. Only what has stopped can be deleted."""
        container = self._pod.container(request.id)
        if request.exec_id:
            return await super().delete(request)
        if self._destroyed is not None:
            await self._destroyed
            raise NotFound(f"there is no container {request.id}")
        status = self._status(container)
        if status != STOPPED:
            raise FailedPrecondition(
                f"container {request.id} is {status}: only a stopped container can be deleted; kill it, or use --force"
            )
        response = await super().delete(request)
        await self._poststop(container)
        return response

    def publish_exit(self, container_id: str, exec_id: str, _pid: int, _ended: "object") -> None:
        """Record the end; forget an exec that nobody waits for."""
        if not exec_id:
            self._record(STOPPED)
        elif exec_id.startswith(DETACHED):
            forget = m.DeleteRequest(id=container_id, exec_id=exec_id)
            self._pod.loop.call_later(0, lambda: self._pod.loop.spawn_detached(self.delete(forget)))

    def _status(self, container: "Container") -> str:
        """That of its process, which is created before the hooks of `create` have run: the container is not."""
        status = container.init.status
        creating = self._recorded is not None and self._recorded.status == CREATING
        return CREATING if creating and status != STOPPED else status

    def _record(self, status: str) -> None:
        """Nothing goes back: an exit may be recorded before the answer of Start."""
        if self._recorded is None or self._recorded.status == STOPPED:
            return
        if _ORDER.index(status) < _ORDER.index(self._recorded.status):
            return
        self._recorded.status = status
        try:
            self._home.write(self._recorded)
        except OSError as error:
            self._pod.warn(f"the state of container {self._home.name} cannot be written: {error.strerror}")

    async def _run_hooks(self, container: "Container", kind: str) -> None:
        if kind in container.bundle.hooks and self._recorded is not None:
            document = self._recorded.document()
            await hooks.run(
                self._pod.loop, self._pod.reaper, kind, container.bundle.hooks[kind], document, self._given_up
            )

    async def _stop(self, container: "Container") -> None:
        """SIGKILL, and wait for the end."""
        if container.init.status != STOPPED:
            container.kill("", _KILL, everything=True)
        await container.init.published

    async def _destroy(self, container: "Container") -> None:
        self._destroyed = self._destroyed or Future()
        await self._stop(container)
        await container.delete("")
        self._pod.containers.pop(container.id, None)
        await self._poststop(container)
        self._destroyed.set()

    async def _poststop(self, container: "Container") -> None:
        """Steps 12 and 13: each hook runs, and a failure is only a warning."""
        self._record(STOPPED)
        if self._recorded is not None:
            document = self._recorded.document()
            for hook in container.bundle.hooks.get(POSTSTOP, ()):
                try:
                    await hooks.run(self._pod.loop, self._pod.reaper, POSTSTOP, (hook,), document, Future())
                except ReaperError as error:
                    self._pod.warn(str(error))
        self._home.remove()
        self._on_deleted()


def owner() -> str:
    """The name of the user who runs the command, or his number."""
    import pwd

    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())
