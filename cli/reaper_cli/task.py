"""A ReaperTask as a person asks about it: read from what the API server returned. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Self

from reaper_api.vocabulary import FINAL_PHASES, LABEL_ATTEMPT, LAST_OUTPUT, ConditionType, Phase, Reason

if TYPE_CHECKING:
    from collections.abc import Mapping

NOT_SEEN = "the operator has not seen it yet"


@dataclass(frozen=True)
class Task:
    """One look at a task. Absent is None or empty, and means unknown."""

    name: str
    namespace: str
    uid: str
    phase: str = Phase.PENDING.value
    reason: str = ""
    message: str = ""
    exit_code: int | None = None
    pod: str = ""
    pod_uid: str = ""
    node: str = ""
    failed_pod: str = ""  # of the last attempt that failed, if there was a process
    attempts: int = 0
    restarts: int = 0
    deadline: int | None = None  # activeDeadlineSeconds
    created: datetime | None = None
    started: datetime | None = None
    completed: datetime | None = None
    seen: bool = False  # by the operator
    stalled: bool = False
    suspended: bool = False
    deleted: bool = False

    @classmethod
    def read(cls, body: Mapping[str, Any]) -> Self:
        """From the object."""
        metadata, spec, status = body["metadata"], body.get("spec") or {}, body.get("status") or {}
        return cls(
            name=metadata["name"],
            namespace=metadata["namespace"],
            uid=metadata["uid"],
            phase=status.get("phase") or Phase.PENDING.value,
            reason=status.get("reason") or "",
            message=status.get("message") or "",
            exit_code=status.get("exitCode"),
            pod=status.get("podName") or "",
            pod_uid=status.get("podUID") or "",
            node=status.get("nodeName") or "",
            failed_pod=_failed_pod(status.get("lastFailure") or {}),
            attempts=status.get("attempts") or 0,
            restarts=status.get("restarts") or 0,
            deadline=spec.get("activeDeadlineSeconds"),
            created=moment(metadata.get("creationTimestamp")),
            started=moment(status.get("startTime")),
            completed=moment(status.get("completionTime")),
            seen=bool(status) and status.get("reason") != Reason.NOT_SEEN,
            stalled=_is_true(status, ConditionType.STALLED),
            suspended=bool(spec.get("suspend")),
            deleted="deletionTimestamp" in metadata,
        )

    @property
    def finished(self) -> bool:
        """Whether nothing changes any more."""
        return self.phase in FINAL_PHASES

    @property
    def running(self) -> bool:
        """Whether its process runs, or is about to be started again."""
        return self.phase == Phase.RUNNING

    @property
    def run(self) -> tuple[str, int]:
        """Tells one run of the process from the next: in another Pod, or restarted in the same."""
        return self.pod_uid, self.restarts

    @property
    def why(self) -> str:
        """Reason and message as one sentence, without what the process said; empty when there is nothing to say."""
        if not self.seen:
            return NOT_SEEN
        return ": ".join(text for text in (self.reason, self.message.partition(LAST_OUTPUT)[0]) if text)

    @property
    def state(self) -> str:
        """In which state, and why: `Failed: Error: the process ended with exit code 3`."""
        return f"{self.phase}: {self.why}" if self.why else self.phase


def moment(text: str | None) -> datetime | None:
    """A time of the API."""
    return None if not text else datetime.fromisoformat(text)


def attempt_of(pod: Mapping[str, Any]) -> int:
    """Which attempt a task's Pod is, from 1."""
    label = (pod["metadata"].get("labels") or {}).get(LABEL_ATTEMPT, "")
    return int(label) if label.isdecimal() else 1


def _failed_pod(failure: Mapping[str, Any]) -> str:
    return "" if failure.get("exitCode") is None else failure.get("podName") or ""


def _is_true(status: Mapping[str, Any], kind: str) -> bool:
    return any(c.get("type") == kind and c.get("status") == "True" for c in status.get("conditions") or ())
