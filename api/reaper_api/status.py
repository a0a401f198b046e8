"""What the operator reports about a task. Only the operator writes it; absent always means unknown."""

from datetime import datetime
from typing import Annotated, Literal

from pydantic import Field

from reaper_api.rules import ApiModel
from reaper_api.vocabulary import FINAL_PHASES, Phase

ConditionStatus = Literal["True", "False", "Unknown"]
Time = Annotated[datetime, Field(json_schema_extra={"format": "date-time"})]


class Condition(ApiModel):
    """One aspect of the task's state, in the shape that all of Kubernetes uses (KEP-1623)."""

    type: Annotated[str, Field(max_length=316)]
    """Finished: the task is over, successfully or not. Stalled: a person has to act before anything
    happens."""

    status: ConditionStatus
    """True, False or Unknown."""

    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """metadata.generation that this was found for."""

    last_transition_time: Time
    """When the status last changed from one value to another."""

    reason: Annotated[str, Field(min_length=1, max_length=1024)]
    """One CamelCase word for programs."""

    message: Annotated[str, Field(max_length=32768)]
    """A sentence for people."""


class TaskStatus(ApiModel):
    """What is known about the task. A finished status never changes."""

    observed_generation: Annotated[int, Field(ge=0)] | None = None
    """metadata.generation that this status was found for."""

    phase: Phase | None = None
    """Pending, Running, Succeeded (exit code 0), Failed, or Unknown (its node has stopped reporting)."""

    conditions: Annotated[
        tuple[Condition, ...] | None,
        Field(
            max_length=16, json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
        ),
    ] = None
    """Wait for the end, whatever it is, with: kubectl wait --for=condition=Finished."""

    pod_name: Annotated[str, Field(max_length=253)] | None = None
    """Pod that the task runs in: the one for kubectl logs, exec and attach."""

    pod_uid: Annotated[str, Field(max_length=64)] | None = Field(default=None, alias="podUID")
    """UID of that Pod. It is recorded before the Pod may start, so that a task never runs twice."""

    node_name: Annotated[str, Field(max_length=253)] | None = None
    """Node that the process runs or ran on."""

    exit_code: Annotated[int, Field(json_schema_extra={"format": "int32"})] | None = None
    """Exit code of the process; 128 plus the number of the signal that ended it. Absent while the process
    has not ended, and for ever if no process was started or nobody knows how it ended."""

    restarts: Annotated[int, Field(ge=0, json_schema_extra={"format": "int32"})] | None = None
    """How often the node has started the process again, as restartPolicy asks."""

    reason: Annotated[str, Field(max_length=1024)] | None = None
    """One CamelCase word: why the task is in this phase."""

    message: Annotated[str, Field(max_length=32768)] | None = None
    """A sentence: why the task is in this phase, and what to do about it."""

    start_time: Time | None = None
    """When the node started the process (the last time, if it was restarted)."""

    completion_time: Time | None = None
    """When the process ended; if the node cannot tell, when the operator learned that it is over."""

    @property
    def finished(self) -> bool:
        """True once nothing may change any more."""
        return self.phase in FINAL_PHASES
