"""What the API server holds, as we read it: one sentence where an object makes no sense. Somebody else's schema allows
it, or who wrote it was somebody else. Pure."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from pydantic import ValidationError

from reaper_api.problems import problems_of
from reaper_api.task import TaskHead
from reaper_api.vocabulary import KIND
from reaper_operator.errors import Unreadable
from reaper_operator.observe import PodObservation, observe

Body = Mapping[str, Any]

_LATEST = datetime(9000, 1, 1, tzinfo=UTC)  # of a Pod: what is added to it is years at most
_NO_TIME = "a time that nobody can count from"


def read_task(body: Body) -> TaskHead:
    """What can be read of a task whose spec may make no sense. Raises Unreadable."""
    try:
        return TaskHead.model_validate(body)
    except ValidationError as error:
        what, metadata = "; ".join(problems_of(error, KIND)), body["metadata"]
        raise Unreadable(
            f"this operator cannot read the task, which a newer one may have written: {what}. Run that one, or correct "
            f"the task: kubectl edit reapertask {metadata['name']} -n {metadata['namespace']} --subresource=status"
        ) from error


def read_pod(body: Body) -> PodObservation:
    """A Pod of a task as it is. Raises Unreadable, whatever it is that is odd about it: one Pod must not keep anybody
    else from a look."""
    try:
        pod = observe(body)
        _require_times(pod)
    except Exception as error:
        what = f"there is no {error}" if isinstance(error, KeyError) else str(error) or type(error).__name__
        name, namespace = body["metadata"]["name"], body["metadata"]["namespace"]
        raise Unreadable(
            f"this operator cannot read Pod {name} of the task: {what}. Whoever wrote its status has to correct it; or "
            f"give the Pod up, which ends this attempt of the task: kubectl delete pod {name} -n {namespace}"
        ) from error
    return pod


def _require_times(pod: PodObservation) -> None:
    for time in (pod.scheduled, pod.started, pod.ended):
        if time is not None and time > _LATEST:
            raise ValueError(f"{_in_words(time)} is {_NO_TIME}")


def later(since: datetime, seconds: int, field: str) -> datetime:
    """So many seconds after a time that `field` of a task has. Raises Unreadable where no calendar goes so far."""
    try:
        return since + timedelta(seconds=seconds)
    except OverflowError as error:
        raise Unreadable(
            f"this operator cannot read the task: {field} is {_in_words(since)}, {_NO_TIME}. Correct it: kubectl edit "
            "reapertask NAME -n NAMESPACE --subresource=status"
        ) from error


def _in_words(time: datetime) -> str:
    return time.isoformat().replace("+00:00", "Z")
