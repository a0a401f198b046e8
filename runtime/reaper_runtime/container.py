"""A container: an init process and what exec added. The library that both fronts, shim and commands, call."""

import os
import signal

from reaper_runtime.errors import AlreadyExists, FailedPrecondition, NotFound, Unavailable
from reaper_runtime.host import procfs
from reaper_runtime.host.stdio import StdioPaths, Streams
from reaper_runtime.host.terminal import Terminal
from reaper_runtime.loop import Future
from reaper_runtime.names import check_id
from reaper_runtime.oci.bundle import RUNTIME_ANNOTATIONS
from reaper_runtime.process import RUNNING, STOPPED, HostProcess, Process, SandboxProcess
from reaper_runtime.state import Record

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from reaper_runtime.exits import Exit
    from reaper_runtime.oci.bundle import Bundle, ProcessSpec
    from reaper_runtime.pod import Pod

READ_SECONDS = 2.0  # at delete, for output that a slow reader has not taken yet


class Container:
    """One container of a pod. Created by Container.create, gone after delete."""

    def __init__(self, pod: "Pod", name: str, bundle: "Bundle", stdio: StdioPaths) -> None:
        self.id = name
        self.bundle = bundle
        self.stdio = stdio
        self.execs: dict[str, HostProcess] = {}
        self.exec_stdio: dict[str, StdioPaths] = {}
        self._left_sessions: set[int] = set()  # of execs that are deleted and whose children live
        self._pod = pod
        self.init: Process = SandboxProcess() if bundle.is_sandbox else self._host_process(bundle.process, stdio)

    async def create(self) -> None:
        """Prepare the init process up to its exec; raises a ReaperError, and leaves nothing behind, if that fails."""
        if isinstance(self.init, HostProcess):
            await self._create_process(self.init, self.id)
        self._pod.loop.spawn_detached(self._follow(self.init, ""))

    def process(self, exec_id: str) -> Process:
        """The init process for "", else the exec of this id; raises NotFound."""
        if not exec_id:
            return self.init
        found = self.execs.get(exec_id)
        if found is None:
            raise NotFound(f"container {self.id} has no exec {exec_id!r}")
        return found

    async def add_exec(self, exec_id: str, spec: "ProcessSpec", stdio: StdioPaths) -> None:
        """Prepare one more process; raises AlreadyExists, or FailedPrecondition when the container has ended."""
        check_id(exec_id, "exec id")
        if exec_id in self.execs:
            raise AlreadyExists(f"container {self.id} has an exec {exec_id!r} already")
        self._check_running()
        process = self._host_process(spec, stdio)
        self.execs[exec_id] = process
        self.exec_stdio[exec_id] = stdio
        try:
            await self._create_process(process, f"{self.id}:{exec_id}")
        except BaseException:
            del self.execs[exec_id], self.exec_stdio[exec_id]
            raise
        self._pod.loop.spawn_detached(self._follow(process, exec_id))

    async def start(self, exec_id: str, on_started: "Callable[[int], None]") -> int:
        """Run the process and give its pid; on_started hears the pid before anybody hears of the exit."""
        process = self.process(exec_id)
        if exec_id:
            self._check_running()
        await process.start(lambda: on_started(process.pid))
        return process.pid

    def kill(self, exec_id: str, number: int, *, everything: bool) -> None:
        """Signal the process, or with `everything` each process of the container."""
        self.process(exec_id).kill(number)
        if everything:
            for target in self._members():
                procfs.send_signal(target, number)

    def pids(self) -> list[int]:
        """All processes of the container; raises FailedPrecondition when it has ended: an empty list would have
        containerd throw the exit code away."""
        if self.init.status == STOPPED:
            raise FailedPrecondition(f"container {self.id} has stopped: it has no processes")
        if isinstance(self.init, SandboxProcess):
            return [self.init.pid]
        known = [p.pid for p in (self.init, *self.execs.values()) if p.pid and p.status != STOPPED]
        return known + [member.pid for member in self._members() if member.pid not in known]

    async def delete(self, exec_id: str) -> "tuple[int, Exit]":
        """Forget a process that has ended and give its pid and Exit, after its output is through.

        What was created and never started is killed first. Raises FailedPrecondition while it runs.
        """
        process = self.process(exec_id)
        if process.status == RUNNING:
            raise FailedPrecondition(f"container {self.id} is running: kill it before it is deleted")
        if process.status != STOPPED:
            process.kill(signal.SIGKILL)
        ended: Exit = await process.published
        if isinstance(process, HostProcess):
            await self._drained(process)
            process.streams.close()
        self._pod.state.forget(f"{self.id}:{exec_id}" if exec_id else self.id)
        if exec_id:
            self.execs.pop(exec_id, None)  # unless another delete was faster
            self.exec_stdio.pop(exec_id, None)
            self._left_sessions = {s for s in (*self._left_sessions, process.pid) if self._has_members(s)}
        else:
            self._forget_execs()
        return process.pid, ended

    def alive(self) -> bool:
        """Whether any process of it may still run."""
        return not isinstance(self.init, SandboxProcess) and not self.init.published.done

    def _host_process(self, spec: "ProcessSpec | None", stdio: StdioPaths) -> HostProcess:
        if spec is None:
            raise FailedPrecondition(f"the bundle {self.bundle.path} has no process")
        discard = frozenset(
            name
            for name in ("stdout", "stderr")
            if self.bundle.annotations.get(RUNTIME_ANNOTATIONS + name) == "discard"
        )
        loop = self._pod.loop
        if spec.terminal:
            shown = stdio._replace(stdout="") if "stdout" in discard else stdio
            return HostProcess(loop, spec, Terminal(loop, shown, spec.user.uid, spec.console_size))
        return HostProcess(loop, spec, Streams(loop, stdio, discard))

    async def _drained(self, process: HostProcess) -> None:
        """Wait for the readers of the output, but not for ever: containerd itself waits for us."""
        timer = self._pod.loop.call_later(READ_SECONDS, process.streams.abandon_output)
        await process.streams.drained
        timer.cancel()

    async def _create_process(self, process: HostProcess, record: str) -> None:
        try:
            await process.create(self._pod.reaper)
            self._record(Record(record, process.pid, process.start_time))
        except BaseException:
            await process.discard()
            process.published.fail(NotFound(f"{record} could not be created"))
            raise

    def _record(self, record: Record) -> None:
        try:
            self._pod.state.write(record)
        except OSError as error:
            raise Unavailable(
                f"{record.name} cannot be recorded in {self._pod.state.path}: {error.strerror}"
            ) from error

    def _forget_execs(self) -> None:
        """Those that nobody deleted. They ended before the container did."""
        for exec_id, process in self.execs.items():
            process.streams.close()
            self._pod.state.forget(f"{self.id}:{exec_id}")

    def _check_running(self) -> None:
        if self.init.status != RUNNING:
            raise FailedPrecondition(f"container {self.id} is {self.init.status}: nothing can be executed in it")

    async def _follow(self, process: Process, exec_id: str) -> None:
        """See one process to its end, and publish it when its turn has come: after Start, and for init last of all."""
        ended: Exit = await process.ended
        await process.settled
        try:
            if process is self.init:
                await self._end_everything()
        finally:  # whatever kept something from being cleared: containerd has to hear of the end
            try:
                if not process.start_failed:
                    self._pod.on_exit(self.id, exec_id, process.pid, ended)
            finally:
                process.published.set(ended)

    async def _end_everything(self) -> None:
        """Kill what outlives the init process, and wait until it is dead and its exit published."""
        for other in list(self.execs.values()):
            if other.status != STOPPED:
                other.kill(signal.SIGKILL)
        await self._pod.all_dead(procfs.kill_all(self._members))
        for other in list(self.execs.values()):
            over = Future()
            other.published.when_done(over.set)  # also when it failed: it was never created
            await over

    def _members(self) -> list[procfs.Stat]:
        """Processes of this container beyond those that we started ourselves.

        They are below us: we are the subreaper. By session where another container of the pod lives too.
        """
        me = os.getpid()
        if not self._pod.has_strangers(me):
            return []
        below = procfs.descendants(me)
        started = [p for p in below if not self._pod.reaper.expects(p.pid)]
        if not self._pod.others_alive(self):
            return started
        sessions = {p.pid for p in (self.init, *self.execs.values())}
        sessions |= {s for s in self._left_sessions if not self._pod.reaper.expects(s)}  # not in use again
        return [p for p in started if p.session in sessions]

    def _has_members(self, session: int) -> bool:
        """Whether the leader of a session left processes behind. They are our children now."""
        children = procfs.children(os.getpid())
        if children is None:
            return True
        orphans = (procfs.stat(child) for child in children if not self._pod.reaper.expects(child))
        return any(orphan is not None and orphan.session == session for orphan in orphans)
