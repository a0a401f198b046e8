"""A control plane with the chart's policies and roles, and people who share it."""

from __future__ import annotations

import json
import os
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import yaml

from tests.integration.api import Answer, Api
from tests.integration.charts import ROOT, program, render
from tests.integration.planes import until_pods_may_be_in
from tests.integration.replicas import eventually

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.integration.control_plane import ControlPlane

Object = dict[str, Any]
T = TypeVar("T")

PATIENCE = 30.0  # seconds until a policy or a right is in force, or a controller has acted
OPERATOR = "system:serviceaccount:reaper-system:reaper-operator"
MUTATING = "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy"
PEOPLE = {
    "jane": "may edit in every team's namespace, and not run host processes",
    "olga": "may edit there and run host processes",
    "nora": "is the admin of every team's namespace, and may label it",
    "carl": "makes RuntimeClasses and namespaces",
    "vera": "may view",
}
TEAMS: Mapping[str, Object] = {
    "open": {"labels": {"reaper.io/allow": "true"}},
    "plain": {},
    "shut": {"labels": {"reaper.io/allow": "false"}},
    "narrow": {
        "labels": {"reaper.io/allow": "true"},
        "annotations": {"reaper.io/uids": "1000-1999,5000", "reaper.io/gids": "100,1000-1999"},
    },
    "broken": {"labels": {"reaper.io/allow": "true"}, "annotations": {"reaper.io/uids": "everybody"}},
}
_REFUSAL = re.compile(r"ValidatingAdmissionPolicy '(.+)' with binding '\1' denied request: (.*)")


@dataclass(frozen=True)
class Done:
    """What kubectl left behind."""

    code: int
    out: str
    err: str

    @property
    def refusal(self) -> tuple[str, str]:
        """The policy that refused, and its sentence to the letter. It has to be a refusal."""
        found = _REFUSAL.search(self.err)
        assert self.code != 0, self.out
        assert found, self.err
        return found[1], found[2]

    def ok(self) -> str:
        """The output, of what has to be allowed without a warning."""
        assert self.code == 0, self.err
        assert "Warning" not in self.err
        return self.out


class Person:
    """Somebody with kubectl."""

    def __init__(self, name: str, kubeconfig: Path) -> None:
        self.name = name
        path = f"{Path(program('kubectl')).parent}:{os.environ['PATH']}"
        self._environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "PATH": path}

    def kubectl(self, *words: str, stdin: Object | None = None) -> Done:
        """Run it, whatever comes of it."""
        return self._run([program("kubectl"), *words], json.dumps(stdin) if stdin is not None else "")

    def shell(self, script: str) -> Done:
        """Type it, or paste it."""
        return self._run(["/bin/sh", "-euc", script])

    def _run(self, command: list[str], text: str = "") -> Done:
        done = subprocess.run(
            command, input=text, env=self._environment, capture_output=True, text=True, check=False, timeout=60
        )
        return Done(done.returncode, done.stdout, done.stderr)

    def create(self, namespace: str, *objects: Object, words: tuple[str, ...] = ()) -> Done:
        """kubectl create of some objects."""
        document = {"apiVersion": "v1", "kind": "List", "items": list(objects)} if len(objects) > 1 else objects[0]
        return self.kubectl("create", "--namespace", namespace, "-f", "-", *words, stdin=document)


class Tenancy:
    """A started control plane, with the chart on it but for what runs in Pods, and a namespace a team."""

    def __init__(self, plane: ControlPlane) -> None:
        self.api = Api(str(plane.kubeconfig()))
        self.admin = Person("admin", plane.kubeconfig())
        self.people = {name: Person(name, plane.kubeconfig(name)) for name in PEOPLE}

    def install(self) -> None:
        """Everything; returns when it is in force."""
        self.admin.kubectl("create", "namespace", "reaper-system").ok()
        crd = yaml.safe_load((ROOT / "crds" / "reapertask.yaml").read_text())
        self.apply(crd)
        until("tasks are served", lambda: self.admin.kubectl("get", "reapertasks").code == 0)
        for name, metadata in TEAMS.items():
            self.apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, **metadata}})
        self.apply(*chart())
        self.apply(*_rights())
        for name in TEAMS:
            until_pods_may_be_in(self.api, name)
        for team in TEAMS:
            for user in ("jane", "olga", "nora"):
                self.until_may(user, "create", "reapertasks", team)
            self.until_may("olga", "use", "hostprocesses", team)
        until("all policies are in force", self._in_force)

    def as_operator(self, method: str, path: str, body: Object | None = None, **more: Any) -> Answer:
        """One call with the operator's own rights, which are those of the chart."""
        return self.api.request(method, path, body, headers={"Impersonate-User": OPERATOR}, **more)

    def until_may(self, user: str, verb: str, resource: str, namespace: str) -> None:
        """Wait until RBAC and the controller that aggregates roles have caught up."""
        attributes = {"verb": verb, "resource": resource, "group": "reaper.io", "namespace": namespace}
        review = {"spec": {"user": user, "resourceAttributes": attributes}}
        path = "/apis/authorization.k8s.io/v1/subjectaccessreviews"
        until(
            f"{user} may {verb} {resource} in {namespace}",
            lambda: self.api.request("POST", path, review).ok()["status"]["allowed"],
        )

    def apply(self, *objects: Object) -> None:
        """As administrator."""
        document = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
        words = ("apply", "--server-side", "--force-conflicts", "-f", "-")
        assert (done := self.admin.kubectl(*words, stdin=document)).code == 0, done.err

    def _in_force(self) -> bool:
        """The API server takes up all policies at once, a moment after they are made. None of this stays."""
        jane, dry = self.people["jane"], ("--dry-run=server",)
        probes = [
            *(jane.create("open", probe, words=dry) for probe in (pod("probe"), task("probe"), revision("probe"))),
            jane.kubectl("create", "--raw", "/api/v1/namespaces/open/pods/probe/attach", "-f", "-", stdin={}),
            self.people["nora"].kubectl("label", "namespace", "open", "reaper.io/allow=x", "--overwrite", *dry),
            self.people["carl"].kubectl("create", "-f", "-", *dry, stdin=runtime_class("probe", "reaper-v2")),
        ]
        defaulted = json.loads(self.admin.create("open", pod("probe"), words=(*dry, "-o", "json")).ok())
        return (
            all("ValidatingAdmissionPolicy" in probe.err for probe in probes)
            and defaulted["spec"]["containers"][0]["imagePullPolicy"] == "IfNotPresent"
        )


def chart(*settings: str, release: str = "reaper") -> list[Object]:
    """What the chart says of who may do what, of defaults, and of the RuntimeClass.

    Without the rules for manifests (test_rule_policies.py): they refuse some of what is tried here for another reason.
    """
    rendered = render(
        "admission.rules.refusals=None", "admission.rules.warnings=None", *settings, release=release, has=[MUTATING]
    )
    wanted = {"ClusterRole", "ClusterRoleBinding", "RuntimeClass", "ServiceAccount"}
    return [
        item
        for (kind, name), item in rendered.items()
        if (kind in wanted or "AdmissionPolicy" in kind) and "removal" not in name
    ]


def until(what: str, look: Callable[[], T | None]) -> T:
    """Wait until `look` is true; what it saw then."""
    return eventually(what, PATIENCE, look)


def container(**more: Any) -> Object:
    """A container of a host process."""
    return {"name": "main", "image": "placeholder", "command": ["/bin/sleep", "600"], **more}


def pod(name: str, **spec: Any) -> Object:
    """A plain Pod on the runtime."""
    body = {"runtimeClassName": "reaper-v2", "containers": [container()], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": body}


def ordinary(name: str, **spec: Any) -> Object:
    """A Pod that is none of Reaper's business."""
    body = {"containers": [{"name": "main", "image": "busybox:1"}], **spec}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": body}


def task(name: str, **spec: Any) -> Object:
    """A ReaperTask."""
    body = {"command": ["/bin/sleep", "600"], **spec}
    return {"apiVersion": "reaper.io/v1alpha1", "kind": "ReaperTask", "metadata": {"name": name}, "spec": body}


def workload(kind: str, name: str, template: Object | None = None, **spec: Any) -> Object:
    """What makes Pods of the runtime, or of another spec."""
    label = {"app": name}
    of_pod = dict(pod("")["spec"] if template is None else template)
    api = {"Job": "batch/v1", "CronJob": "batch/v1", "ReplicationController": "v1"}.get(kind, "apps/v1")
    body: Object = {"template": {"metadata": {"labels": label}, "spec": of_pod}, **spec}
    match kind:
        case "Job":
            of_pod["restartPolicy"] = "Never"
        case "CronJob":
            of_pod["restartPolicy"] = "Never"
            body = {"schedule": "0 0 1 1 *", "jobTemplate": {"spec": body}}
        case "ReplicationController":
            body["selector"] = label
        case "StatefulSet":
            body |= {"serviceName": name, "selector": {"matchLabels": label}}
        case _:
            body["selector"] = {"matchLabels": label}
    return {"apiVersion": api, "kind": kind, "metadata": {"name": name}, "spec": body}


def revision(name: str) -> Object:
    """A template as StatefulSets and DaemonSets keep it."""
    data = {"spec": {"template": {"spec": pod("")["spec"]}}}
    return {
        "apiVersion": "apps/v1", "kind": "ControllerRevision", "metadata": {"name": name}, "revision": 1, "data": data,
    }  # fmt: skip


def runtime_class(name: str, handler: str) -> Object:
    """A RuntimeClass."""
    return {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": name}, "handler": handler}


def _rights() -> list[Object]:
    """Beside the roles of Kubernetes, some rights that a cluster may have given: the policies must not rest on RBAC."""
    rules = {
        "more": [
            (["apps"], ["controllerrevisions"], ["create"]),
            ([""], ["bindings", "pods/binding"], ["create"]),
            ([""], ["pods/status", "pods/resize", "pods/ephemeralcontainers"], ["get", "patch", "update"]),
        ],
        "own-namespace": [
            ([""], ["namespaces", "namespaces/status", "namespaces/finalize"], ["get", "patch", "update"]),
        ],
        "cluster-parts": [
            (["node.k8s.io"], ["runtimeclasses"], ["get", "create", "update", "patch"]),
            ([""], ["namespaces"], ["create"]),
        ],
    }  # fmt: skip
    roles = [
        {
            "apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRole", "metadata": {"name": name},
            "rules": [{"apiGroups": g, "resources": r, "verbs": v} for g, r, v in given],
        }
        for name, given in rules.items()
    ]  # fmt: skip
    given = [("jane", "edit"), ("jane", "more"), ("olga", "edit"), ("olga", "reaper-host-processes")]
    given += [("nora", "admin"), ("nora", "own-namespace"), ("vera", "view")]
    bindings = [_binding(user, role, team) for team in TEAMS for user, role in given]
    return [*roles, *bindings, _binding("carl", "cluster-parts", None)]


def _binding(user: str, role: str, namespace: str | None) -> Object:
    group = "rbac.authorization.k8s.io"
    metadata = {"name": f"{user}-{role}", **({} if namespace is None else {"namespace": namespace})}
    return {
        "apiVersion": f"{group}/v1",
        "kind": "ClusterRoleBinding" if namespace is None else "RoleBinding",
        "metadata": metadata,
        "roleRef": {"apiGroup": group, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": group, "kind": "User", "name": user}],
    }
