"""Why a Pod does not start: what the scheduler, kubelet and the Pod's Events say, in words that name the next step.

Pure. The scheduler and kubelet write into the Pod's status. What goes wrong before there is a container, such as a
runtime that the node does not know or a volume whose Secret is missing, is said in Events only: for a Pod that has been
on its node for a while without a word, somebody has to read them.
"""

import re
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta
from typing import Any

from reaper_api.remedies import of_unscheduled
from reaper_api.vocabulary import GATE_RECORDED, LABEL_RUNTIME, PLACEHOLDER_IMAGE, RUNTIME_CLASS, Reason
from reaper_operator.words import joined

Body = Mapping[str, Any]
Why = tuple[str | None, str | None]
"""Reason and message."""

# How the scheduler names labels that do not fit: of a node that it looked at, and of all but the one it was sent to.
_OF_LABELS = ("node affinity/selector", "[NodeAffinity]")
PATIENCE = 10.0  # seconds on a node before Events are read: most Pods run by then
_AT_MOST = 300.0  # seconds between two readings
_NO_IMAGE = frozenset({"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull", "ImageInspectError"})
_NOTHING_YET = frozenset({None, "ContainerCreating", "PodInitializing"})
_NO_RUNTIME = re.compile(rf'no runtime for "{RUNTIME_CLASS}"|containerd-shim-{RUNTIME_CLASS}|runtime .* binary not')
_ID = re.compile(r"\b[0-9a-f]{64}\b")  # of a sandbox; another with each try


def why_pending(pod: Body, status: Body, waiting: Body | None) -> Why:
    """What the Pod itself says. Our own gate is no news."""
    unscheduled = _unscheduled(pod, status)
    if unscheduled is not None:
        return unscheduled
    if waiting is None:
        return None, None
    reason, message = waiting.get("reason"), waiting.get("message")
    if reason in _NO_IMAGE:
        node = pod["spec"].get("nodeName") or "its node"
        text = (
            f"{node} does not have the image {PLACEHOLDER_IMAGE}, which stands for a program of the node, and cannot "
            f"pull it. Reaper's node installer imports it: see its Pod on {node}"
        )
        return str(Reason.PLACEHOLDER_MISSING), joined(text, message)
    return reason, message


def _unscheduled(pod: Body, status: Body) -> Why | None:
    """Why the scheduler has not placed the Pod, nor what was said about our gate before it went."""
    conditions: list[Body] = status.get("conditions") or []
    condition = next((found for found in conditions if found["type"] == "PodScheduled"), None)
    if condition is None or condition["status"] == "True":
        return None
    foreign = [gate for gate in pod["spec"].get("schedulingGates") or [] if gate["name"] != GATE_RECORDED]
    if condition.get("reason") == "SchedulingGated" and not foreign:
        return None
    message = condition.get("message")
    hint = None
    if message and any(words in message for words in _OF_LABELS):
        hint = f"only nodes with the label {LABEL_RUNTIME}=ready have the runtime: kubectl get nodes -L {LABEL_RUNTIME}"
    remedy = of_unscheduled(message or "", _wanted_node(pod) or "NODE")
    return condition.get("reason") or "Unschedulable", joined(message, remedy, hint) or None


def _wanted_node(pod: Body) -> str | None:
    """The one node that the Pod was made for, as the translation of spec.nodeName writes it."""
    of_nodes: Body = (pod["spec"].get("affinity") or {}).get("nodeAffinity") or {}
    terms = (of_nodes.get("requiredDuringSchedulingIgnoredDuringExecution") or {}).get("nodeSelectorTerms") or ()
    fields = [field for term in terms for field in term.get("matchFields") or ()]
    names = {name for field in fields if field["key"] == "metadata.name" for name in field.get("values") or ()}
    return names.pop() if len(names) == 1 else None


def needs_events(reason: str | None, scheduled: datetime | None, now: datetime) -> bool:
    """Whether a Pod that is Pending has been on its node for a while without a word."""
    return reason in _NOTHING_YET and scheduled is not None and now >= scheduled + timedelta(seconds=PATIENCE)


def next_reading(scheduled: datetime | None, now: datetime) -> datetime | None:
    """When to read Events again: the longer a Pod has been waiting, the less often."""
    if scheduled is None:
        return None
    waited = (now - scheduled).total_seconds()
    return now + timedelta(seconds=PATIENCE - waited if waited < PATIENCE else min(waited, _AT_MOST))


def from_events(events: Iterable[Body], node: str | None) -> Why | None:
    """What the latest warning among the Events of a Pod says; None if there is none."""
    warnings = [event for event in events if event.get("type") == "Warning"]
    if not warnings:
        return None
    latest = max(warnings, key=_time_of)
    reason, message = latest.get("reason"), _ID.sub("…", latest.get("message") or "")
    if _NO_RUNTIME.search(message):
        text = f"{node} does not have the runtime {RUNTIME_CLASS}: see the Pod of Reaper's node installer on {node}"
        return str(Reason.RUNTIME_MISSING), joined(text, message)
    return reason, message


def _time_of(event: Body) -> str:
    """Events of the old kind have lastTimestamp, those of the new kind a series or an eventTime. All are in UTC."""
    series = event.get("series") or {}
    return str(series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime") or "")
