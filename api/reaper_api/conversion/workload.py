"""Where the Pod is in an object of each kind, and what the fields around it become."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from reaper_api.conversion.draft import Draft, has
from reaper_api.conversion.handlers import Handler, carry, drop, lose, unknown
from reaper_api.conversion.report import Body, Path
from reaper_api.ruleset.template import template_of

ONE_PROCESS = "a ReaperTask is one process"


class Kind(NamedTuple):
    """A kind of object that holds a Pod."""

    pod: Path
    """Where the Pod's metadata and spec are."""
    restart: str
    """What restartPolicy means where it is not written."""
    means: str
    """What is no longer there to do the work of the kind; empty if nothing is missing."""


KINDS: Mapping[str, Kind] = {
    "Pod": Kind((), "Always", ""),
    "PodTemplate": Kind(("template",), "Always", ""),
    "Job": Kind(("spec", "template"), "", "the operator does what the Job controller did"),
    "CronJob": Kind(("spec", "jobTemplate", "spec", "template"), "", "a task runs once, as soon as it is there"),
    "Deployment": Kind(
        ("spec", "template"),
        "Always",
        "the node starts the process again; nobody starts the task anew on another node, or rolls out a new version",
    ),
    "ReplicaSet": Kind(("spec", "template"), "Always", "nobody starts the task anew on another node"),
    "ReplicationController": Kind(("spec", "template"), "Always", "nobody starts the task anew on another node"),
    "StatefulSet": Kind(("spec", "template"), "Always", "nobody starts the task anew on another node"),
    "DaemonSet": Kind(("spec", "template"), "Always", "a task runs on one node, and no other comes when a node joins"),
}
"""The kinds that can be converted."""


def holds_pod(body: Mapping[str, Any]) -> bool:
    """Whether an object is of one of KINDS, and of the API that has it."""
    return template_of(body) is not None and body["kind"] in KINDS


_CRON = "a task has no schedule: let a CronJob create it with kubectl, or keep the CronJob and set its runtimeClassName"
_ROLL_OUT = "a task is not rolled out: a changed one is created under another name"
_REPLICAS = (
    f"{ONE_PROCESS}: keep the object and set runtimeClassName: reaper-v2 in its template, or write a task for "
    "each replica"
)


def convert_around(draft: Draft, kind: str, body: Body) -> None:
    """Account for all that is neither the object's metadata nor the Pod in it."""
    match kind:
        case "Job":
            _job(draft, ("spec",), body.get("spec") or {})
        case "CronJob":
            _cron_job(draft, body.get("spec") or {})
        case "Deployment" | "ReplicaSet" | "ReplicationController" | "StatefulSet" | "DaemonSet":
            _replicated(draft, kind, body.get("spec") or {})


def _one(draft: Draft, path: Path, value: Any) -> None:
    if value in (1, None):
        draft.drop(path, value, "one process, always")
    else:
        draft.refuse(path, value, _REPLICAS)


_JOB: Mapping[str, Handler] = {
    "backoffLimit": carry("backoffLimit"),
    "activeDeadlineSeconds": carry("activeDeadlineSeconds"),
    "ttlSecondsAfterFinished": carry("ttlSecondsAfterFinished"),
    "suspend": carry("suspend"),
    "completions": _one,
    "parallelism": _one,
    "completionMode": drop("there is one completion"),
    "selector": drop("the operator finds its Pods by their owner"),
    "manualSelector": drop("the operator finds its Pods by their owner"),
    "podReplacementPolicy": drop("the next attempt begins when the Pod of the last one has ended"),
    "podFailurePolicy": lose("every failed attempt counts; lost nodes, evictions and deleted Pods never do"),
}
_CRON_JOB: Mapping[str, Handler] = {
    name: lose(_CRON)
    for name in (
        "schedule",
        "timeZone",
        "concurrencyPolicy",
        "startingDeadlineSeconds",
        "successfulJobsHistoryLimit",
        "failedJobsHistoryLimit",
        "suspend",
    )
}
_REPLICATED: Mapping[str, Handler] = {
    "replicas": _one,
    "selector": drop("the operator finds its Pods by their owner"),
    "strategy": drop(_ROLL_OUT),
    "updateStrategy": drop(_ROLL_OUT),
    "revisionHistoryLimit": drop(_ROLL_OUT),
    "progressDeadlineSeconds": drop(_ROLL_OUT),
    "podManagementPolicy": drop(_ROLL_OUT),
    "minReadySeconds": drop(_ROLL_OUT),
    "paused": drop(_ROLL_OUT),
    "serviceName": lose("a task has no name in the cluster's DNS"),
    "persistentVolumeClaimRetentionPolicy": drop("a task has no claims"),
}


def _each(draft: Draft, path: Path, value: Mapping[str, Any], table: Mapping[str, Handler], skip: str) -> None:
    for name, inner in value.items():
        if name != skip:
            table.get(name, unknown)(draft, (*path, name), inner)


def _job(draft: Draft, path: Path, spec: Mapping[str, Any]) -> None:
    _each(draft, path, spec, _JOB, "template")
    if "backoffLimit" not in spec and has("backoffLimit"):
        draft.add(("spec", "backoffLimit"), 6, "a Job without backoffLimit is tried again 6 times")


def _cron_job(draft: Draft, spec: Mapping[str, Any]) -> None:
    _each(draft, ("spec",), spec, _CRON_JOB, "jobTemplate")
    template: Mapping[str, Any] = spec.get("jobTemplate") or {}
    for name, value in template.items():
        if name != "spec":
            draft.drop(("spec", "jobTemplate", name), value, "the task has the metadata of the CronJob")
    _job(draft, ("spec", "jobTemplate", "spec"), template.get("spec") or {})


def _replicated(draft: Draft, kind: str, spec: Mapping[str, Any]) -> None:
    table = dict(_REPLICATED)
    if kind == "StatefulSet":
        table["volumeClaimTemplates"] = lambda draft, path, value: draft.refuse(
            path, value, "a ReaperTask mounts no persistent volumes: keep the StatefulSet, or use a hostPath"
        )
    _each(draft, ("spec",), spec, table, "template")
