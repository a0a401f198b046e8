"""A real API server without nodes, operators as processes, and what is done to both.

Each operator is a user of its own, with the rights of the chart and no other.
"""

from __future__ import annotations

from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from reaper_operator.settings import Settings
from tests.integration import kubelet, planes
from tests.integration.api import MERGE, Api
from tests.integration.charts import render
from tests.integration.replicas import Replica, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.integration.control_plane import ControlPlane, Request

GROUP = "reaper-operators"
USERS = ("replica-1", "replica-2")
LEASES = "/apis/coordination.k8s.io/v1/namespaces/reaper-system/leases"
WORKERS = Settings().workers
NEWS = {"leases", "events"}  # writes that run no process


def install(api: Api) -> None:
    """Everything of the chart that an operator needs, but for the operator."""
    api.request("POST", "/api/v1/namespaces", {"metadata": {"name": "reaper-system"}}).ok()
    planes.install_crd(api)
    objects = render()
    planes.install(api, objects["RuntimeClass", "reaper-v2"])
    planes.install_operators_rights(api, objects, GROUP)


@contextmanager
def running(folder: Path) -> Iterator[ControlPlane]:
    """A control plane with that."""
    with planes.running(folder, dict.fromkeys(USERS, GROUP)) as plane:
        install(Api(str(plane.kubeconfig())))
        yield plane


class Stage:
    """What a test asks and does."""

    def __init__(self, plane: ControlPlane, api: Api, folder: Path) -> None:
        self.plane, self.api, self.folder = plane, api, folder
        self.replicas: list[Replica] = []
        self.names: list[str] = []
        self.namespace = planes.make_namespace(api)
        self._tasks = f"/apis/reaper.io/v1alpha1/namespaces/{self.namespace}/reapertasks"
        self._pods = f"/api/v1/namespaces/{self.namespace}/pods"

    def add_replica(self, user: str, port: int | None = None, **settings: Any) -> Replica:
        """`port`: of what is between it and the API server."""
        replica = Replica(self.folder, user, self.plane.kubeconfig(user, port=port), **settings)
        self.replicas.append(replica.start())
        return replica

    def start(self, tasks: int = 0, **settings: Any) -> tuple[Replica, Replica]:
        """The leader and a standby. So many tasks are before the leader when it begins: nobody leads until they are
        made."""
        if tasks:
            self._write_lease("somebody else", 3600)
        pair = [self.add_replica(user, **settings) for user in USERS]
        if tasks:
            eventually("both stand by", 30, lambda: all(replica.ready for replica in pair))
            self.add_tasks(tasks)
            self._write_lease("", 1)
        (leader,) = eventually("one leads", 30, self.leaders)
        (standby,) = [replica for replica in pair if replica is not leader]
        eventually("the other stands by", 30, lambda: standby.ready)
        return leader, standby

    def _write_lease(self, holder: str, seconds: int) -> None:
        lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "reaper-operator"}}
        spec = {"holderIdentity": holder, "leaseDurationSeconds": seconds}
        self.api.apply(f"{LEASES}/reaper-operator", {**lease, "spec": spec})

    def leaders(self) -> list[Replica]:
        """Those that lead, by their own word."""
        return [replica for replica in self.replicas if replica.leads]

    def restart_ended(self) -> None:
        """kubelet: whoever has ended is started again."""
        for replica in self.replicas:
            if replica.code is not None:
                replica.start()

    def at_work(self, replica: Replica) -> None:
        """Wait until it is in the middle of its work."""
        before = len(self.writes(replica))
        eventually(f"{replica.user} is at work", 40, lambda: len(self.writes(replica)) > before + 10)

    def give(self, leader: Replica, count: int) -> None:
        """Tasks of which only its watch can tell it; wait until it has heard of the first."""
        eventually("it watches", 30, lambda: leader.ready)
        self.add_tasks(count)
        eventually("it has heard of them", 30, self.let_go)

    def add_tasks(self, count: int) -> None:
        for _ in range(count):
            self.add_task()

    def add_task(self, **spec: Any) -> str:
        name = f"task-{len(self.names):03}"
        body = {"apiVersion": "reaper.io/v1alpha1", "kind": "ReaperTask", "metadata": {"name": name}}
        self.api.request("POST", self._tasks, {**body, "spec": {"command": ["/bin/true"], **spec}}).ok()
        self.names.append(name)
        return name

    def forget(self) -> None:
        """Take away all tasks, whether or not an operator is there to agree, and their Pods."""
        for name in self.names:
            self.api.request("DELETE", f"{self._tasks}/{name}")
            self.api.request("PATCH", f"{self._tasks}/{name}", {"metadata": {"finalizers": None}}, content_type=MERGE)
        self.api.request("DELETE", self._pods, gracePeriodSeconds=0)

    def suspend(self, name: str, *, suspend: bool) -> None:
        body = {"spec": {"suspend": suspend}}
        self.api.request("PATCH", f"{self._tasks}/{name}", body, content_type=MERGE).ok()

    def delete(self, name: str) -> None:
        self.api.request("DELETE", f"{self._tasks}/{name}").ok()

    def status(self, name: str) -> dict[str, Any]:
        """The task's, or nothing when it is gone."""
        answer = self.api.request("GET", f"{self._tasks}/{name}")
        return {} if answer.status == 404 else dict(answer.ok()["status"])

    def phase(self, name: str) -> str:
        """The task's, or nothing when it is gone."""
        return str(self.status(name).get("phase", ""))

    def until_phase(self, name: str, phase: str) -> None:
        eventually(f"{name} is {phase or 'gone'}", 30, lambda: self.phase(name) == phase)

    def used(self) -> set[tuple[str, str]]:
        """Resource and verb of all that was granted to operators."""
        requests = [request for user in USERS for request in self.plane.requests(user)]
        return {(request.resource, request.verb) for request in requests if request.done}

    def bind(self, name: str) -> None:
        """The scheduler: a Pod that was let go is put on a node that nobody has."""
        path = f"{self._pods}/{name}"

        def let_go() -> bool:
            answer = self.api.request("GET", path)
            return answer.status == 200 and not answer.body["spec"].get("schedulingGates")

        eventually(f"Pod {name} is let go", 30, let_go)
        kubelet.bind(self.api, self._pods, name)

    def begin(self, name: str) -> None:
        """kubelet: the process runs."""
        kubelet.tell(self.api, self._pods, name, "Running", {"running": {"startedAt": "2026-11-23T12:00:01Z"}})

    def end(self, name: str) -> None:
        """kubelet: the process has ended."""
        state = {"terminated": {"exitCode": 0, "reason": "Completed"}}
        kubelet.tell(self.api, self._pods, name, "Succeeded", state)

    def writes(self, replica: Replica | None = None) -> list[Request]:
        """Writes of replicas in this test's namespace that were carried out and may run a process."""
        users = USERS if replica is None else (replica.user,)
        found = [write for write in self.plane.writes() if write.user in users and write.done]
        return [write for write in found if write.namespace == self.namespace and write.resource not in NEWS]

    def lease_writes(self, replica: Replica, since: float) -> list[Request]:
        """What it wrote into the Lease that was there, received since then (seconds since the epoch)."""
        found = [write for write in self.plane.writes(replica.user) if write.done and write.received > since]
        return [write for write in found if (write.verb, write.resource) == ("patch", "leases")]

    def holds_back(self, replica: Replica, since: float) -> bool:
        """Whether it has written nothing since then, in seconds since the epoch, but what had passed its fence before:
        one request of each worker may lie between that and the API server."""
        return len([write for write in self.writes(replica) if write.received > since]) <= WORKERS

    def let_go(self) -> int:
        """How many of the Pods may start a process."""
        pods = self.api.request("GET", self._pods).ok()["items"]
        return sum(1 for pod in pods if not pod["spec"].get("schedulingGates"))

    def all_ran_once(self, within: float = 120) -> None:
        """Each task gets its Pod, and got one only. The audit log does not tell of all: an API server that is killed
        has not written down what it did last."""

        def all_let_go() -> bool:
            assert any(replica.code is None for replica in self.replicas), "there is no replica any more"
            return self.let_go() == len(self.names)

        eventually("all Pods are let go", within, all_let_go)
        created = Counter(w.name for w in self.writes() if (w.verb, w.resource) == ("create", "pods"))
        assert [name for name, times in created.items() if times > 1] == []
        assert [write for write in self.writes() if (write.verb, write.resource) == ("delete", "pods")] == []
        pods, tasks = (self.api.request("GET", path).ok()["items"] for path in (self._pods, self._tasks))
        uids = {pod["metadata"]["name"]: pod["metadata"]["uid"] for pod in pods}
        recorded = {task["metadata"]["name"]: task["status"] for task in tasks}
        assert {name: (seen["attempts"], seen["podUID"]) for name, seen in recorded.items()} == {
            name: (1, uids[name]) for name in self.names
        }
