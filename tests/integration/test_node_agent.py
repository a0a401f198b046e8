"""The node agent and the operator on one task, on a real API server: tokens, roles and policies are the chart's.

The tests play scheduler, kubelet and runtime. The agent is the whole of it, with the token of a Pod that is on a node.
"""

from __future__ import annotations

import base64
import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from reaper_node.errors import ApiError
from reaper_node.kube import ApiServer as NodeApi
from reaper_node.statuses import Statuses
from reaper_node.watch import GRACE, SETTLE, Watch
from reaper_operator import connection
from reaper_operator.cluster import ApiServer
from reaper_runtime.host import procfs
from reaper_runtime.state import PodState
from reaper_runtime.task import TaskProcess
from tests.integration import kubelet
from tests.integration.api import MERGE, Answer, Api
from tests.integration.charts import render
from tests.integration.planes import PATIENCE, install, install_crd, make_namespace, running
from tests.integration.replicas import eventually
from tests.integration.test_life import Stage as Life

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.control_plane import ControlPlane

pytestmark = pytest.mark.timeout(180)

HERE, ELSEWHERE = "nowhere", "elsewhere"  # Nodes; the first is where test_life's Stage puts Pods
NODE_POLICIES = ("reaper-node", "reaper-node-status")
OF_NODE = {"ServiceAccount", "ClusterRole", "ClusterRoleBinding", "ValidatingAdmissionPolicy"}

Body = dict[str, Any]


@pytest.fixture(scope="module")
def plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    with running(tmp_path_factory.mktemp("plane"), {}) as plane:
        api = Api(str(plane.kubeconfig()))
        make_namespace(api, "reaper-system")
        install_crd(api)
        api.request(
            "POST", "/apis/node.k8s.io/v1/runtimeclasses", {"metadata": {"name": "reaper-v2"}, "handler": "reaper-v2"}
        ).ok()
        for (kind, name), item in render().items():
            if name in NODE_POLICIES and (kind in OF_NODE or kind == "ValidatingAdmissionPolicyBinding"):
                install(api, item)
        for node in (HERE, ELSEWHERE):
            kubelet.add_node(api, node)
        make_namespace(api, "tasks")
        yield plane


@pytest.fixture(scope="module")
def api(plane: ControlPlane) -> Api:
    return Api(str(plane.kubeconfig()))


def token(api: Api, node: str) -> str:
    """As kubelet asks for it: of the DaemonSet's pod on a node."""
    pods, name = "/api/v1/namespaces/reaper-system/pods", f"agent-{node}"
    pod: Body = {
        "metadata": {"name": name},
        "spec": {
            "nodeName": node,
            "serviceAccountName": "reaper-node",
            "containers": [{"name": "agent", "image": "reaper-node"}],
        },
    }
    if (answer := api.request("GET", f"{pods}/{name}")).status == 404:
        answer = api.request("POST", pods, pod)
    uid = answer.ok()["metadata"]["uid"]
    bound = {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": uid}
    request = {"spec": {"boundObjectRef": bound}}
    path = "/api/v1/namespaces/reaper-system/serviceaccounts/reaper-node/token"
    return str(api.request("POST", path, request).ok()["status"]["token"])


def account(api: Api, plane: ControlPlane, folder: Path, node: str) -> NodeApi:
    """The API server as the agent on a node reaches it."""
    place = folder / f"account-{node}"
    place.mkdir()
    (place / "token").write_text(token(api, node))
    config = json.loads(plane.kubeconfig().read_text())["clusters"][0]["cluster"]
    (place / "ca.crt").symlink_to(config["certificate-authority"])
    return NodeApi(config["server"], place)


class Stage(Life):
    """A task, the operator's reconcile, and an agent on a node with real processes and the runtime's files."""

    def __init__(self, api: Api, plane: ControlPlane, folder: Path, name: str) -> None:
        cluster = ApiServer(connection.load(str(plane.kubeconfig()), connections=2), timeout=10)
        super().__init__(api, cluster, "/apis/reaper.io/v1alpha1/namespaces/tasks/reapertasks", name)
        self.folder = folder
        (folder / "tasks").mkdir()
        self.now = 0.0
        self.children: list[subprocess.Popen[bytes]] = []
        self.reach = account(api, plane, folder, HERE)
        self.watch = Watch(folder / "tasks", Statuses(self.reach, HERE), clock=lambda: self.now)

    def start(self, pod: str) -> int:
        """Scheduler, kubelet and runtime: a process of the Pod runs here; its pid."""
        self.run(pod)
        found = self.pod(pod)
        assert found is not None
        child = subprocess.Popen(["cat"], stdin=subprocess.PIPE)
        self.children.append(child)
        stat = procfs.stat(child.pid)
        assert stat is not None
        task = found["metadata"]["annotations"]["reaper.runtime/task"]
        uid = found["metadata"]["uid"]
        self.state(pod).task.write(
            TaskProcess(child.pid, stat.start_time, namespace="tasks", pod=pod, pod_uid=uid, task=task, overlay="tasks")
        )
        return child.pid

    def state(self, pod: str) -> PodState:
        return PodState("k8s.io", pod, str(self.folder / "state"))

    def kill(self, pod: str) -> None:
        """The process ends, and with it the pod."""
        self.children[-1].kill()
        self.children[-1].communicate()
        self.state(pod).task.forget()

    def agent(self, seconds: float) -> None:
        """Time goes by for the agent."""
        self.watch.turn(0)
        self.now += seconds
        for _ in range(5):
            self.watch.turn(0)

    @property
    def told(self) -> Body:
        """What there is of the agent in the status."""
        return {k: v for k, v in self.status.items() if k in ("hostProcessPID", "overlayNamespaceID")}

    def managers(self) -> dict[str, Body]:
        """The fields of the status by who manages them."""
        fields = self.api.request("GET", self.path).ok()["metadata"]["managedFields"]
        return {f["manager"]: f for f in fields if f.get("subresource") == "status"}


@pytest.fixture
def on(api: Api, plane: ControlPlane, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Stage]:
    stage = Stage(api, plane, tmp_path, request.node.name.replace("_", "-")[5:50].strip("-"))
    yield stage
    stage.watch.close()
    stage.reach.close()
    for child in stage.children:
        child.kill()
        child.communicate()


async def test_two_attempts_seen_by_operator_and_agent(on: Stage) -> None:
    name = on.key.name
    on.create(backoffLimit=1)
    await on.reconcile()
    pid = on.start(name)
    on.agent(SETTLE)
    assert on.told == {}, "the operator has not said yet that it is on this node"
    await on.reconcile()
    on.agent(1)
    assert on.told == {"hostProcessPID": pid, "overlayNamespaceID": "tasks"}
    before = on.api.request("GET", on.path).ok()["metadata"]["resourceVersion"]
    status = await on.reconcile()
    assert (status["phase"], on.told["hostProcessPID"]) == ("Running", pid)
    assert on.api.request("GET", on.path).ok()["metadata"]["resourceVersion"] == before, "nobody writes at rest"

    on.kill(name)
    on.agent(GRACE)
    assert on.told == {"overlayNamespaceID": "tasks"}, "the process is gone, whether or not kubelet has said so"
    on.end(name, 3)
    await on.reconcile()
    on.clock.advance(10)
    status = await on.reconcile()
    assert (status["attempts"], on.told) == (2, {})

    second = on.start(f"{name}-2")
    await on.reconcile()
    on.agent(SETTLE)
    assert on.told == {"hostProcessPID": second, "overlayNamespaceID": "tasks"}
    on.end(f"{name}-2", 0)
    status = await on.reconcile()
    assert (status["phase"], on.told) == ("Succeeded", {"overlayNamespaceID": "tasks"})
    on.kill(f"{name}-2")
    on.agent(GRACE)
    assert on.told == {"overlayNamespaceID": "tasks"}


async def test_the_agent_manages_two_fields_and_the_operator_the_others(on: Stage) -> None:
    on.create()
    await on.reconcile()
    on.start(on.key.name)
    await on.reconcile()
    on.agent(SETTLE)

    agent = on.managers()["reaper-node"]
    assert agent["operation"] == "Apply"
    assert agent["fieldsV1"] == {"f:status": {"f:hostProcessPID": {}, "f:overlayNamespaceID": {}}}
    (operator,) = [fields for manager, fields in on.managers().items() if manager != "reaper-node"]
    assert not {"f:hostProcessPID", "f:overlayNamespaceID"} & operator["fieldsV1"]["f:status"].keys()


async def test_a_foreign_pod_and_a_foreign_node_write_nothing(
    on: Stage, api: Api, plane: ControlPlane, tmp_path: Path
) -> None:
    on.create()
    await on.reconcile()
    pid = on.start(on.key.name)
    await on.reconcile()
    on.agent(SETTLE)
    stat = procfs.stat(pid)
    assert stat is not None
    claims = {"namespace": "tasks", "pod": "evil", "task": on.key.name, "overlay": "evil"}
    on.state("evil").task.write(TaskProcess(pid, stat.start_time, pod_uid="another", **claims))
    on.agent(SETTLE)
    assert on.told == {"hostProcessPID": pid, "overlayNamespaceID": "tasks"}

    task = api.request("GET", on.path).ok()
    stolen = account(api, plane, tmp_path, ELSEWHERE)
    forged = {k: task[k] for k in ("apiVersion", "kind")} | {
        "metadata": {"namespace": "tasks", "name": on.key.name},
        "status": {"hostProcessPID": 1},
    }

    def refused() -> bool:
        """A policy is in force some time after it was made."""
        try:
            stolen.apply_status(forged)
        except ApiError as error:
            return error.status == 403 and "on the Node that it runs on only" in str(error)
        return False

    eventually("a token of another node is refused", PATIENCE, refused)
    stolen.close()


def claims_of(jwt: str) -> Body:
    payload = jwt.split(".")[1]
    found: Body = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    return found


async def test_a_token_of_this_node_writes_two_fields_of_the_status_and_nothing_else(
    on: Stage, api: Api, plane: ControlPlane, tmp_path: Path
) -> None:
    on.create()
    await on.reconcile()
    on.start(on.key.name)
    await on.reconcile()
    jwt = token(api, HERE)
    assert claims_of(jwt)["kubernetes.io"]["node"]["name"] == HERE
    config = json.loads(plane.kubeconfig().read_text())
    config["users"][0]["user"]["token"] = jwt
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    agent = Api(str(tmp_path / "kubeconfig"))

    def patch(status: Body, path: str = f"{on.path}/status") -> Answer:
        return agent.request("PATCH", path, {"status": status}, content_type=MERGE)

    def in_force() -> bool:
        return patch({"message": "the agent was here"}).status == 403

    eventually("the policy is in force", PATIENCE, in_force)
    others: tuple[Body, ...] = (
        {"phase": "Failed"},
        {"nodeName": ELSEWHERE},
        {"podName": None},
        {"conditions": []},
        {"exitCode": 0, "hostProcessPID": 1},
    )
    for status in others:
        answer = patch(status)
        assert answer.status == 403, (status, answer.body)
        assert "status.hostProcessPID and status.overlayNamespaceID only" in answer.message
    patch({"hostProcessPID": 4711, "overlayNamespaceID": "tasks"}).ok()
    patch({"hostProcessPID": None, "overlayNamespaceID": None}).ok()

    pods = "/api/v1/namespaces/tasks/pods"
    for method, path in (
        ("PATCH", on.path),
        ("DELETE", on.path),
        ("GET", on.tasks),
        ("POST", on.tasks),
        ("GET", pods),
        ("GET", f"{pods}/{on.key.name}"),
        ("GET", "/api/v1/namespaces/tasks/secrets"),
        ("PUT", f"{on.path}/status"),
    ):
        answer = agent.request(method, path, {} if method != "GET" else None, content_type=MERGE)
        assert answer.status == 403, (method, path, answer.body)


async def test_a_task_of_another_node_is_out_of_reach(on: Stage) -> None:
    on.create()
    await on.reconcile()
    on.api.request("PATCH", f"{on.path}/status", {"status": {"nodeName": ELSEWHERE}}, content_type=MERGE).ok()
    identity = {"namespace": "tasks", "name": on.key.name}
    body = {"apiVersion": "reaper.io/v1alpha1", "kind": "ReaperTask", "metadata": identity}
    with pytest.raises(ApiError, match="on the Node that it runs on only"):
        on.reach.apply_status(body | {"status": {"hostProcessPID": 1}})
