"""Why a task is as it is, and what to do: the words of operator, kubelet and runtime, and a remedy to each. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from reaper_api import remedies as known
from reaper_api.vocabulary import LABEL_RUNTIME, NODE_READY, Phase, Reason

if TYPE_CHECKING:
    from collections.abc import Sequence

    from reaper_cli.installation import Node, Workload
    from reaper_cli.task import Task


@dataclass(frozen=True)
class Cause:
    """A sentence, and what to do about it: often a command."""

    sentence: str
    remedies: tuple[str, ...]


class Remedy(NamedTuple):
    """What helps when the reason and a part of the message are these."""

    reasons: frozenset[str]
    pattern: str
    advice: tuple[str, ...]
    """With {name}, {namespace}, {node}, {pod} of the task."""


_ANY = frozenset[str]()
_START = frozenset({"StartError", "ContainerCannotRun", "CreateContainerError", "RunContainerError"})
_IMAGE = frozenset({Reason.PLACEHOLDER_MISSING, "ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull"})

REMEDIES = (
    Remedy(
        _START,
        r"program .* does not exist",
        (
            "install the program on node {node}, or write its path as it is there",
            "or run where it is: spec.nodeSelector, spec.nodeName",
        ),
    ),
    Remedy(
        _START, r"may not be executed|permission denied", ("give user and group of spec.user the right to execute it",)
    ),
    Remedy(_START, r"cannot become user", ("write a uid and a gid that the node allows in spec.user",)),
    Remedy(_START, r"working directory", ("make the directory on the node, or correct spec.workingDir",)),
    Remedy(_START, r"overlay", ("kubectl reaper nodes {node}", "docs/runtime.md, section The overlay")),
    Remedy(_START, r"dns-mode", ("set spec.dnsMode: host, or see that the cluster's DNS runs",)),
    Remedy(_START, "", ("kubectl describe pod {pod} -n {namespace}",)),
    Remedy(
        _IMAGE,
        "",
        (
            "the installer puts the image `placeholder` on each node: kubectl reaper nodes",
            "kubectl describe pod {pod} -n {namespace}",
        ),
    ),
    Remedy(frozenset({Reason.RUNTIME_MISSING}), "", ("kubectl reaper nodes {node}", "kubectl reaper doctor")),
    Remedy(
        frozenset({"CreateContainerConfigError"}),
        "",
        ("create the Secret or ConfigMap that it names in namespace {namespace}; the task goes on by itself",),
    ),
    *(Remedy(_ANY, pattern, (advice,)) for pattern, advice in known.REFUSALS),
    Remedy(
        frozenset({Reason.POD_NAME_TAKEN}),
        "",
        ("kubectl delete pod {name} -n {namespace}", "or name the task otherwise"),
    ),
    Remedy(frozenset({Reason.POD_REFUSED}), "", ("kubectl reaper doctor",)),
    Remedy(
        frozenset({Reason.INVALID_SPEC, Reason.POD_INVALID}),
        "",
        ("kubectl replace --force -f FILE, with a correct spec",),
    ),
    Remedy(
        frozenset({Reason.NODE_UNREACHABLE, "NodeNotReady"}),
        "",
        (known.SILENT_NODE, known.SILENT_NODE_AFTER),
    ),
    Remedy(
        frozenset({Reason.EVICTED, Reason.PREEMPTED, Reason.NODE_LOST, "NodeShutdown", "Terminated"}),
        "",
        ("kubectl describe node {node}", "kubectl reaper retry {name} -n {namespace}"),
    ),
    Remedy(
        frozenset({Reason.DEADLINE_EXCEEDED}),
        "",
        ("kubectl reaper logs {name} -n {namespace}", "a longer spec.activeDeadlineSeconds in a new task"),
    ),
    Remedy(
        frozenset({Reason.POD_DELETED, Reason.PROCESS_LOST, Reason.TOO_MANY_INTERRUPTIONS}),
        "",
        ("kubectl reaper retry {name} -n {namespace}",),
    ),
    Remedy(_ANY, r"exit code 127\b", ("a shell did not find a program: kubectl reaper logs {name} -n {namespace}",)),
    Remedy(
        _ANY,
        r"exit code 137\b",
        ("killed: by its memory limit, by the node for want of memory, or by somebody: kubectl describe node {node}",),
    ),
    Remedy(_ANY, r"exit code", ("kubectl reaper logs {name} -n {namespace}",)),
)


def diagnose(
    task: Task, *, nodes: Sequence[Node] | None, operators: Sequence[Workload] | None, wanted_node: str = ""
) -> Cause | None:
    """Why the task has not done what was wished; None if all is well. None for what could not be asked."""
    if task.phase == Phase.SUCCEEDED or (task.running and not task.reason):
        return None
    if not task.seen:
        return _unseen(operators)
    if task.reason in ("Unschedulable", "SchedulerError") and nodes is not None:
        return _unscheduled(task, nodes, wanted_node)
    if task.suspended and not task.finished:
        return Cause("the task is suspended", (f"kubectl reaper resume {task.name} -n {task.namespace}",))
    if not task.reason or (task.phase == Phase.PENDING and task.reason in ("ContainerCreating", "PodInitializing")):
        return None
    return Cause(task.message or task.reason, remedies(task))


def remedies(task: Task) -> tuple[str, ...]:
    """What helps against the reason and message of a task; nothing where nothing is known."""
    words = {"name": task.name, "namespace": task.namespace, "node": task.node or "NODE", "pod": task.pod or task.name}
    for reasons, pattern, advice in REMEDIES:
        if (not reasons or task.reason in reasons) and re.search(pattern, task.message):
            return tuple(text.format(**words) for text in advice)
    return ()


def _unseen(operators: Sequence[Workload] | None) -> Cause:
    if operators is None:
        return Cause("no operator has looked at the task yet", ("kubectl reaper doctor",))
    if not operators:
        return Cause(
            "no operator is installed in this cluster: nobody looks at tasks",
            ("helm install reaper charts/reaper -n reaper-system --create-namespace",),
        )
    found = operators[0]
    place = f"deployment {found.name} -n {found.namespace}"
    if all(operator.ready == 0 for operator in operators):
        return Cause(
            f"the operator is not at work: Deployment {found.name} in {found.namespace} has 0 of {found.wanted} Pods "
            "ready",
            (f"kubectl describe {place}",),
        )
    return Cause(
        "the operator has not looked at the task yet; it takes less than a second as a rule",
        (f"kubectl logs {place.replace(' ', '/', 1)}",),
    )


def _unscheduled(task: Task, nodes: Sequence[Node], wanted: str) -> Cause:
    """The scheduler speaks of labels and affinity; the person thinks of nodes and the runtime."""
    if wanted:
        node = next((node for node in nodes if node.name == wanted), None)
        if node is None:
            return Cause(f"there is no node {wanted} in this cluster", ("kubectl get nodes",))
        if node.runtime != NODE_READY:
            why = f": {node.error}" if node.error else ""
            return Cause(f"node {wanted} does not have the runtime{why}", ("kubectl reaper nodes",))
        if not node.healthy:
            return Cause(f"node {wanted} is not ready", (known.SILENT_NODE.format(node=wanted),))
        if node.cordoned:
            return Cause(f"node {wanted} is cordoned", (known.CORDONED_NODE.format(node=wanted),))
    if not any(node.runtime == NODE_READY for node in nodes):
        return Cause(
            f"no node of this cluster has the runtime (label {LABEL_RUNTIME}={NODE_READY})",
            ("kubectl reaper nodes", "kubectl reaper doctor"),
        )
    return Cause(
        task.message or "no node meets what the task asks for",
        ("compare spec.nodeSelector, tolerations and affinity with: kubectl get nodes --show-labels",),
    )
