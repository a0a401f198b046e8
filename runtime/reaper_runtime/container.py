"""A container: an init process, what exec added, and what these left behind."""

import os

from reaper_runtime import annotations
from reaper_runtime.errors import AlreadyExists, FailedPrecondition, NotFound, Unavailable
from reaper_runtime.host import procfs
from reaper_runtime.host.cgroup import usage
from reaper_runtime.loop import Future
from reaper_runtime.names import check_id
from reaper_runtime.process import RUNNING, STOPPED, HostProcess, Process, SandboxProcess
from reaper_runtime.rootfs import JoinedRootfs
from reaper_runtime.state import Record
from reaper_runtime.stdlib import signal
from reaper_runtime.task import TaskProcess
from reaper_runtime.tracking import Tracking

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from reaper_runtime.exits import Exit
    from reaper_runtime.host.cgroup.cgroup import Cgroup
    from reaper_runtime.host.cgroup.usage import Usage
    from reaper_runtime.host.stdio import StdioPaths
    from reaper_runtime.oci.bundle import Bundle
    from reaper_runtime.oci.process import ProcessSpec
    from reaper_runtime.pod import Pod
    from reaper_runtime.rootfs import Rootfs

_CRI = "io.kubernetes.cri."  # what containerd notes on each container of a pod
_TASK_CONTAINER = "task"
HEARD_SECONDS = 1.0  # at the end, for who is to read the output to begin with it
READ_SECONDS = 2.0  # at delete, for output that a slow reader has not taken yet


class Container:
    """One container of a pod. Created by Container.create, gone after delete."""

    def __init__(self, pod: "Pod", container_id: str, bundle: "Bundle", stdio: "StdioPaths") -> None:
        self.id = container_id
        self.bundle = bundle
        self.stdio = stdio
        self.execs: dict[str, HostProcess] = {}
        self.exec_stdio: dict[str, StdioPaths] = {}
        self._left_sessions: set[int] = set()  # of execs that are deleted and whose children live
        self._pod = pod
        self._rootfs: Rootfs | None = None
        self.annotations = self._parse_annotations(pod, bundle)
        name = f"container {self.id}"
        self.tracking = Tracking(pod.loop, lambda line: pod.warn(f"{name} {line}"))
        self.init: Process = (
            SandboxProcess(name)
            if bundle.is_sandbox
            else self._host_process(name, bundle.process, stdio, self.annotations.discard)
        )

    async def create(self) -> None:
        """Prepare the init process up to its exec; raises a ReaperError, and leaves nothing behind, if that fails."""
        if isinstance(self.init, HostProcess):
            try:
                self._rootfs = self._pod.rootfs(self.bundle, self.annotations)
                self.tracking.make(self.bundle, (*self._pod.names, self.id), lambda: self._pod.on_oom(self.id))
                await self._create_process(self.init, self.id, self._rootfs, self.tracking.cgroup)
            except BaseException:
                await self.init.discard()  # its streams, where nothing was forked
                self._close_rootfs()
                await self.tracking.removed()
                self._pod.state.forget(self.id)
                raise
        self._pod.loop.spawn_detached(self._follow(self.init, ""))

    def process(self, exec_id: str) -> Process:
        """The init process for "", else the exec of this id; raises NotFound."""
        if not exec_id:
            return self.init
        found = self.execs.get(exec_id)
        if found is None:
            raise NotFound(f"container {self.id} has no exec {exec_id!r}")
        return found

    async def add_exec(self, exec_id: str, spec: "ProcessSpec", stdio: "StdioPaths") -> None:
        """Prepare one more process; raises AlreadyExists, or FailedPrecondition when the container has ended."""
        check_id(exec_id, "exec id")
        if exec_id in self.execs:
            raise AlreadyExists(f"container {self.id} has an exec {exec_id!r} already")
        self._check_running()
        process = self._host_process(f"exec {exec_id} of container {self.id}", spec, stdio)
        self.execs[exec_id] = process
        self.exec_stdio[exec_id] = stdio
        joined = None
        try:
            joined = JoinedRootfs(self.init.pid)
            cgroup = self.tracking.cgroup
            await self._create_process(
                process, f"{self.id}:{exec_id}", joined, None if cgroup is None else cgroup.beside(self.init.pid)
            )
        except BaseException:
            del self.execs[exec_id], self.exec_stdio[exec_id]
            await process.discard()  # its streams, where nothing was forked
            raise
        finally:
            if joined is not None:
                joined.close()
        self._pod.loop.spawn_detached(self._follow(process, exec_id))

    async def start(self, exec_id: str, on_started: "Callable[[int], None]") -> int:
        """Run the process and give its pid; on_started hears the pid before anybody hears of the exit."""
        process = self.process(exec_id)
        if exec_id:
            self._check_running()

        def started() -> None:
            on_started(process.pid)
            if isinstance(process, HostProcess) and not exec_id:
                self._tell_of_task(process)

        await process.start(started)
        return process.pid

    def kill(self, exec_id: str, number: int, *, everything: bool) -> None:
        """Signal the process, or with `everything` each process of the container once."""
        process = self.process(exec_id)
        process.kill(number)
        if everything:
            others = [p for p in (self.init, *self.execs.values()) if p is not process and p.status != STOPPED]
            for other in others:
                other.kill(number)
            reached = {p.pid for p in (process, *others)}  # each with its process group
            for target in self._members():
                if target.group not in reached:
                    procfs.send_signal(target, number)

    def pids(self) -> list[int]:
        """All processes of the container; of one that has ended, the init process that it had.

        containerd asks after its own restart, and throws the exit code away when it gets an empty list, or in 1.7 any
        error (core/runtime/v2/shim_load.go, "cleaning leaked shim process").
        """
        if self.init.status == STOPPED or isinstance(self.init, SandboxProcess):
            return [self.init.pid]
        known = [p.pid for p in (self.init, *self.execs.values()) if p.pid and p.status != STOPPED]
        return known + [member.pid for member in self._members() if member.pid not in known]

    def usage(self) -> "Usage":
        """CPU, memory and tasks; of one that has ended, what they were at the end. The sandbox's are the shim's own.

        containerd asks after an exit with code 137, whether there was an OOM kill (2.3, internal/cri/server/events.go).
        """
        if isinstance(self.init, SandboxProcess):
            return usage.of_processes([self.init.pid], children=False)
        return self.tracking.usage(() if self.init.status == STOPPED else self.pids())

    async def freeze(self, *, frozen: bool) -> None:
        """Pause or resume all its processes; raises FailedPrecondition if it has none, Unimplemented without cgroup."""
        if self.init.status != RUNNING or isinstance(self.init, SandboxProcess):
            raise FailedPrecondition(f"container {self.id} has no process that runs: there is nothing to pause")
        await self.tracking.freeze(frozen=frozen)

    async def delete(self, exec_id: str) -> "tuple[int, Exit]":
        """Forget a process that has ended and give its pid and Exit, after its output is through.

        What was created and never started is killed first. Raises FailedPrecondition while it runs.
        """
        process = self.process(exec_id)
        if process.status == RUNNING:
            raise FailedPrecondition(f"{process.name} is running: kill it before it is deleted")
        if process.status != STOPPED:
            process.kill(signal.SIGKILL)
        ended: Exit = await process.published
        if isinstance(process, HostProcess):
            await self._drained(process)
            process.streams.close()
        if exec_id:
            self._pod.state.forget(f"{self.id}:{exec_id}")
            self.execs.pop(exec_id, None)  # unless another delete was faster
            self.exec_stdio.pop(exec_id, None)
            self._left_sessions = {s for s in (*self._left_sessions, process.pid) if self._has_members(s)}
        else:
            self._forget_execs()
            self._close_rootfs()
            await self.tracking.removed()
            self._pod.state.forget(self.id)  # last: who is killed before leaves a record of what is still there
        return process.pid, ended

    def alive(self) -> bool:
        """Whether any process of it may still run."""
        return not isinstance(self.init, SandboxProcess) and not self.init.published.done

    @staticmethod
    def _parse_annotations(pod: "Pod", bundle: "Bundle") -> annotations.Annotations:
        """Raises FailedPrecondition for a wrong value; not for the sandbox, whose failure nobody reads."""
        if bundle.is_sandbox:
            return annotations.Annotations()
        parsed = annotations.parse(bundle.annotations, enabled=pod.config.annotations_enabled)
        for warning in parsed.warnings:
            pod.warn(warning)
        return parsed

    def _host_process(
        self, name: str, spec: "ProcessSpec | None", stdio: "StdioPaths", discard: frozenset[str] = frozenset()
    ) -> HostProcess:
        """discard: what it says and nobody wants. An exec has none: who runs it waits for its output."""
        if spec is None:
            raise FailedPrecondition(f"the bundle {self.bundle.path} has no process")
        streams = self._pod.open_stdio(self._pod.loop, spec, stdio, discard)
        return HostProcess(self._pod.loop, spec, streams, name)

    async def _heard(self, process: HostProcess) -> None:
        """Before the end is told: containerd then gives up a FIFO that it has opened and not yet begun to read.

        (containerd/fifo: open(2) has returned, but the goroutine has not run.) What a quick process said would be lost.
        """
        over = Future()  # of its own: whatever goes wrong with a stream, the end is told

        async def listen() -> None:
            try:
                await process.streams.heard()
            finally:
                over.set()

        timer = self._pod.loop.call_later(HEARD_SECONDS, over.set)
        self._pod.loop.spawn_detached(listen())
        await over
        timer.cancel()
        process.streams.forgo_readers()

    async def _drained(self, process: HostProcess) -> None:
        """Wait for the readers of the output, but not for ever: containerd itself waits for us."""
        timer = self._pod.loop.call_later(READ_SECONDS, process.streams.abandon_output)
        await process.streams.drained
        timer.cancel()

    async def _create_process(
        self,
        process: HostProcess,
        record: str,
        rootfs: "Rootfs | JoinedRootfs | None",
        cgroup: "Cgroup | None",
    ) -> None:
        try:
            await process.create(self._pod.reaper, rootfs, cgroup)
            cgroups = self.tracking.directories if process is self.init else ()
            self._record(Record(record, process.pid, process.start_time, cgroups))
            if process is self.init:
                await self.tracking.become_unit(process.pid)
        except BaseException:
            await process.discard()
            process.published.fail(NotFound(f"{process.name} could not be created"))
            raise

    def _record(self, record: Record) -> None:
        try:
            self._pod.state.write(record)
        except OSError as error:
            raise Unavailable(
                f"{record.name} cannot be recorded in {self._pod.state.path}: {error.strerror}"
            ) from error

    def _tell_of_task(self, init: HostProcess) -> None:
        """Tell the node agent of the process, if it is a ReaperTask's. What goes wrong with that harms no task."""
        found = self.bundle.annotations
        if not self.annotations.task or found.get(f"{_CRI}container-name") != _TASK_CONTAINER:
            return
        names = {key: found.get(f"{_CRI}sandbox-{key}", "") for key in ("namespace", "name", "uid")}
        if not all(names.values()):
            return  # containerd before 1.7 does not tell the UID: then nobody can say whose process it is
        process = TaskProcess(
            init.pid,
            init.start_time,
            namespace=names["namespace"],
            pod=names["name"],
            pod_uid=names["uid"],
            task=self.annotations.task,
            overlay=self._rootfs.overlay if self._rootfs is not None else "",
        )
        try:
            self._pod.state.task.write(process)
        except OSError as error:
            self._pod.warn(f"the node agent is not told of pid {init.pid}: {error.filename}: {error.strerror}")

    def _close_rootfs(self) -> None:
        if self._rootfs is not None:
            self._rootfs.close()

    def _forget_execs(self) -> None:
        """Those that nobody deleted. They ended before the container did."""
        for exec_id, process in self.execs.items():
            process.streams.close()
            self._pod.state.forget(f"{self.id}:{exec_id}")

    def _check_running(self) -> None:
        if self.init.status != RUNNING:
            raise FailedPrecondition(f"container {self.id} is {self.init.status}: nothing can be executed in it")
        if self.tracking.paused:
            raise FailedPrecondition(f"container {self.id} is paused: resume it before something is executed in it")

    async def _follow(self, process: Process, exec_id: str) -> None:
        """See one process to its end, and publish it when its turn has come: after Start, and for init last of all."""
        ended: Exit = await process.ended
        if process is self.init:
            self.tracking.note_usage()
        await process.settled
        try:
            if process is self.init:
                await self._end_everything()
                self.tracking.check_oom()
            if isinstance(process, HostProcess):
                await self._heard(process)
        finally:  # whatever kept something from being cleared: containerd has to hear of the end
            try:
                # An exec that never ran has no end; an init process that was killed before Start has (containerd#9103).
                if process.has_started or (process is self.init and not process.start_failed):
                    self._pod.on_exit(self.id, exec_id, process.pid, ended)
            finally:
                process.published.set(ended)
                if process is self.init:
                    self._pod.loop.call_later(0, self.tracking.remove)  # after all who wait have their answer

    async def _end_everything(self) -> None:
        """Kill what outlives the init process, and wait until it is dead and its exit published."""
        for other in list(self.execs.values()):
            if other.status != STOPPED:
                other.kill(signal.SIGKILL)
        killed = self.tracking.kill() if self._pod.has_strangers(os.getpid()) else []
        await self._pod.all_dead(killed + procfs.kill_all(self._members))
        for other in list(self.execs.values()):
            over = Future()
            other.published.when_done(over.set)  # also when it failed: it was never created
            await over
        await self._pod.all_dead(procfs.kill_all(self._members))  # again: orphans of the execs have come to us since

    def _members(self) -> list[procfs.Stat]:
        """Processes of this container beyond those that we started ourselves.

        They are below us: we are the subreaper. Where another container of the pod lives too, they are told apart by
        cgroup, or by session: for what left its cgroup, and for nodes that have none.
        """
        me = os.getpid()
        if not self._pod.has_strangers(me):
            return []
        below = procfs.descendants(me)
        started = [p for p in below if not self._pod.reaper.expects(p.pid)]
        if not self._pod.others_alive(self):
            return started
        ours = (self.init, *self.execs.values())
        ended = self._left_sessions | {p.pid for p in ours if p.status == STOPPED}
        sessions = {p.pid for p in ours if p.status != STOPPED}
        sessions |= {s for s in ended if not self._pod.reaper.expects(s)}  # or another container's process has it now
        tracked = set(self.tracking.members())
        return [p for p in started if p.pid in tracked or p.session in sessions]

    def _has_members(self, session: int) -> bool:
        """Whether the leader of a session left processes behind. They are our children now."""
        children = procfs.children(os.getpid())
        if children is None:
            return True
        orphans = (procfs.stat(child) for child in children if not self._pod.reaper.expects(child))
        return any(orphan is not None and orphan.session == session for orphan in orphans)
