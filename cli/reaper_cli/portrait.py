"""A task, its Pods, its node and its process on one screen, what is wrong first. Pure."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from reaper_api.vocabulary import ANNOTATION_CANCELLED, ANNOTATION_RETRY_OF, LAST_OUTPUT, Phase
from reaper_cli import table
from reaper_cli.pods import name_of
from reaper_cli.task import attempt_of, moment

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import datetime

    from reaper_cli.cluster import Body
    from reaper_cli.diagnosis import Cause
    from reaper_cli.installation import Node
    from reaper_cli.task import Task

_LABEL = 11  # columns of the names on the left
_MOST_EVENTS = 8


@dataclass(frozen=True)
class Facts:
    """What was found out; None where the caller may not know."""

    body: Body
    task: Task
    cause: Cause | None
    pods: Sequence[Body] | None
    node: Node | None
    events: Sequence[Body] | None
    output: Sequence[str]
    """The last lines of the process's output."""


def portrait(facts: Facts, now: datetime) -> Iterator[str]:
    """The lines of the screen; coloured."""
    task = facts.task
    yield _headline(task)
    if facts.cause is not None:
        yield ""
        yield from _block("Cause", [click.style(line, bold=True) for line in _cause(facts)])
        yield from _block("Try", facts.cause.remedies)
    yield ""
    for title, lines in (
        ("Task", _task(facts, now)),
        ("Command", _command(facts.body["spec"])),
        ("Times", _times(task, now)),
        ("Conditions", _conditions(facts.body, now)),
        ("Pod", _pods(facts.pods, task)),
        ("Node", _node(task, facts.node)),
        ("Process", _process(facts.body, task)),
    ):
        yield from _block(title, list(lines))
    if facts.output:
        yield ""
        yield from _block("Output", [click.style(line, dim=True) for line in facts.output])
    if facts.events:
        yield ""
        yield from _block("Events", [_event(event, now) for event in facts.events[-_MOST_EVENTS:]])


def _cause(facts: Facts) -> list[str]:
    """Its lines; without the end of the output where that has a place of its own."""
    sentence = facts.cause.sentence if facts.cause is not None else ""
    return [sentence.partition(LAST_OUTPUT)[0]] if facts.output else sentence.splitlines()


def _headline(task: Task) -> str:
    name = click.style(f"{task.namespace}/{task.name}", bold=True)
    ended = "" if task.exit_code is None else f", exit code {task.exit_code}"
    leaving = ", being deleted" if task.deleted else ""
    return f"{name}  {table.phase(task.phase)}{ended}{leaving}"


def _task(facts: Facts, now: datetime) -> Iterator[str]:
    task, metadata = facts.task, facts.body["metadata"]
    spec, status = facts.body["spec"], facts.body.get("status") or {}
    notes = metadata.get("annotations") or {}
    yield f"created {table.age(task.created, now)} ago, uid {task.uid}"
    if limit := spec.get("backoffLimit"):
        yield f"attempt {task.attempts or 1} of at most {limit + 1}, {status.get('failures') or 0} failed"
    elif task.attempts > 1:
        yield f"attempt {task.attempts}"
    if upcoming := moment(status.get("nextAttemptTime")):
        yield f"next attempt in {table.duration(upcoming - now)}"
    if task.restarts:
        yield f"restarted {task.restarts} times by the node (restartPolicy {spec.get('restartPolicy')})"
    if ANNOTATION_CANCELLED in notes:
        yield f"cancelled at {notes[ANNOTATION_CANCELLED]}"
    if ANNOTATION_RETRY_OF in notes:
        yield f"repeats {notes[ANNOTATION_RETRY_OF]}"
    labels = metadata.get("labels") or {}
    if labels:
        yield "labels " + ",".join(f"{key}={value}" for key, value in labels.items())


def _command(spec: Body) -> Iterator[str]:
    yield shlex.join([*spec["command"], *(spec.get("args") or ())]).replace("\n", "\n" + " " * (_LABEL + 2))
    if spec.get("workingDir"):
        yield f"in {spec['workingDir']}"
    user = spec.get("user") or {}
    groups = ",".join(str(group) for group in user.get("supplementalGroups") or ())
    yield f"as {user['uid']}:{user['gid']}" + (f", groups {groups}" if groups else "") if user else "as root"
    names = [variable["name"] for variable in spec.get("env") or ()]
    if names:
        yield f"with the variables {', '.join(names)}"
    for volume in spec.get("volumes") or ():
        source = next((key for key in volume if key not in {"name", "mountPath", "readOnly"}), "?")
        yield f"{volume.get('mountPath')} is {source} {volume['name']}" + (
            ", read only" if volume.get("readOnly") else ""
        )


def _times(task: Task, now: datetime) -> Iterator[str]:
    if task.started is None:
        if task.finished:
            yield "no process was started"
        return
    waited = f" after {table.duration(task.started - task.created)}" if task.created else ""
    yield f"started {task.started:%Y-%m-%d %H:%M:%S}Z{waited}"
    if task.completed is not None:
        yield f"ended {task.completed:%Y-%m-%d %H:%M:%S}Z, ran {table.duration(task.completed - task.started)}"
    elif task.running:
        yield f"running for {table.duration(now - task.started)}"
    if task.deadline is not None and not task.finished:
        yield f"to end within {task.deadline} s"


def _conditions(body: Body, now: datetime) -> Iterator[str]:
    for condition in (body.get("status") or {}).get("conditions") or ():
        since = table.age(moment(condition.get("lastTransitionTime")), now)
        yield f"{condition['type']}={condition['status']} ({condition.get('reason')}) for {since}"


def _pods(pods: Sequence[Body] | None, task: Task) -> Iterator[str]:
    if pods is None:
        yield f"{task.pod or 'of the task'}: you may not list Pods"
        return
    if not pods:
        yield _no_pod(task)
    for pod in pods:
        status = pod.get("status") or {}
        container = (status.get("containerStatuses") or [{}])[0]
        number = f"attempt {attempt_of(pod)}: " if len(pods) > 1 else ""
        yield f"{number}{name_of(pod)}, {status.get('phase', 'Pending')}{_state(container)}"


def _no_pod(task: Task) -> str:
    if not task.pod:
        return "none" if task.finished else "none yet"
    return f"{task.pod} is gone" + (", and its output with it" if task.started else "")


def _state(container: Body) -> str:
    """What kubelet says of the container beyond the Pod's phase."""
    for name, detail in (container.get("state") or {}).items():
        if name == "terminated":
            return f", exit code {detail.get('exitCode')} ({detail.get('reason')})"
        if name == "waiting" and detail.get("reason"):
            return f", waiting: {detail['reason']}"
    return ""


def _node(task: Task, node: Node | None) -> Iterator[str]:
    if not task.node:
        yield "none yet"
        return
    if node is None:
        yield task.node
        return
    state = "Ready" if node.healthy else click.style("not Ready", fg="red")
    yield f"{node.name}, {state}, runtime {node.runtime or '-'} {node.version}".rstrip()
    if node.error:
        yield node.error


def _process(body: Body, task: Task) -> Iterator[str]:
    status: dict[str, Any] = body.get("status") or {}
    pid, overlay = status.get("hostProcessPID"), status.get("overlayNamespaceID")
    if task.finished:
        signal = f" by {status['signal']}" if status.get("signal") else ""
        yield "over" + (
            f", ended{signal} with exit code {task.exit_code}"
            if task.exit_code is not None
            else ", how is not known"
            if task.started
            else ", never started"
        )
    elif task.running:
        yield f"pid {pid} on the node" if pid else "runs"
    elif task.phase == Phase.UNKNOWN:
        yield "may or may not run"
    else:
        yield "none yet"
    if overlay:
        yield f"sees overlay {overlay}"


def _event(event: Body, now: datetime) -> str:
    last = moment(event.get("lastTimestamp") or event.get("eventTime") or event["metadata"].get("creationTimestamp"))
    count = event.get("count") or (event.get("series") or {}).get("count") or 1
    times = f" (x{count})" if count > 1 else ""
    colour = "yellow" if event.get("type") == "Warning" else None
    reason = click.style(event.get("reason") or "", fg=colour)
    return f"{table.age(last, now):>6}{times}  {reason}: {' '.join((event.get('message') or '').split())}"


def _block(title: str, lines: Sequence[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        name = click.style(f"{title:{_LABEL}}", fg="cyan") if number == 0 else " " * _LABEL
        yield f"{name}  {line}"
