"""The operator's reconcile on a real API server, garbage collector included. The tests play kubelet, and a clock.

What is proved here and nowhere else: that the rules of the CRD let every step of the operator pass, and nobody else's.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any

import pytest

from reaper_operator import connection
from reaper_operator.cluster import ApiServer
from reaper_operator.errors import ClusterError, Conflict, Waiting
from reaper_operator.key import Key
from reaper_operator.known import KnownTasks
from reaper_operator.last_seen import LastSeenPods
from reaper_operator.reconcile import Reconciler
from reaper_operator.release import Operator, Release
from tests.fakes.cluster import FakeClock
from tests.integration import kubelet
from tests.integration.api import MERGE, Api

PATIENCE = 30.0  # seconds for an admission policy to be in force, or for the garbage collector
OPERATOR = "system:serviceaccount:reaper-system:reaper-operator"
POLICIES = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicies"
BINDINGS = "/apis/admissionregistration.k8s.io/v1/validatingadmissionpolicybindings"
RUNTIME_CLASS = "/apis/node.k8s.io/v1/runtimeclasses/reaper-v2"
FINALIZER = "reaper.io/process"

Body = dict[str, Any]


@pytest.fixture(scope="module", autouse=True)
def alone(api: Api, tasks: str) -> Iterator[None]:
    """An operator that is at work in this cluster may not write into our namespace, and no node takes our Pods."""
    namespace = tasks.split("/")[-2]
    selector = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    rule = {"apiGroups": ["*"], "apiVersions": ["*"], "operations": ["*"], "resources": ["*/*"]}
    policy = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicy",
        "metadata": {"name": f"{namespace}-alone"},
        "spec": {
            "matchConstraints": {"resourceRules": [rule], "namespaceSelector": selector},
            "validations": [{"expression": f"request.userInfo.username != '{OPERATOR}'", "reason": "Forbidden"}],
        },
    }
    binding = {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "ValidatingAdmissionPolicyBinding",
        "metadata": {"name": f"{namespace}-alone"},
        "spec": {"policyName": f"{namespace}-alone", "validationActions": ["Deny"]},
    }
    api.apply(f"{POLICIES}/{namespace}-alone", policy)
    api.apply(f"{BINDINGS}/{namespace}-alone", binding)
    if api.request("GET", RUNTIME_CLASS).status == 404:
        kind: Body = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "reaper-v2"}}
        api.apply(RUNTIME_CLASS, {**kind, "handler": "reaper-v2"})
    probe = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "probe"}}
    path, headers = f"/api/v1/namespaces/{namespace}/configmaps", {"Impersonate-User": OPERATOR}
    group = {"Impersonate-Group": "system:masters"}
    until(lambda: api.request("POST", path, probe, headers=headers | group, dryRun="All").status == 403)
    yield
    for path in (BINDINGS, POLICIES):
        api.request("DELETE", f"{path}/{namespace}-alone").ok()


def until(predicate: Callable[[], object]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not predicate():
        assert time.monotonic() < deadline
        time.sleep(0.1)


class Stage:
    """One task, one life of the operator, and the parts of a cluster that a bare API server lacks."""

    def __init__(self, api: Api, cluster: ApiServer, tasks: str, name: str) -> None:
        self.api, self.cluster, self.tasks = api, cluster, tasks
        self.key = Key(tasks.split("/")[-2], name)
        self.path = f"{tasks}/{name}"
        self.pods = f"/api/v1/namespaces/{self.key.namespace}/pods"
        self.clock = FakeClock()
        self.looks: dict[Key, float] = {}
        self.reconciler = Reconciler(cluster, LastSeenPods(), self.clock, self.looks.__setitem__, KnownTasks(limit=0))

    def create(self, **spec: Any) -> None:
        body = {
            "apiVersion": "reaper.io/v1alpha1",
            "kind": "ReaperTask",
            "metadata": {"name": self.key.name, "labels": {"team": "a"}},
            "spec": {"command": ["true"], "nodeSelector": {"example.com/nowhere": "yes"}, **spec},
        }
        self.api.request("POST", self.tasks, body, fieldValidation="Strict").ok()

    async def reconcile(self, times: int = 1) -> Body:
        """The status afterwards."""
        for _ in range(times):
            await self.reconciler(self.key)
        return self.status

    @property
    def status(self) -> Body:
        status: Body = self.api.request("GET", self.path).body.get("status", {})
        return status

    @property
    def finalizers(self) -> list[str]:
        return list(self.api.request("GET", self.path).ok()["metadata"].get("finalizers", []))

    @property
    def gone(self) -> bool:
        return self.api.request("GET", self.path).status == 404

    def edit(self, **spec: Any) -> None:
        self.api.request("PATCH", self.path, {"spec": spec}, content_type=MERGE).ok()

    def run(self, pod: str) -> None:
        """Scheduler and kubelet: the process runs, on a node that nobody has."""
        found = self.api.request("GET", f"{self.pods}/{pod}").ok()
        assert "schedulingGates" not in found["spec"], "the gate is still there"
        kubelet.bind(self.api, self.pods, pod)
        kubelet.tell(self.api, self.pods, pod, "Running", {"running": {"startedAt": "2026-11-23T12:00:01Z"}})

    def end(self, pod: str, code: int, message: str = "", **status: Any) -> None:
        """kubelet: the process has ended."""
        terminated = {"exitCode": code, "reason": "Error" if code else "Completed", "message": message}
        times = {"startedAt": "2026-11-23T12:00:01Z", "finishedAt": "2099-01-01T00:00:00Z"}
        phase = "Failed" if code else "Succeeded"
        kubelet.tell(self.api, self.pods, pod, phase, {"terminated": terminated | times}, **status)

    def remove(self, pod: str) -> None:
        """kubelet: the Pod is gone from its node."""
        self.api.request("DELETE", f"{self.pods}/{pod}", gracePeriodSeconds="0").ok()

    def pod(self, name: str) -> Body | None:
        answer = self.api.request("GET", f"{self.pods}/{name}")
        return None if answer.status == 404 else answer.ok()


@pytest.fixture
def on(api: Api, kubeconfig: str, tasks: str, request: pytest.FixtureRequest) -> Stage:
    cluster = ApiServer(connection.load(kubeconfig, connections=2), timeout=10)
    name = re.sub("[^a-z]+", "-", request.node.name.lower())[:50].strip("-")
    return Stage(api, cluster, tasks, name)


async def test_attempts(on: Stage) -> None:
    on.create(backoffLimit=1)
    status = await on.reconcile()
    assert (status["attempts"], status["podName"], on.finalizers) == (1, on.key.name, [FINALIZER])
    first = on.pod(on.key.name)
    assert first is not None
    assert first["metadata"]["labels"]["team"] == "a"
    assert first["spec"]["containers"][0]["terminationMessagePolicy"] == "FallbackToLogsOnError"
    on.run(on.key.name)
    assert (await on.reconcile())["phase"] == "Running"
    on.end(on.key.name, 3, "no such host")
    status = await on.reconcile()
    assert (status["phase"], status["reason"]) == ("Pending", "BackOff")
    assert (
        status["lastFailure"]["message"] == "the process ended with exit code 3. The end of its output:\nno such host"
    )
    on.clock.advance(10)
    status = await on.reconcile()
    assert (status["attempts"], status["podName"]) == (2, f"{on.key.name}-2")
    on.run(f"{on.key.name}-2")
    on.end(f"{on.key.name}-2", 137)
    status = await on.reconcile()
    assert (status["phase"], status["reason"], status["signal"]) == ("Failed", "BackoffLimitExceeded", "SIGKILL")
    assert on.finalizers == []


async def test_nobody_but_the_operator_gets_past_the_rules(on: Stage) -> None:
    on.create(backoffLimit=1)
    await on.reconcile()

    def refused(status: Body) -> str:
        answer = on.api.request("PATCH", f"{on.path}/status", {"status": status}, content_type=MERGE)
        assert answer.status == 422, answer.body
        return answer.message

    assert "status.podUID is recorded once for each attempt" in refused({"podUID": "other"})
    assert "status.podUID is recorded once for each attempt" in refused({"podUID": None})
    assert "status.podUID is recorded once for each attempt" in refused({"podUID": ""})
    assert "status.attempts grows by one" in refused({"attempts": 2, "podUID": "other"})
    assert "status.attempts grows by one" in refused({"attempts": None, "podUID": None})
    on.run(on.key.name)
    on.end(on.key.name, 1)
    await on.reconcile()
    assert "status.attempts grows by one" in refused({"attempts": 3, "podUID": "other"})
    assert "status.attempts grows by one" in refused({"attempts": 2, "podUID": None})
    on.clock.advance(10)
    await on.reconcile()
    on.run(f"{on.key.name}-2")
    on.end(f"{on.key.name}-2", 0)
    assert (await on.reconcile())["phase"] == "Succeeded"
    assert "a finished task never changes its phase" in refused({"phase": "Pending"})
    assert "a finished task never changes" in refused({"attempts": 3, "podUID": "x", "nextAttemptTime": None})
    assert "a finished task has none" in refused({"hostProcessPID": 4711})


async def test_a_status_that_is_taken_away_is_one_that_says_nothing(on: Stage) -> None:
    """The rules are those of the status: they would be silent if there were none. It has a default."""
    on.create()
    await on.reconcile()
    path, body = f"{on.path}/status", on.api.request("GET", on.path).ok()
    without = {name: value for name, value in body.items() if name != "status"}
    remove: Any = [{"op": "remove", "path": "/status"}]
    for answer in (
        on.api.request("PATCH", path, {"status": None}, content_type=MERGE),
        on.api.request("PATCH", path, remove, content_type="application/json-patch+json"),
        on.api.request("PUT", path, without),
        on.api.request("PUT", path, {**without, "status": {}}),
    ):
        assert answer.status == 422, answer.body
        assert "status.podUID is recorded once for each attempt" in answer.message
    assert on.api.request("PUT", on.path, without).ok()["status"] == body["status"]


async def test_nobody_records_nothing_as_a_pod(on: Stage) -> None:
    on.create(suspend=True)
    await on.reconcile()
    written = []
    for status in ({"attempts": 1, "podUID": ""}, {"podUID": None}, {"podUID": "x"}):
        answer = on.api.request("PATCH", f"{on.path}/status", {"status": status}, content_type=MERGE)
        written.append(answer.status)
    assert written == [200, 422, 422]


async def test_suspend_and_resume(on: Stage) -> None:
    on.create(suspend=True)
    status = await on.reconcile()
    assert (status["phase"], on.finalizers) == ("Suspended", [])
    on.edit(suspend=False)
    await on.reconcile()
    on.run(on.key.name)
    await on.reconcile()
    on.edit(suspend=True)
    assert (await on.reconcile())["reason"] == "Stopping"
    pod = on.pod(on.key.name)
    assert pod is not None
    assert pod["metadata"]["deletionGracePeriodSeconds"] == 30
    on.remove(on.key.name)
    assert (await on.reconcile())["phase"] == "Suspended"
    on.edit(suspend=False)
    status = await on.reconcile()
    assert (status["attempts"], status["podName"]) == (2, f"{on.key.name}-2")
    on.run(f"{on.key.name}-2")


async def test_deadline(on: Stage) -> None:
    on.create(activeDeadlineSeconds=60)
    await on.reconcile()
    on.run(on.key.name)
    await on.reconcile()
    on.edit(activeDeadlineSeconds=90)
    on.clock.advance(60)
    assert (await on.reconcile())["phase"] == "Running"
    on.clock.advance(30)
    assert (await on.reconcile(2))["reason"] == "Stopping"
    pod = on.pod(on.key.name)
    assert pod is not None
    assert pod["spec"]["activeDeadlineSeconds"] == 1
    on.end(on.key.name, 143, reason="DeadlineExceeded", message="Pod was active on the node longer than ...")
    status = await on.reconcile()
    assert (status["phase"], status["reason"], status["exitCode"]) == ("Failed", "DeadlineExceeded", 143)


async def test_time_to_live(on: Stage) -> None:
    on.create(ttlSecondsAfterFinished=60)
    await on.reconcile()
    on.run(on.key.name)
    on.end(on.key.name, 0)
    await on.reconcile()
    assert on.looks[on.key] == 60
    on.clock.advance(60)
    await on.reconcile()
    assert on.gone
    until(lambda: on.pod(on.key.name) is None)


@pytest.mark.parametrize("policy", ["Background", "Foreground"])
async def test_a_deleted_task_waits(on: Stage, policy: str) -> None:
    on.create()
    await on.reconcile()
    on.run(on.key.name)
    await on.reconcile()
    on.api.request("PATCH", on.path, {"metadata": {"finalizers": [FINALIZER, "example.com/mine"]}}, content_type=MERGE)
    on.api.request("DELETE", on.path, {"propagationPolicy": policy}).ok()
    await eventually(on, lambda: "deletionTimestamp" in (on.pod(on.key.name) or {}).get("metadata", {}))
    assert FINALIZER in on.finalizers
    on.remove(on.key.name)
    await eventually(on, lambda: on.finalizers == ["example.com/mine"])
    assert (on.status["phase"], on.status["reason"]) == ("Failed", "TaskDeleted")
    on.api.request("PATCH", on.path, {"metadata": {"finalizers": None}}, content_type=MERGE).ok()
    assert on.gone


async def test_an_orphan_stays(on: Stage) -> None:
    on.create()
    await on.reconcile()
    on.run(on.key.name)
    await on.reconcile()
    on.api.request("DELETE", on.path, {"propagationPolicy": "Orphan"}).ok()
    await eventually(on, lambda: on.gone)
    pod = on.pod(on.key.name)
    assert pod is not None
    assert "deletionTimestamp" not in pod["metadata"]
    assert not pod["metadata"].get("ownerReferences")
    on.remove(on.key.name)


async def eventually(on: Stage, predicate: Callable[[], object]) -> None:
    """The garbage collector is at work beside us, so a write may meet its."""
    deadline = time.monotonic() + PATIENCE
    while not predicate():
        assert time.monotonic() < deadline, on.api.request("GET", on.path).body
        with suppress(ClusterError, Waiting):
            await on.reconciler(on.key)
        time.sleep(0.1)


async def test_why_a_pod_does_not_start(on: Stage) -> None:
    on.create()
    await on.reconcile()
    kubelet.bind(on.api, on.pods, on.key.name)
    pod = on.pod(on.key.name)
    assert pod is not None
    event = {
        "metadata": {"generateName": "x", "namespace": on.key.namespace},
        "involvedObject": {"kind": "Pod", "namespace": on.key.namespace, "uid": pod["metadata"]["uid"]},
        "type": "Warning",
        "reason": "FailedCreatePodSandBox",
        "message": 'failed to get sandbox runtime: no runtime for "reaper-v2" is configured',
        "lastTimestamp": "2026-11-23T12:00:00Z",
    }
    on.api.request("POST", f"/api/v1/namespaces/{on.key.namespace}/events", event).ok()
    on.clock.advance(10**9)  # the API server's clock wrote when the Pod was bound
    status = await on.reconcile()
    assert (status["phase"], status["reason"]) == ("Pending", "RuntimeMissing")
    assert status["message"].startswith("nowhere does not have the runtime reaper-v2")


async def test_a_version_that_is_not_there_any_more(on: Stage) -> None:
    on.create()
    metadata = on.api.request("GET", on.path).ok()["metadata"]
    on.api.request("PATCH", on.path, {"metadata": {"labels": {"a": "b"}}}, content_type=MERGE).ok()
    for call in (
        on.cluster.patch_finalizers(on.key, metadata["resourceVersion"], [FINALIZER]),
        on.cluster.delete_task(on.key, metadata["uid"], metadata["resourceVersion"]),
        on.cluster.patch_status(on.key, metadata["resourceVersion"], {"phase": "Pending"}),
    ):
        with pytest.raises(Conflict):
            await call
    assert not on.gone


async def test_uninstalling(on: Stage, kubeconfig: str) -> None:
    """Stops a Deployment for which no kubelet is needed: it has no Pods."""
    on.create()
    await on.reconcile()
    labels = {"app": "nobody"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "a", "image": "placeholder"}]}}
    spec = {"replicas": 1, "paused": True, "selector": {"matchLabels": labels}, "template": template}
    deployment = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "operator"}, "spec": spec}
    path = f"/apis/apps/v1/namespaces/{on.key.namespace}/deployments"
    on.api.request("POST", path, deployment).ok()
    operator = Operator(on.key.namespace, "operator", "app=nobody")

    class Ours(ApiServer):
        """Leaves the tasks of other namespaces alone."""

        async def all_tasks(self) -> Any:
            async for task in super().all_tasks():
                if task["metadata"]["namespace"] == on.key.namespace:
                    yield task

    cluster = Ours(connection.load(kubeconfig, connections=1), timeout=10)
    assert await Release(cluster, timeout=10).run(operator) >= 1
    assert on.finalizers == []
    assert on.api.request("GET", f"{path}/operator").ok()["spec"]["replicas"] == 0
