"""Every way around the chart's policies that we know of: who tries what, and which policy says what."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.integration.sentences import (
    ANOTHER,
    BOUND,
    IMAGE_KEPT,
    IMAGE_WITH_GROUPS,
    KEPT,
    LIKE_ROOT,
    NO_DEBUG,
    UNREADABLE,
    may_not,
    may_not_exec,
    may_not_open,
    shut,
    wrong_gid,
    wrong_uid,
)
from tests.integration.tenancy import container, ordinary, pod, revision, runtime_class, task, workload

if TYPE_CHECKING:
    from tests.integration.tenancy import Object

MAKERS = ("Deployment", "StatefulSet", "DaemonSet", "ReplicaSet", "ReplicationController", "Job")
KINDS = (*MAKERS, "CronJob")
FORGED: Object = {
    "labels": {"reaper.io/task": "ticker", "app.kubernetes.io/managed-by": "reaper-operator"},
    "ownerReferences": [
        {"apiVersion": "reaper.io/v1alpha1", "kind": "ReaperTask", "name": "ticker", "uid": "u", "controller": True}
    ],
}
MINE: Object = {"runAsUser": 1000, "runAsGroup": 1000}


@dataclass(frozen=True)
class Attempt:
    """A way around: the words of kubectl, what it reads, and which policy says what."""

    id: str
    user: str
    words: str
    policy: str
    sentence: str
    stdin: Object | None = None


def creation(id_: str, user: str, namespace: str, body: Object, sentence: str, policy: str = "pods") -> Attempt:
    """One that creates an object."""
    return Attempt(id_, user, f"create --namespace {namespace} -f -", policy, sentence, body)


def narrow(id_: str, body: Object, sentence: str, policy: str = "pods") -> Attempt:
    """One of olga, who has the right, in the namespace where nobody is root."""
    return creation(id_, "olga", "narrow", body, sentence, policy)


def _named(body: Object, **metadata: Any) -> Object:
    return {**body, "metadata": {**body["metadata"], **metadata}}


def _binding(kind: str) -> Object:
    return {
        "apiVersion": "v1", "kind": "Binding", "target": {"kind": "Node", "name": "node-1"},
        "metadata": {"name": "running", "annotations": {"reaper.runtime/network": "pod"}}, "note": kind,
    }  # fmt: skip


_LIST: Object = {"apiVersion": "v1", "kind": "List"}
ATTEMPTS = [
    # Whoever may edit a namespace where host processes are, and not run any.
    creation("a Pod", "jane", "open", pod("p"), may_not("jane")),
    creation("a generated name", "jane", "open", _named(pod("p"), name=None, generateName="p-"), may_not("jane")),
    creation("labels and owner of a task's Pod", "jane", "open", _named(pod("p"), **FORGED), may_not("jane")),
    creation("in a List", "jane", "open", {**_LIST, "items": [ordinary("first"), pod("p")]}, may_not("jane")),
    Attempt("server-side apply", "jane", "apply -n open --server-side -f -", "pods", may_not("jane"), pod("p")),
    Attempt("client-side apply", "jane", "apply -n open -f -", "pods", may_not("jane"), pod("p")),
    Attempt(
        "kubectl run",
        "jane",
        'run p -n open --image x --overrides {"spec":{"runtimeClassName":"reaper-v2"}}',
        "pods",
        may_not("jane"),
    ),
    Attempt(
        "a copy by kubectl debug",
        "jane",
        "debug running -n open --copy-to p --image x -- true",
        "pods",
        may_not("jane"),
    ),
    Attempt(
        "a replacement",
        "jane",
        "replace -n open --force --grace-period 0 -f -",
        "pods",
        may_not("jane"),
        pod("replaced"),
    ),
    *(creation(f"a {kind}", "jane", "open", workload(kind, "w"), may_not("jane")) for kind in KINDS),
    creation("a forged revision", "jane", "open", revision("w"), may_not("jane"), "revisions"),
    Attempt("a Job of a CronJob", "jane", "create job w -n open --from cronjob/own-cronjob", "pods", may_not("jane")),
    Attempt(
        "an innocent Deployment, patched",
        "jane",
        'patch deployment web -n open -p {"spec":{"template":{"spec":{"runtimeClassName":"reaper-v2"}}}}',
        "pods",
        may_not("jane"),
    ),
    Attempt(
        "another command in a Deployment",
        "jane",
        "set env deployment/own-deployment -n open A=b",
        "pods",
        may_not("jane"),
    ),
    Attempt(
        "an annotation in a Deployment's template",
        "jane",
        "patch deployment own-deployment -n open -p "
        '{"spec":{"template":{"metadata":{"annotations":{"reaper.runtime/overlay-name":"x"}}}}}',
        "pods",
        may_not("jane"),
    ),
    Attempt("a rollout anew", "jane", "rollout restart daemonset/own-daemonset -n open", "pods", may_not("jane")),
    Attempt(
        "another command in a CronJob",
        "jane",
        'patch cronjob own-cronjob -n open -p {"spec":{"jobTemplate":{"spec":{"template":{"spec":{"containers":'
        '[{"name":"main","command":["/bin/sh"]}]}}}}}}',
        "pods",
        may_not("jane"),
    ),
    creation("a task", "jane", "open", task("t"), may_not("jane"), "tasks"),
    creation("a task for later", "jane", "open", task("t", suspend=True), may_not("jane"), "tasks"),
    Attempt(
        "somebody's task that sleeps",
        "jane",
        'patch reapertask asleep -n open --type merge -p {"spec":{"suspend":false}}',
        "tasks",
        may_not("jane"),
    ),
    Attempt(
        "an ephemeral container", "jane", "debug running -n open --image busybox -- sh", "ephemeralcontainers", NO_DEBUG
    ),
    Attempt("exec", "jane", "exec -n open running -- id", "exec", may_not_exec("jane", "open")),
    Attempt("exec into a task", "jane", "exec -n open ticker -- id", "exec", may_not_exec("jane", "open")),
    Attempt("attach", "jane", "attach -n open running", "exec", may_not_exec("jane", "open")),
    Attempt(
        "a port of the node",
        "jane",
        "create --raw /api/v1/namespaces/open/pods/running/portforward -f -",
        "exec",
        may_not_exec("jane", "open"),
    ),
    Attempt(
        "exec where it was closed again", "jane", "exec -n shut innocent -- id", "exec", may_not_exec("jane", "shut")
    ),
    # What runs stays what it was, for everybody.
    Attempt(
        "an annotation of a Pod",
        "olga",
        "annotate pod running -n open reaper.runtime/overlay-name=x --overwrite",
        "changes",
        KEPT,
    ),
    Attempt("one more", "olga", "annotate pod running -n open reaper.runtime/cgroup=pod", "changes", KEPT),
    Attempt("one less", "olga", "annotate pod running -n open reaper.runtime/overlay-name-", "changes", KEPT),
    Attempt(
        "an annotation by the status",
        "jane",
        "patch pod running -n open --subresource status "
        '-p {"metadata":{"annotations":{"reaper.runtime/network":"pod"}}}',
        "changes",
        KEPT,
    ),
    Attempt(
        "an annotation by the scheduler's way",
        "jane",
        "create --raw /api/v1/namespaces/open/pods/running/binding -f -",
        "placement",
        BOUND,
        _binding("of a Pod"),
    ),
    Attempt(
        "an annotation by its old way",
        "jane",
        "create --raw /api/v1/namespaces/open/bindings -f -",
        "placement",
        BOUND,
        _binding("of old"),
    ),
    Attempt("another image", "olga", "set image pod/running -n open main=busybox", "changes", IMAGE_KEPT),
    # A namespace that is not open, though one has the right there.
    creation("a Pod elsewhere", "olga", "plain", pod("p"), shut("plain")),
    creation("a task elsewhere", "olga", "plain", task("t"), shut("plain"), "tasks"),
    creation("a Deployment elsewhere", "olga", "plain", workload("Deployment", "w"), shut("plain")),
    creation("a task where it was closed again", "olga", "shut", task("t"), shut("shut"), "tasks"),
    creation("the administrator elsewhere", "admin", "plain", pod("p"), shut("plain")),
    # Opening it oneself.
    Attempt("the label", "nora", "label namespace plain reaper.io/allow=true", "namespaces", may_not_open("nora")),
    Attempt("no label", "nora", "label namespace open reaper.io/allow-", "namespaces", may_not_open("nora")),
    Attempt("no rules", "nora", "label namespace open reaper.io/rules=none", "namespaces", may_not_open("nora")),
    Attempt(
        "more users",
        "nora",
        "annotate namespace narrow reaper.io/uids=0 --overwrite",
        "namespaces",
        may_not_open("nora"),
    ),
    Attempt("no users", "nora", "annotate namespace open reaper.io/uids=?", "namespaces", may_not_open("nora")),
    Attempt("all users", "nora", "annotate namespace narrow reaper.io/uids-", "namespaces", may_not_open("nora")),
    Attempt(
        "more groups",
        "nora",
        "annotate namespace narrow reaper.io/gids=0 --overwrite",
        "namespaces",
        may_not_open("nora"),
    ),
    Attempt(
        "the label by the status",
        "nora",
        'patch namespace plain --subresource status -p {"metadata":{"labels":{"reaper.io/allow":"true"}}}',
        "namespaces",
        may_not_open("nora"),
    ),
    Attempt(
        "the label by finalize",
        "nora",
        "replace --raw /api/v1/namespaces/plain/finalize -f -",
        "namespaces",
        may_not_open("nora"),
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "plain", "labels": {"reaper.io/allow": "true"}}},
    ),
    Attempt(
        "a namespace with the label",
        "carl",
        "create -f -",
        "namespaces",
        may_not_open("carl"),
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "mine", "labels": {"reaper.io/allow": "true"}}},
    ),
    # Another way to the runtime.
    Attempt("a RuntimeClass", "carl", "create -f -", "runtimeclasses", ANOTHER, runtime_class("mine", "reaper-v2")),
    Attempt(
        "the administrator's", "admin", "create -f -", "runtimeclasses", ANOTHER, runtime_class("mine", "reaper-v2")
    ),
    # Root where nobody is root.
    narrow("no user", pod("p"), wrong_uid(0)),
    narrow("another user", pod("p", securityContext={"runAsUser": 33, "runAsGroup": 1000}), wrong_uid(33)),
    narrow(
        "root in one container",
        pod("p", securityContext=MINE, containers=[container(securityContext={"runAsUser": 0})]),
        wrong_uid(0),
    ),
    narrow(
        "root in an init container",
        pod("p", securityContext=MINE, initContainers=[container(securityContext={"runAsUser": 0}) | {"name": "i"}]),
        wrong_uid(0),
    ),
    narrow(
        "a container without a user",
        pod(
            "p",
            containers=[
                container(securityContext=MINE),
                container() | {"name": "second"},
            ],
        ),
        wrong_uid(0),
    ),
    narrow("no group", pod("p", securityContext={"runAsUser": 1000}), wrong_gid(0)),
    narrow("a group of the disks", pod("p", securityContext={**MINE, "supplementalGroups": [6]}), wrong_gid(6)),
    narrow("a group of the volumes", pod("p", securityContext={**MINE, "fsGroup": 42}), wrong_gid(42)),
    narrow(
        "groups of an image",
        pod("p", securityContext=MINE, containers=[container() | {"image": "me/groups"}]),
        IMAGE_WITH_GROUPS,
    ),
    narrow(
        "privileged",
        pod("p", securityContext=MINE, containers=[container(securityContext={"privileged": True})]),
        LIKE_ROOT,
    ),
    narrow(
        "a capability",
        pod(
            "p",
            securityContext=MINE,
            containers=[
                container(securityContext={"capabilities": {"add": ["SETUID"]}}),
            ],
        ),
        LIKE_ROOT,
    ),
    narrow(
        "set-user-ID",
        pod(
            "p",
            securityContext=MINE,
            containers=[
                container(securityContext={"allowPrivilegeEscalation": True}),
            ],
        ),
        LIKE_ROOT,
    ),
    narrow(
        "set-user-ID in a Job",
        workload(
            "Job",
            "w",
            pod(
                "",
                securityContext=MINE,
                containers=[
                    container(securityContext={"allowPrivilegeEscalation": True}),
                ],
            )["spec"],
        ),
        LIKE_ROOT,
    ),
    narrow("a Deployment as root", workload("Deployment", "w"), wrong_uid(0)),
    narrow("a CronJob as root", workload("CronJob", "w"), wrong_uid(0)),
    narrow("a task as root", task("t"), wrong_uid(0, "spec.user.uid"), "tasks"),
    narrow("a task as another", task("t", user={"uid": 2000, "gid": 100}), wrong_uid(2000, "spec.user.uid"), "tasks"),
    narrow(
        "a task with a group",
        task("t", user={"uid": 5000, "gid": 100, "supplementalGroups": [1000, 0]}),
        wrong_gid(0, "spec.user.gid and spec.user.supplementalGroups"),
        "tasks",
    ),
    creation("a namespace that nobody can read", "olga", "broken", task("t"), UNREADABLE, "tasks"),
    creation("and its Pods", "olga", "broken", pod("p"), UNREADABLE),
]
