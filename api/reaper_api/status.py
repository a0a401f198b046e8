"""What is reported about a task. The operator writes it, but for the two fields of the node agent; absent always means
unknown."""

from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from reaper_api.fields import INT32, INT64, MAX_ID
from reaper_api.rules import ApiModel
from reaper_api.transitions import STATUS_RULES
from reaper_api.vocabulary import FINAL_PHASES, Phase

ConditionStatus = Literal["True", "False", "Unknown"]
Time = Annotated[datetime, Field(json_schema_extra={"format": "date-time"})]
Count = Annotated[int, Field(ge=0, le=MAX_ID, json_schema_extra=INT32)]
Name = Annotated[str, Field(max_length=253)]
Reason = Annotated[str, Field(max_length=1024)]
Message = Annotated[str, Field(max_length=32768)]
Signal = Annotated[str, Field(max_length=32)]
ExitCode = Annotated[int, Field(json_schema_extra=INT32)]


class Condition(ApiModel):
    """One aspect of the task's state, in the shape that all of Kubernetes uses (KEP-1623)."""

    type: Annotated[str, Field(max_length=316)]
    """Finished: the task is over, successfully or not. Suspended: no process runs, because suspend is true.
    Stopping: the process is being ended on purpose. Stalled: a person has to act before anything happens."""

    status: ConditionStatus
    """True, False or Unknown."""

    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """metadata.generation that this was found for."""

    last_transition_time: Time
    """When the status last changed from one value to another."""

    reason: Annotated[str, Field(min_length=1, max_length=1024)]
    """One CamelCase word for programs."""

    message: Message
    """A sentence for people."""


class Failure(ApiModel):
    """How an attempt ended that did not succeed."""

    attempt: Count
    """Which attempt, counted from 1."""

    pod_name: Name | None = None
    """Its Pod, for kubectl logs."""

    node_name: Name | None = None
    """The node that it was on."""

    exit_code: ExitCode | None = None
    """Exit code of the process, if there was one and it is known."""

    signal: Signal | None = None
    """The signal that ended the process, as its exit code tells."""

    reason: Reason
    """One CamelCase word: why."""

    message: Message
    """A sentence: why."""

    time: Time
    """When it ended, or when the operator learned of it."""


class TaskStatus(ApiModel):
    """What is known about the task. A finished status never changes."""

    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """metadata.generation that this status was found for."""

    phase: Phase | None = None
    """Pending, Running, Suspended, Succeeded (exit code 0), Failed, or Unknown (its node has stopped
    reporting)."""

    conditions: Annotated[
        tuple[Condition, ...] | None,
        Field(
            max_length=16, json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
        ),
    ] = None
    """Wait for the end, whatever it is, with: kubectl wait --for=condition=Finished."""

    attempts: Count | None = None
    """Number of the attempt that runs or ran last: 1 for the first. Absent: none was begun."""

    failures: Count | None = None
    """Attempts that failed and count against backoffLimit."""

    interruptions: Count | None = None
    """Attempts that something else than the process ended, such as a lost node, an eviction or a deleted Pod. They do
    not count against backoffLimit."""

    last_failure: Failure | None = None
    """How the last attempt ended that did not succeed."""

    next_attempt_time: Time | None = None
    """Not before this the next attempt begins. Absent while one runs, and when there is no other."""

    pod_name: Name | None = None
    """Pod of the last attempt: the one for kubectl logs, exec and attach."""

    pod_uid: Annotated[str, Field(max_length=64)] | None = Field(default=None, alias="podUID")
    """UID of that Pod. It is recorded before the Pod may start, so that an attempt never runs twice."""

    node_name: Name | None = None
    """Node that the process runs or ran on."""

    host_process_pid: Annotated[int, Field(ge=1, json_schema_extra=INT64)] | None = Field(
        default=None, alias="hostProcessPID"
    )
    """Process id on the node, as ps shows it there, while the process runs and for seconds after. Absent: no
    process runs, or its id is not known. Written by the node agent."""

    overlay_namespace_id: Annotated[str, Field(max_length=256)] | None = Field(default=None, alias="overlayNamespaceID")
    """The overlay of the node's files that the process sees, by its name below /run/reaper/overlays on the node: two
    tasks of a node with the same one see the same files. Absent: the node's own files, or unknown. Written by the node
    agent."""

    exit_code: ExitCode | None = None
    """Exit code of the process; 128 plus the number of the signal that ended it. Absent while the process
    has not ended, and for ever if no process was started or nobody knows how it ended."""

    signal: Signal | None = None
    """The signal that ended the process, such as SIGKILL, as its exit code tells. A process that itself exits
    with such a code cannot be told from one."""

    restarts: Count | None = None
    """How often the node has started the process of this attempt again, as restartPolicy asks."""

    reason: Reason | None = None
    """One CamelCase word: why the task is in this phase."""

    message: Message | None = None
    """A sentence: why the task is in this phase, and what to do about it. Of a process that failed also the
    end of its output."""

    active_since: Time | None = None
    """From when activeDeadlineSeconds counts: when the operator took the task up, or when it was last
    resumed."""

    start_time: Time | None = None
    """When the node started the process (the last time, if it was restarted or tried again)."""

    completion_time: Time | None = None
    """When the process ended; if the node cannot tell, when the operator learned that it is over."""

    RULES: ClassVar = STATUS_RULES

    @property
    def finished(self) -> bool:
        """True once nothing may change any more."""
        return self.phase in FINAL_PHASES
