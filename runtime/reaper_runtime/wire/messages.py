"""containerd's messages that the shim speaks, declared by hand from containerd/api (v1.11).

tests/unit/reaper_runtime/wire/test_messages.py proves each of them against Google's protobuf.
"""

from reaper_runtime.wire.protobuf import BOOL, BYTES, INT, STRING, UINT, Message, field, repeated

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Self

NANOSECONDS = 1_000_000_000


class Any(Message):
    """google.protobuf.Any"""

    type_url: str = field(1, STRING)
    value: bytes = field(2, BYTES)


class Empty(Message):
    """google.protobuf.Empty"""


class Timestamp(Message):
    """google.protobuf.Timestamp"""

    seconds: int = field(1, INT)
    nanos: int = field(2, INT)

    @classmethod
    def at(cls, nanoseconds: int) -> "Self":
        """From nanoseconds since the epoch, as time.time_ns() gives."""
        return cls(seconds=nanoseconds // NANOSECONDS, nanos=nanoseconds % NANOSECONDS)


# ttrpc: containerd/ttrpc/request.proto


class KeyValue(Message):
    """ttrpc.KeyValue"""

    key: str = field(1, STRING)
    value: str = field(2, STRING)


class Status(Message):
    """google.rpc.Status"""

    code: int = field(1, INT)
    message: str = field(2, STRING)
    details: list[Any] = repeated(3, Any)


class Request(Message):
    """ttrpc.Request"""

    service: str = field(1, STRING)
    method: str = field(2, STRING)
    payload: bytes = field(3, BYTES)
    timeout_nano: int = field(4, INT)
    metadata: list[KeyValue] = repeated(5, KeyValue)


class Response(Message):
    """ttrpc.Response"""

    status: Status | None = field(1, Status)
    payload: bytes = field(2, BYTES)


# The task service: containerd.task.v2 and v3 have the same messages


class Mount(Message):
    """containerd.types.Mount"""

    type: str = field(1, STRING)
    source: str = field(2, STRING)
    target: str = field(3, STRING)
    options: list[str] = repeated(4, STRING)


class CreateTaskRequest(Message):
    """containerd.task.v3.CreateTaskRequest"""

    id: str = field(1, STRING)
    bundle: str = field(2, STRING)
    rootfs: list[Mount] = repeated(3, Mount)
    terminal: bool = field(4, BOOL)
    stdin: str = field(5, STRING)
    stdout: str = field(6, STRING)
    stderr: str = field(7, STRING)
    checkpoint: str = field(8, STRING)
    parent_checkpoint: str = field(9, STRING)
    options: Any | None = field(10, Any)


class CreateTaskResponse(Message):
    """containerd.task.v3.CreateTaskResponse"""

    pid: int = field(1, UINT)


class DeleteRequest(Message):
    """containerd.task.v3.DeleteRequest"""

    id: str = field(1, STRING)
    exec_id: str = field(2, STRING)


class DeleteResponse(Message):
    """containerd.task.v3.DeleteResponse; also what the `delete` command prints"""

    pid: int = field(1, UINT)
    exit_status: int = field(2, UINT)
    exited_at: Timestamp | None = field(3, Timestamp)


class ExecProcessRequest(Message):
    """containerd.task.v3.ExecProcessRequest"""

    id: str = field(1, STRING)
    exec_id: str = field(2, STRING)
    terminal: bool = field(3, BOOL)
    stdin: str = field(4, STRING)
    stdout: str = field(5, STRING)
    stderr: str = field(6, STRING)
    spec: Any | None = field(7, Any)


class StateRequest(Message):
    """containerd.task.v3.StateRequest"""

    id: str = field(1, STRING)
    exec_id: str = field(2, STRING)


class StateResponse(Message):
    """containerd.task.v3.StateResponse"""

    id: str = field(1, STRING)
    bundle: str = field(2, STRING)
    pid: int = field(3, UINT)
    status: int = field(4, UINT)
    stdin: str = field(5, STRING)
    stdout: str = field(6, STRING)
    stderr: str = field(7, STRING)
    terminal: bool = field(8, BOOL)
    exit_status: int = field(9, UINT)
    exited_at: Timestamp | None = field(10, Timestamp)
    exec_id: str = field(11, STRING)


class KillRequest(Message):
    """containerd.task.v3.KillRequest"""

    id: str = field(1, STRING)
    exec_id: str = field(2, STRING)
    signal: int = field(3, UINT)
    all: bool = field(4, BOOL)


class ResizePtyRequest(Message):
    """containerd.task.v3.ResizePtyRequest"""

    id: str = field(1, STRING)
    exec_id: str = field(2, STRING)
    width: int = field(3, UINT)
    height: int = field(4, UINT)


class CloseIORequest(Message):
    """containerd.task.v3.CloseIORequest"""

    id: str = field(1, STRING)
    exec_id: str = field(2, STRING)
    stdin: bool = field(3, BOOL)


class PidsRequest(Message):
    """containerd.task.v3.PidsRequest"""

    id: str = field(1, STRING)


class ProcessInfo(Message):
    """containerd.v1.types.ProcessInfo"""

    pid: int = field(1, UINT)
    info: Any | None = field(2, Any)


class PidsResponse(Message):
    """containerd.task.v3.PidsResponse"""

    processes: list[ProcessInfo] = repeated(1, ProcessInfo)


class StartRequest(Message):
    """containerd.task.v3.StartRequest"""

    id: str = field(1, STRING)
    exec_id: str = field(2, STRING)


class StartResponse(Message):
    """containerd.task.v3.StartResponse"""

    pid: int = field(1, UINT)


class WaitRequest(Message):
    """containerd.task.v3.WaitRequest"""

    id: str = field(1, STRING)
    exec_id: str = field(2, STRING)


class WaitResponse(Message):
    """containerd.task.v3.WaitResponse"""

    exit_status: int = field(1, UINT)
    exited_at: Timestamp | None = field(2, Timestamp)


class ConnectRequest(Message):
    """containerd.task.v3.ConnectRequest"""

    id: str = field(1, STRING)


class ConnectResponse(Message):
    """containerd.task.v3.ConnectResponse"""

    shim_pid: int = field(1, UINT)
    task_pid: int = field(2, UINT)
    version: str = field(3, STRING)


class ShutdownRequest(Message):
    """containerd.task.v3.ShutdownRequest"""

    id: str = field(1, STRING)
    now: bool = field(2, BOOL)


class StatsRequest(Message):
    """containerd.task.v3.StatsRequest"""

    id: str = field(1, STRING)


class StatsResponse(Message):
    """containerd.task.v3.StatsResponse"""

    stats: Any | None = field(1, Any)


class UpdateTaskRequest(Message):
    """containerd.task.v3.UpdateTaskRequest. Its annotations mean nothing to us"""

    id: str = field(1, STRING)
    resources: Any | None = field(2, Any)


class PauseRequest(Message):
    """containerd.task.v3.PauseRequest"""

    id: str = field(1, STRING)


class ResumeRequest(Message):
    """containerd.task.v3.ResumeRequest"""

    id: str = field(1, STRING)


# Events: containerd.events and containerd.services.events.ttrpc.v1


class TaskIO(Message):
    """containerd.events.TaskIO"""

    stdin: str = field(1, STRING)
    stdout: str = field(2, STRING)
    stderr: str = field(3, STRING)
    terminal: bool = field(4, BOOL)


class TaskCreate(Message):
    """containerd.events.TaskCreate"""

    container_id: str = field(1, STRING)
    bundle: str = field(2, STRING)
    rootfs: list[Mount] = repeated(3, Mount)
    io: TaskIO | None = field(4, TaskIO)
    checkpoint: str = field(5, STRING)
    pid: int = field(6, UINT)


class TaskStart(Message):
    """containerd.events.TaskStart"""

    container_id: str = field(1, STRING)
    pid: int = field(2, UINT)


class TaskDelete(Message):
    """containerd.events.TaskDelete"""

    container_id: str = field(1, STRING)
    pid: int = field(2, UINT)
    exit_status: int = field(3, UINT)
    exited_at: Timestamp | None = field(4, Timestamp)
    id: str = field(5, STRING)


class TaskExit(Message):
    """containerd.events.TaskExit; id is the exec's id, or the container's for its init process"""

    container_id: str = field(1, STRING)
    id: str = field(2, STRING)
    pid: int = field(3, UINT)
    exit_status: int = field(4, UINT)
    exited_at: Timestamp | None = field(5, Timestamp)


class TaskExecAdded(Message):
    """containerd.events.TaskExecAdded"""

    container_id: str = field(1, STRING)
    exec_id: str = field(2, STRING)


class TaskExecStarted(Message):
    """containerd.events.TaskExecStarted"""

    container_id: str = field(1, STRING)
    exec_id: str = field(2, STRING)
    pid: int = field(3, UINT)


class TaskOOM(Message):
    """containerd.events.TaskOOM"""

    container_id: str = field(1, STRING)


class TaskPaused(Message):
    """containerd.events.TaskPaused"""

    container_id: str = field(1, STRING)


class TaskResumed(Message):
    """containerd.events.TaskResumed"""

    container_id: str = field(1, STRING)


class Envelope(Message):
    """containerd.types.Envelope"""

    timestamp: Timestamp | None = field(1, Timestamp)
    namespace: str = field(2, STRING)
    topic: str = field(3, STRING)
    event: Any | None = field(4, Any)


class ForwardRequest(Message):
    """containerd.services.events.ttrpc.v1.ForwardRequest"""

    envelope: Envelope | None = field(1, Envelope)


# The shim's own commands
