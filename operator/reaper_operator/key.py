"""The key of a task: what the queue holds, what every log line starts with."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from reaper_api.vocabulary import GROUP, KIND

Body = Mapping[str, Any]


class Key(NamedTuple):
    """Names a task. Its Pod is in the same namespace."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


def key_of_task(body: Body) -> Key:
    """The key of a ReaperTask."""
    return Key(body["metadata"]["namespace"], body["metadata"]["name"])


def key_of_owner(pod: Body) -> Key | None:
    """The key of the task that controls `pod`, or None. From the owner reference: the label may be
    shortened."""
    owner = controller_of(pod)
    if owner is None or owner.get("kind") != KIND or not str(owner.get("apiVersion", "")).startswith(f"{GROUP}/"):
        return None
    return Key(pod["metadata"]["namespace"], owner["name"])


def controller_of(body: Body) -> Body | None:
    """The owner reference with `controller: true`, if there is one."""
    owners: list[Body] = body["metadata"].get("ownerReferences") or []
    return next((owner for owner in owners if owner.get("controller")), None)
