"""A task as the Pod that runs it. Pure and deterministic: the same task always gives the same manifest."""

import hashlib
from typing import Any

from reaper_api import vocabulary as v
from reaper_api.task import ReaperTask, TaskSpec, Toleration

Manifest = dict[str, Any]

MAX_LABEL_VALUE = 63
_HASH_LENGTH = 10


def pod_name(task_name: str) -> str:
    """The task's own name, so that `kubectl logs NAME` works on the Pod too."""
    return task_name


def label_value(name: str) -> str:
    """`name` as a label value: unchanged up to 63 characters, else its beginning and a hash of all of it."""
    if len(name) <= MAX_LABEL_VALUE:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_HASH_LENGTH]
    return f"{name[: MAX_LABEL_VALUE - _HASH_LENGTH - 1].rstrip('-.')}-{digest}"


def pod_for(task: ReaperTask) -> Manifest:
    """The Pod that runs `task`. It is gated: see vocabulary.GATE_RECORDED."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": pod_name(task.metadata.name),
            "namespace": task.metadata.namespace,
            "labels": labels(task),
            "annotations": _annotations(task.spec),
            "ownerReferences": [task.owner_reference],
        },
        "spec": _pod_spec(task.spec),
    }


def labels(task: ReaperTask) -> dict[str, str]:
    """The labels by which people and the operator find a task's Pod."""
    instance = label_value(task.metadata.name)
    return {
        v.LABEL_TASK: instance,
        v.LABEL_TASK_UID: task.metadata.uid,
        v.LABEL_ATTEMPT: "1",
        v.LABEL_APP_NAME: v.APP_NAME,
        v.LABEL_APP_INSTANCE: instance,
        v.LABEL_APP_MANAGED_BY: v.MANAGER,
    }


def _annotations(spec: TaskSpec) -> dict[str, str]:
    """A Pod has no field for a stream that nobody wants, so the runtime is told by annotation."""
    wanted = {v.ANNOTATION_STDOUT: spec.stdout, v.ANNOTATION_STDERR: spec.stderr}
    return {name: v.DISCARD for name, collect in wanted.items() if not collect}


def _pod_spec(spec: TaskSpec) -> Manifest:
    pod: Manifest = {
        "runtimeClassName": v.RUNTIME_CLASS,
        "schedulingGates": [{"name": v.GATE_RECORDED}],
        "restartPolicy": spec.restart_policy.value,
        "terminationGracePeriodSeconds": spec.termination_grace_period_seconds,
        # A host process sees the node's network and processes. Said openly, Pod Security and admission
        # policies judge the Pod as what it is.
        "hostNetwork": True,
        "hostPID": True,
        # The process reads the node's own /etc/resolv.conf whatever stands here; `Default` is the policy that
        # says so.
        "dnsPolicy": "Default",
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "containers": [_container(spec)],
    }
    if spec.node_selector:
        pod["nodeSelector"] = dict(spec.node_selector)
    if spec.tolerations:
        pod["tolerations"] = [_toleration(toleration) for toleration in spec.tolerations]
    if spec.node_name is not None:
        pod["affinity"] = _only_on(spec.node_name)
    if spec.active_deadline_seconds is not None:
        pod["activeDeadlineSeconds"] = spec.active_deadline_seconds
    return pod


def _container(spec: TaskSpec) -> Manifest:
    container: Manifest = {
        "name": v.CONTAINER,
        "image": v.PLACEHOLDER_IMAGE,
        "imagePullPolicy": "IfNotPresent",  # the image is on the node already; the tag `latest` would be pulled
        "command": list(spec.command),
    }
    if spec.args:
        container["args"] = list(spec.args)
    if spec.env:
        container["env"] = [{"name": variable.name, "value": variable.value} for variable in spec.env]
    if spec.working_dir is not None:
        container["workingDir"] = spec.working_dir
    if spec.user is not None:
        container["securityContext"] = {"runAsUser": spec.user.uid, "runAsGroup": spec.user.gid}
    if spec.terminal:
        container["tty"] = True
    if spec.stdin:
        # Once: a process that reads to the end of its input would otherwise never see that end.
        container |= {"stdin": True, "stdinOnce": True}
    return container


def _toleration(toleration: Toleration) -> Manifest:
    return toleration.model_dump(by_alias=True, exclude_none=True)


def _only_on(node: str) -> Manifest:
    """The scheduler places the Pod, as for a DaemonSet. A plain `nodeName` would go round it: taints and
    cordons would not count, a wrong name would wait for ever without a word, and a scheduling gate would
    be refused."""
    field = {"key": "metadata.name", "operator": "In", "values": [node]}
    terms = [{"matchFields": [field]}]
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}}
