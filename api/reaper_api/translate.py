"""A task as the Pod that runs one attempt of it. Pure and deterministic: the same always gives the same manifest."""

import hashlib
from typing import Any

from reaper_api import vocabulary as v
from reaper_api.environment import EnvVar
from reaper_api.names import MAX_LABEL_VALUE, MAX_NAME
from reaper_api.scheduling import Affinity
from reaper_api.task import ReaperTask, TaskSpec
from reaper_api.volumes import SOURCES, Volume

Manifest = dict[str, Any]

MIN_GRACE = 1  # seconds; as for `kubectl delete --grace-period=0` without --force
_HASH_LENGTH = 10


def pod_name(task_name: str, attempt: int = 1) -> str:
    """The task's own name, so that `kubectl logs NAME` works on the Pod too; NAME-2 for the second attempt."""
    suffix = "" if attempt == 1 else f"-{attempt}"
    return shortened(task_name, MAX_NAME - len(suffix)) + suffix


def label_value(name: str) -> str:
    """`name` as a label value: unchanged up to 63 characters, else its beginning and a hash of all of it."""
    return shortened(name, MAX_LABEL_VALUE)


def shortened(name: str, limit: int) -> str:
    """`name`, or its beginning and a hash of all of it where it is longer than `limit` characters."""
    if len(name) <= limit:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_HASH_LENGTH]
    return f"{name[: limit - _HASH_LENGTH - 1].rstrip('-.')}-{digest}"


def pod_for(task: ReaperTask, attempt: int = 1) -> Manifest:
    """The Pod of one attempt, counted from 1. It is gated: see vocabulary.GATE_RECORDED."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": pod_name(task.metadata.name, attempt),
            "namespace": task.metadata.namespace,
            "labels": labels(task, attempt),
            "annotations": annotations(task),
            "ownerReferences": [task.owner_reference],
        },
        "spec": _pod_spec(task.spec),
    }


def labels(task: ReaperTask, attempt: int = 1) -> dict[str, str]:
    """The labels by which people and the operator find a task's Pod, and the task's own."""
    instance = label_value(task.metadata.name)
    return {
        **_following(task.metadata.labels),
        v.LABEL_TASK: instance,
        v.LABEL_TASK_UID: task.metadata.uid,
        v.LABEL_ATTEMPT: str(attempt),
        v.LABEL_APP_NAME: v.APP_NAME,
        v.LABEL_APP_INSTANCE: instance,
        v.LABEL_APP_MANAGED_BY: v.MANAGER,
    }


def annotations(task: ReaperTask) -> dict[str, str]:
    """The task's own, and what the runtime is told where a Pod has no field for it."""
    spec = task.spec
    told = {
        v.ANNOTATION_TASK: task.metadata.name,
        v.ANNOTATION_STDOUT: None if spec.stdout else v.DISCARD,
        v.ANNOTATION_STDERR: None if spec.stderr else v.DISCARD,
        v.ANNOTATION_OVERLAY: spec.overlay and spec.overlay.name,
        v.ANNOTATION_DNS: spec.dns_mode and spec.dns_mode.value,
    }
    return {**_following(task.metadata.annotations), **{name: value for name, value in told.items() if value}}


def _following(metadata: dict[str, str]) -> dict[str, str]:
    """Without what says who looks after the task itself: on its Pod that would say the same of the Pod."""
    return {key: value for key, value in metadata.items() if not stays_with_the_task(key)}


def stays_with_the_task(key: str) -> bool:
    """Whether a label or annotation of a task is not passed on to its Pods."""
    prefix, slash, _ = key.partition("/")
    return bool(slash) and f".{prefix}".endswith(v.NOT_FOLLOWING)


def _pod_spec(spec: TaskSpec) -> Manifest:
    pod: Manifest = {
        "runtimeClassName": v.RUNTIME_CLASS,
        "schedulingGates": [{"name": v.GATE_RECORDED}],
        "restartPolicy": spec.restart_policy.value,
        # Of a Pod with 0 every DELETE, such as by a drain or the taint manager, is one by force: the API server forgets
        # it at once, and its process runs on (CheckGracefulDelete).
        "terminationGracePeriodSeconds": max(MIN_GRACE, spec.termination_grace_period_seconds),
        # A host process sees the node's network and processes. Said openly, Pod Security and admission
        # policies judge the Pod as what it is.
        "hostNetwork": True,
        "hostPID": True,
        "dnsPolicy": _DNS_POLICY[spec.dns_mode],
        "automountServiceAccountToken": spec.service_account_name is not None,
        "enableServiceLinks": False,
        "containers": [_container(spec)],
    }
    chosen = {
        "serviceAccountName": spec.service_account_name,
        "priorityClassName": spec.priority_class_name,
        "nodeSelector": dict(spec.node_selector),
        "tolerations": [toleration.model_dump(by_alias=True, exclude_none=True) for toleration in spec.tolerations],
        "affinity": _affinity(spec.affinity, spec.node_name),
        "volumes": [_volume(volume) for volume in spec.volumes],
        "securityContext": _groups(spec),
    }
    return {**pod, **_given(chosen)}


# Without the cluster's DNS the process reads the node's own /etc/resolv.conf whatever stands here; `Default` is the
# policy that says so. With it, kubelet prepares the cluster's for a Pod of the node's network only when told so.
_DNS_POLICY = {
    None: "Default",
    v.DnsMode.HOST: "Default",
    v.DnsMode.KUBERNETES: "ClusterFirstWithHostNet",
}


def _container(spec: TaskSpec) -> Manifest:
    container: Manifest = {
        "name": v.CONTAINER,
        "image": v.PLACEHOLDER_IMAGE,
        "imagePullPolicy": "IfNotPresent",  # the image is on the node already; the tag `latest` would be pulled
        "command": list(spec.command),
        # The end of what a process wrote that failed is then in the Pod's status, and so in the task's.
        "terminationMessagePolicy": "FallbackToLogsOnError",
    }
    chosen = {
        "args": list(spec.args),
        "env": [_variable(variable) for variable in spec.env],
        "envFrom": [source.as_manifest() for source in spec.env_from],
        "workingDir": spec.working_dir,
        "securityContext": spec.user and {"runAsUser": spec.user.uid, "runAsGroup": spec.user.gid},
        "volumeMounts": [_mount(volume) for volume in spec.volumes],
        "tty": spec.terminal,
        # Once: a process that reads to the end of its input would otherwise never see that end.
        "stdin": spec.stdin,
        "stdinOnce": spec.stdin,
    }
    return {**container, **_given(chosen)}


def _given(fields: Manifest) -> Manifest:
    """Without what the task leaves open. A value that is nothing means the same to Kubernetes as its absence."""
    return {name: value for name, value in fields.items() if value}


def _variable(variable: EnvVar) -> Manifest:
    if variable.value_from is not None:
        return {"name": variable.name, "valueFrom": variable.value_from.as_manifest()}
    return {"name": variable.name, "value": variable.value or ""}


def _groups(spec: TaskSpec) -> Manifest | None:
    if spec.user is None or not spec.user.supplemental_groups:
        return None
    return {"supplementalGroups": list(spec.user.supplemental_groups)}


def _volume(volume: Volume) -> Manifest:
    source = next(field for field in SOURCES if volume.value_of(field) is not None)
    return {"name": volume.name, source: volume.value_of(source).as_manifest()}


def _mount(volume: Volume) -> Manifest:
    mount = {"name": volume.name, "mountPath": volume.mount_path}
    return {**mount, "readOnly": True} if volume.read_only else mount


def _affinity(affinity: Affinity | None, node: str | None) -> Manifest | None:
    """What the task says, and its nodeName as a part of each term: a node has to meet one whole term.

    The scheduler places the Pod, as for a DaemonSet. A plain `nodeName` would go round it: taints and cordons would not
    count, a wrong name would wait for ever without a word, and a scheduling gate would be refused.
    """
    manifest = affinity.as_manifest() if affinity is not None else {}
    if node is None:
        return manifest
    only = {"matchFields": [{"key": "metadata.name", "operator": "In", "values": [node]}]}
    required = "requiredDuringSchedulingIgnoredDuringExecution"
    of_nodes = manifest.get("nodeAffinity", {})
    terms = of_nodes.get(required, {}).get("nodeSelectorTerms") or [{}]
    narrowed = {"nodeSelectorTerms": [{**term, **only} for term in terms]}
    return {**manifest, "nodeAffinity": {**of_nodes, required: narrowed}}
