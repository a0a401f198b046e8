"""An API server in memory: names, UIDs, versions, 409s, gates; a scheduler, a kubelet; and faults on demand."""

import itertools
from collections.abc import Callable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

from reaper_api.vocabulary import API_VERSION, FINAL_PHASES, GATE_RECORDED, KIND, Phase
from reaper_operator.errors import AlreadyExists, Conflict, Forbidden, NotFound
from reaper_operator.key import Key

Body = dict[str, Any]
Fault = Callable[[str, bool], None]
"""Called with the name of a call, before it has an effect (False) and after (True). It may raise."""

START = datetime(2026, 11, 23, 12, 0, 0, tzinfo=UTC)


class FakeClock:
    """A clock that moves when it is told to."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


class FakeCluster:
    """Implements reaper_operator.cluster.Cluster."""

    def __init__(self) -> None:
        self.tasks: dict[Key, Body] = {}
        self.pods: dict[Key, Body] = {}
        self.events: list[Body] = []
        self.writes: list[str] = []
        self.fault: Fault = no_fault
        self.starts: list[str] = []  # the UID of each Pod whose process was started
        self._numbers = itertools.count(1)

    # What the operator sees

    async def get_task(self, key: Key) -> Body | None:
        self.fault("get_task", False)
        return deepcopy(self.tasks.get(key))

    async def get_pod(self, namespace: str, name: str) -> Body | None:
        self.fault("get_pod", False)
        return deepcopy(self.pods.get(Key(namespace, name)))

    async def unfinished_tasks(self) -> list[Key]:
        self.fault("unfinished_tasks", False)
        return [key for key, task in self.tasks.items() if task.get("status", {}).get("phase") not in FINAL_PHASES]

    async def create_pod(self, manifest: Body) -> Body:
        self.fault("create_pod", False)
        key = Key(manifest["metadata"]["namespace"], manifest["metadata"]["name"])
        if key in self.pods:
            raise AlreadyExists(409, f'pods "{key.name}" already exists')
        pod = deepcopy(manifest)
        pod["metadata"]["uid"] = f"pod-{next(self._numbers)}"
        pod["status"] = {"phase": "Pending"}
        self.pods[key] = pod
        self.writes.append("create_pod")
        self.fault("create_pod", True)
        return deepcopy(pod)

    async def remove_gate(self, namespace: str, name: str, uid: str, gate: str) -> None:
        self.fault("remove_gate", False)
        pod = self.pods.get(Key(namespace, name))
        if pod is None:
            raise NotFound(404, f'pods "{name}" not found')
        if pod["metadata"]["uid"] != uid:
            raise Conflict(409, "the UID in the precondition does not match")
        pod["spec"]["schedulingGates"] = [g for g in pod["spec"].get("schedulingGates", []) if g["name"] != gate]
        self.writes.append("remove_gate")
        self.fault("remove_gate", True)

    async def patch_status(self, key: Key, resource_version: str, status: Body) -> Body:
        self.fault("patch_status", False)
        task = self.tasks.get(key)
        if task is None:
            raise NotFound(404, "no such task")
        if task["metadata"]["resourceVersion"] != resource_version:
            raise Conflict(409, "the object has been modified")
        merged = {**task.get("status", {}), **deepcopy(status)}
        new = {name: value for name, value in merged.items() if value is not None}
        old = task.get("status", {})
        # The transition rules of the CRD; tests/integration holds the real API server to them.
        assert "podUID" not in old or new.get("podUID") == old["podUID"]
        assert old.get("phase") not in FINAL_PHASES or new.get("phase") == old["phase"]
        task["status"] = new
        self.touch(key)
        self.writes.append("patch_status")
        self.fault("patch_status", True)
        return deepcopy(task)

    async def create_event(self, event: Body) -> None:
        self.fault("create_event", False)
        self.events.append(event)
        self.writes.append("create_event")

    # What a user does

    def add_task(self, name: str = "hello", namespace: str = "default", **spec: Any) -> Key:
        key = Key(namespace, name)
        self.tasks[key] = task_body(name, namespace, uid=f"task-{next(self._numbers)}", **spec)
        self.touch(key)
        return key

    def touch(self, key: Key) -> None:
        """Give the task a new version, as any write of anybody does."""
        self.tasks[key]["metadata"]["resourceVersion"] = str(next(self._numbers))

    def delete_pod(self, key: Key) -> None:
        self.pods.pop(key, None)

    def status(self, key: Key) -> Body:
        status: Body = self.tasks[key].get("status", {})
        return status

    # What scheduler and kubelet do

    def start(self, key: Key, node: str = "node-1") -> bool:
        """Schedule the Pod and start its process, if nothing holds it back."""
        pod = self.pods.get(key)
        if pod is None or pod["spec"].get("schedulingGates") or pod["status"]["phase"] != "Pending":
            return False
        self.starts.append(pod["metadata"]["uid"])
        pod["spec"]["nodeName"] = node
        pod["status"] = {
            "phase": "Running",
            "containerStatuses": [container(running={"startedAt": "2026-11-23T12:00:01Z"})],
        }
        return True

    def end(self, key: Key, exit_code: int) -> bool:
        """The process of a running Pod ends."""
        pod = self.pods.get(key)
        if pod is None or pod["status"]["phase"] != "Running":
            return False
        pod["status"] = {
            "phase": "Failed" if exit_code else "Succeeded",
            "containerStatuses": [container(terminated=terminated(exit_code))],
        }
        return True


def no_fault(call: str, done: bool) -> None:  # noqa: FBT001 - see Fault
    """All is well."""


def forbid(call: str, message: str) -> Fault:
    """A fault: this call is forbidden."""

    def fault(name: str, done: bool) -> None:  # noqa: FBT001 - see Fault
        if name == call and not done:
            raise Forbidden(403, message)

    return fault


def container(*, restarts: int = 0, last: Body | None = None, **state: Body) -> Body:
    """The status of a task's container, as kubelet writes it."""
    return {"name": "task", "state": state, "lastState": last or {}, "restartCount": restarts}


def terminated(exit_code: int, reason: str | None = None, message: str | None = None) -> Body:
    """How a container ended."""
    end = {
        "exitCode": exit_code,
        "reason": reason or ("Error" if exit_code else "Completed"),
        "startedAt": "2026-11-23T12:00:01Z",
        "finishedAt": "2026-11-23T12:00:05Z",
    }
    return end if message is None else {**end, "message": message}


def task_body(name: str = "hello", namespace: str = "default", uid: str = "task-1", **spec: Any) -> Body:
    """A ReaperTask as the API server returns it, defaults filled in."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": name, "namespace": namespace, "uid": uid, "generation": 1, "resourceVersion": "1"},
        "spec": {
            "command": ["/bin/true"],
            "restartPolicy": "Never",
            "terminal": False,
            "stdin": False,
            "stdout": True,
            "stderr": True,
            "terminationGracePeriodSeconds": 30,
            **spec,
        },
    }


def pod_body(
    phase: str | Phase = "Pending",
    *,
    name: str = "hello",
    uid: str = "pod-1",
    node: str | None = None,
    gated: bool = False,
    deleted: bool = False,
    **status: Any,
) -> Body:
    """A task's Pod as the API server returns it."""
    metadata: Body = {"name": name, "namespace": "default", "uid": uid}
    if deleted:
        # Asked for at 12:00:04, with 30 s of grace.
        metadata |= {"deletionTimestamp": "2026-11-23T12:00:34Z", "deletionGracePeriodSeconds": 30}
    spec: Body = {}
    if gated:
        spec["schedulingGates"] = [{"name": GATE_RECORDED}]
    if node is not None:
        spec["nodeName"] = node
    return {"metadata": metadata, "spec": spec, "status": {"phase": str(phase), **status}}
