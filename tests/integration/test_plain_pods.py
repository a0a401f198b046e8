"""Plain Pods of the runtime: allowed, warned of, or refused, by a real API server as kubectl shows it."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from reaper_api.task import ReaperTask
from reaper_api.translate import pod_for
from tests.fakes.cluster import task_body
from tests.integration.api import MERGE, Api
from tests.integration.charts import program, render
from tests.integration.planes import PATIENCE, install, install_crd, make_namespace, running
from tests.integration.replicas import eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.integration.control_plane import ControlPlane

pytestmark = pytest.mark.timeout(180)

NAME = "reaper-plain-pods"
BINDINGS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
DEPLOYMENTS = "/apis/apps/v1/namespaces/plain/deployments"
OPERATOR = ("--as=system:serviceaccount:reaper-system:reaper-operator", "--as-group=system:masters")

Body = dict[str, Any]


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with running(tmp_path_factory.mktemp("plane"), {}) as plane:
        api = Api(str(plane.kubeconfig()))
        install_crd(api)
        runtime_class = {"metadata": {"name": "reaper-v2"}, "handler": "reaper-v2"}
        api.request("POST", "/apis/node.k8s.io/v1/runtimeclasses", runtime_class).ok()
        make_namespace(api, "plain")
        yield plane


@pytest.fixture(scope="module")
def api(plane: ControlPlane) -> Api:
    return Api(str(plane.kubeconfig()))


def pod_spec(runtime: str | None = "reaper-v2") -> Body:
    spec: Body = {"containers": [{"name": "main", "image": "placeholder", "command": ["/bin/true"]}]}
    return spec if runtime is None else {**spec, "runtimeClassName": runtime}


def pod(name: str = "by-hand", runtime: str | None = "reaper-v2") -> Body:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": pod_spec(runtime)}


def workload(kind: str, name: str = "by-hand") -> Body:
    """Something whose controller makes Pods of the runtime."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": pod_spec()}
    selected: Body = {"selector": {"matchLabels": labels}, "template": template}
    never = {"template": {"spec": {**pod_spec(), "restartPolicy": "Never"}}}
    spec: Body = {
        "ReplicationController": {"replicas": 0, "selector": labels, "template": template},
        "Deployment": {"replicas": 0, **selected},
        "ReplicaSet": {"replicas": 0, **selected},
        "StatefulSet": {"replicas": 0, "serviceName": name, **selected},
        "DaemonSet": selected,
        "Job": {"suspend": True, **never},
        "CronJob": {"suspend": True, "schedule": "0 0 * * *", "jobTemplate": {"spec": never}},
    }[kind]
    version = {"ReplicationController": "v1", "Job": "batch/v1", "CronJob": "batch/v1"}.get(kind, "apps/v1")
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": spec}


WORKLOADS = ("ReplicationController", "Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job", "CronJob")


class Try:
    """What kubectl says to a new object, which does not stay."""

    def __init__(self, plane: ControlPlane) -> None:
        self._words = [program("kubectl"), "--kubeconfig", str(plane.kubeconfig()), "--namespace", "plain"]

    def __call__(self, manifest: Body, *words: str) -> tuple[bool, str]:
        command = [*self._words, *words, "create", "--dry-run=server", "-f", "-"]
        done = subprocess.run(command, input=json.dumps(manifest), capture_output=True, text=True, check=False)
        return done.returncode == 0, done.stderr


@pytest.fixture(scope="module", params=["warn", "deny"])
def policy(request: pytest.FixtureRequest, api: Api, plane: ControlPlane) -> Iterator[str]:
    """The setting, in force. Before it a Deployment was made."""
    setting = str(request.param)
    api.request("POST", DEPLOYMENTS, workload("Deployment", f"before-{setting}")).ok()
    objects = render(f"admission.plainPods={setting}")
    for kind in ("ValidatingAdmissionPolicy", "ValidatingAdmissionPolicyBinding"):
        install(api, objects[kind, NAME])
    attempt = Try(plane)
    eventually("the policy is in force", PATIENCE, lambda: "ReaperTask" in attempt(pod())[1])
    yield setting
    api.request("DELETE", f"{BINDINGS}/{NAME}").ok()
    api.request("DELETE", f"{POLICIES}/{NAME}").ok()
    eventually("the policy is gone", PATIENCE, lambda: attempt(pod()) == (True, ""))


@pytest.mark.parametrize("kind", ["Pod", *WORKLOADS])
def test_who_makes_one_is_told_what_to_do_instead(policy: str, plane: ControlPlane, kind: str) -> None:
    done, said = Try(plane)(pod() if kind == "Pod" else workload(kind))

    verdict = {"warn": "deprecated", "deny": "refused"}[policy]
    assert done is (policy == "warn")
    assert f"runtimeClassName reaper-v2 in a {kind} is {verdict} in this cluster: use a ReaperTask instead; " in said
    assert "kubectl reaper convert FILE writes one from your manifest" in said
    assert said.startswith("Warning: ") is (policy == "warn")


@pytest.mark.parametrize("runtime", [None, "another"])
def test_other_pods_are_not_its_business(policy: str, plane: ControlPlane, api: Api, runtime: str | None) -> None:
    if runtime is not None and api.request("GET", f"/apis/node.k8s.io/v1/runtimeclasses/{runtime}").status == 404:
        body = {"metadata": {"name": runtime}, "handler": "runc"}
        api.request("POST", "/apis/node.k8s.io/v1/runtimeclasses", body).ok()

    assert Try(plane)(pod(runtime=runtime)) == (True, "")


def test_the_operators_pods_pass_without_a_word(policy: str, plane: ControlPlane) -> None:
    manifest = pod_for(ReaperTask.parse(task_body(namespace="plain")))

    assert Try(plane)(manifest, *OPERATOR) == (True, "")
    done, said = Try(plane)(manifest)  # the labels and the owner alone are no pass: everybody can write them
    assert done is (policy == "warn")
    assert "use a ReaperTask instead" in said


def test_what_is_there_already_can_be_scaled_but_not_renewed(policy: str, api: Api) -> None:
    path = f"{DEPLOYMENTS}/before-{policy}"
    api.request("PATCH", path, {"spec": {"replicas": 0, "paused": True}}, content_type=MERGE).ok()
    container = {"name": "main", "image": "placeholder", "command": ["/bin/false"]}
    change: Body = {"spec": {"template": {"spec": {"containers": [container]}}}}
    answer = api.request("PATCH", path, change, content_type=MERGE)

    assert answer.status == (200 if policy == "warn" else 403)
    api.request("DELETE", path).ok()


def test_by_default_there_is_no_policy() -> None:
    assert NAME not in {name for _, name in render()}
    binding = render("admission.plainPods=warn")["ValidatingAdmissionPolicyBinding", NAME]
    assert binding["spec"]["validationActions"] == ["Warn", "Audit"]
