"""A pod: the containers of one shim, and what they share."""

import os

from reaper_runtime.config import Config
from reaper_runtime.container import Container
from reaper_runtime.errors import AlreadyExists, NotFound, ReaperError
from reaper_runtime.host import procfs
from reaper_runtime.host.terminal import open_stdio
from reaper_runtime.loop import Future

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from reaper_runtime.annotations import Annotations
    from reaper_runtime.exits import Exit, Reaper
    from reaper_runtime.host.stdio import Stdio, StdioPaths
    from reaper_runtime.loop import Loop
    from reaper_runtime.oci.bundle import Bundle
    from reaper_runtime.oci.process import ProcessSpec
    from reaper_runtime.placement import Placement
    from reaper_runtime.rootfs import Rootfs
    from reaper_runtime.state import PodState

    OnExit = Callable[[str, str, int, Exit], None]
    OpenStdio = Callable[[Loop, ProcessSpec, StdioPaths, frozenset[str]], Stdio]
    OnOom = Callable[[str], None]

DEATH_SECONDS = 2.0  # how long to wait for a killed process: longer only if the kernel holds it (state D)


class Pod:
    """Containers by id."""

    def __init__(
        self,
        loop: "Loop",
        reaper: "Reaper",
        state: "PodState",
        on_exit: "OnExit",
        *,
        on_oom: "OnOom" = lambda _id: None,
        warn: "Callable[[str], None]" = lambda _line: None,
        config: Config = Config(),  # noqa: B008  # immutable
        placement: "Placement | None" = None,
        open_stdio: "OpenStdio" = open_stdio,
    ) -> None:
        """on_exit(container id, exec id, pid, Exit) hears of every end, in the order that containerd demands.

        on_oom(container id) hears when the kernel kills a process because the container is out of its memory; warn
        hears what the author of a pod should know. placement None leaves all containers the node's own file system;
        open_stdio makes the streams of each process.
        """
        self.loop = loop
        self.reaper = reaper
        self.state = state
        self.on_exit = on_exit
        self.on_oom = on_oom
        self.warn = warn
        self.config = config
        self.open_stdio = open_stdio
        self.names = (state.namespace, state.group)  # containerd's namespace and the sandbox id
        self.containers: dict[str, Container] = {}
        self._placement = placement
        self._network: str | None = None

    async def create(self, name: str, bundle: "Bundle", stdio: "StdioPaths") -> Container:
        """Create a container; raises AlreadyExists, or what keeps its process from being prepared."""
        if name in self.containers:
            raise AlreadyExists(f"container {name} exists already")
        if bundle.is_sandbox:
            self._network = bundle.network
        container = self.containers[name] = Container(self, name, bundle, stdio)
        try:
            await container.create()
        except BaseException:
            del self.containers[name]
            raise
        return container

    def container(self, name: str) -> Container:
        """The container of this id; raises NotFound."""
        found = self.containers.get(name)
        if found is None:
            raise NotFound(f"there is no container {name} in this pod")
        return found

    def rootfs(self, bundle: "Bundle", wanted: "Annotations") -> "Rootfs | None":
        """The file system for a container of this bundle; raises what keeps it from having one."""
        return None if self._placement is None else self._placement.rootfs(bundle, wanted, self._network)

    def restore_limits(self, updated: Container) -> None:
        """Of the others: what systemd took away, it took from the whole pod. What cannot be had again is a warning."""
        for other in self.containers.values():
            if other is not updated:
                try:
                    other.tracking.restore()
                except ReaperError as error:
                    self.warn(f"container {other.id} has not got its limits back: {error}")

    def others_alive(self, container: Container) -> bool:
        """Whether a process below us may belong to another container than this one."""
        return any(other is not container and other.alive() for other in self.containers.values())

    def has_strangers(self, pid: int) -> bool:
        """Whether we have children, or grandchildren, that we did not start; when in doubt, yes."""
        children = procfs.children(pid)
        if children is None:
            return True
        return any(not self.reaper.expects(child) or procfs.children(child) != [] for child in children)

    async def all_dead(self, killed: list[procfs.Stat]) -> None:
        """Wait until these are gone, at most DEATH_SECONDS for all of them."""
        over = Future()
        timer = self.loop.call_later(DEATH_SECONDS, over.set)
        for process in killed:
            await self._dead(process, over)
        timer.cancel()

    async def _dead(self, process: procfs.Stat, over: Future) -> None:
        fd = procfs.open_pidfd(process)
        if fd is None:
            return
        either = Future()
        over.when_done(either.set)
        try:
            self.loop.readable(fd).when_done(either.set)
            await either
        finally:
            self.loop.unwatch(fd)
            os.close(fd)
