"""An API server in memory: names, UIDs, versions, 409s, gates; a scheduler, a kubelet; and faults on demand."""

import itertools
from collections.abc import AsyncIterator, Callable
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

from reaper_api.vocabulary import API_VERSION, FINAL_PHASES, GATE_RECORDED, KIND, LABEL_ATTEMPT, Phase
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
        self.attempts_started: list[tuple[str, str | None]] = []  # and its name and attempt
        self.events_of: dict[str, list[Body]] = {}  # Kubernetes Events by the UID of what they are about
        self.time = "2026-11-23T12:00:05Z"  # of what nodes write
        self._numbers = itertools.count(1)

    # What the operator sees

    async def get_task(self, key: Key) -> Body | None:
        self.fault("get_task", False)
        return deepcopy(self.tasks.get(key))

    async def get_pod(self, namespace: str, name: str) -> Body | None:
        self.fault("get_pod", False)
        return deepcopy(self.pods.get(Key(namespace, name)))

    async def unfinished_tasks(self) -> AsyncIterator[Body]:
        self.fault("unfinished_tasks", False)
        for task in _unfinished(self.tasks):
            yield task

    async def unfinished_pods(self) -> AsyncIterator[Body]:
        self.fault("unfinished_pods", False)
        for pod in _unfinished(self.pods):
            yield pod

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
        pod = self._exactly(Key(namespace, name), uid)
        pod["spec"]["schedulingGates"] = [g for g in pod["spec"].get("schedulingGates", []) if g["name"] != gate]
        self.writes.append("remove_gate")
        self.fault("remove_gate", True)

    async def remove_pod(self, namespace: str, name: str, uid: str) -> None:
        self.fault("remove_pod", False)
        key = Key(namespace, name)
        self._exactly(key, uid)
        self.delete_pod(key)
        self.writes.append("remove_pod")
        self.fault("remove_pod", True)

    async def limit_pod(self, namespace: str, name: str, uid: str, seconds: int) -> None:
        self.fault("limit_pod", False)
        pod = self._exactly(Key(namespace, name), uid)
        before = pod["spec"].get("activeDeadlineSeconds")
        assert before is None or seconds <= before, "the API server only takes a smaller one"
        pod["spec"]["activeDeadlineSeconds"] = seconds
        self.writes.append("limit_pod")
        self.fault("limit_pod", True)

    def _exactly(self, key: Key, uid: str) -> Body:
        pod = self.pods.get(key)
        if pod is None:
            raise NotFound(404, f'pods "{key.name}" not found')
        if pod["metadata"]["uid"] != uid:
            raise Conflict(409, "the UID in the precondition does not match")
        return pod

    async def events_about(self, namespace: str, uid: str) -> list[Body]:
        self.fault("events_about", False)
        return deepcopy(self.events_of.get(uid, []))

    async def patch_status(self, key: Key, resource_version: str, status: Body) -> Body:
        self.fault("patch_status", False)
        task = self._at_version(key, resource_version)
        old = task.get("status", {})
        merged = {**old, **deepcopy(status)}
        new = {name: value for name, value in merged.items() if value is not None}
        hold_to_transitions(old, new)
        task["status"] = new
        self.touch(key)
        self.writes.append("patch_status")
        self.fault("patch_status", True)
        return deepcopy(task)

    async def patch_finalizers(self, key: Key, resource_version: str, finalizers: list[str]) -> Body:
        self.fault("patch_finalizers", False)
        task = self._at_version(key, resource_version)
        metadata = task["metadata"]
        new = set(finalizers) - set(metadata.get("finalizers", []))
        assert not new or "deletionTimestamp" not in metadata, "no new finalizer on a task that is being deleted"
        metadata["finalizers"] = list(finalizers)
        self.touch(key)
        self.writes.append("patch_finalizers")
        self._go_if_nothing_holds(key)
        self.fault("patch_finalizers", True)
        return deepcopy(task)

    async def delete_task(self, key: Key, uid: str, resource_version: str) -> None:
        self.fault("delete_task", False)
        assert self._at_version(key, resource_version)["metadata"]["uid"] == uid
        self.delete(key)
        self.writes.append("delete_task")
        self.fault("delete_task", True)

    def _at_version(self, key: Key, resource_version: str) -> Body:
        task = self.tasks.get(key)
        if task is None:
            raise NotFound(404, "no such task")
        if task["metadata"]["resourceVersion"] != resource_version:
            raise Conflict(409, "the object has been modified")
        return task

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

    def edit(self, key: Key, **spec: Any) -> None:
        """Change the task's spec."""
        task = self.tasks[key]
        task["spec"] |= spec
        task["metadata"]["generation"] += 1
        self.touch(key)

    def delete(self, key: Key, *, orphan: bool = False) -> None:
        """kubectl delete reapertask."""
        metadata = self.tasks[key]["metadata"]
        metadata.setdefault("deletionTimestamp", self.time)
        if orphan:
            metadata["finalizers"] = [*metadata.get("finalizers", []), "orphan"]
        self.touch(key)
        self._go_if_nothing_holds(key)

    def delete_pod(self, key: Key, *, force: bool = False) -> None:
        """kubectl delete pod: at once where no node has it or its process is over, else with its grace period."""
        pod = self.pods.get(key)
        if pod is None:
            return
        at_once = pod["spec"].get("terminationGracePeriodSeconds") == 0  # BeforeDelete of the API server
        if force or at_once or "nodeName" not in pod["spec"] or pod["status"]["phase"] in FINAL_PHASES:
            del self.pods[key]
        else:
            pod["metadata"] |= {"deletionTimestamp": self.time, "deletionGracePeriodSeconds": 0}

    def status(self, key: Key) -> Body:
        status: Body = self.tasks[key].get("status", {})
        return status

    # What controllers, scheduler and kubelet do

    def collect(self) -> None:
        """The garbage collector: Pods without their task go, and those that are kept lose their owner."""
        for key, task in list(self.tasks.items()):
            if "orphan" in task["metadata"].get("finalizers", []):
                for pod in self._pods_of(task):
                    pod["metadata"]["ownerReferences"] = []
                task["metadata"]["finalizers"].remove("orphan")
                self.touch(key)
                self._go_if_nothing_holds(key)
        alive = {task["metadata"]["uid"] for task in self.tasks.values()}
        for key, pod in list(self.pods.items()):
            owners = [owner["uid"] for owner in pod["metadata"].get("ownerReferences", [])]
            if owners and not alive.intersection(owners):
                self.delete_pod(key)

    def _pods_of(self, task: Body) -> list[Body]:
        uid = task["metadata"]["uid"]
        return [
            pod
            for pod in self.pods.values()
            if uid in [owner["uid"] for owner in pod["metadata"].get("ownerReferences", [])]
        ]

    def _go_if_nothing_holds(self, key: Key) -> None:
        metadata = self.tasks[key]["metadata"]
        if "deletionTimestamp" in metadata and not metadata.get("finalizers"):
            del self.tasks[key]

    def start(self, key: Key, node: str = "node-1") -> bool:
        """Schedule the Pod and start its process, if nothing holds it back."""
        pod = self.pods.get(key)
        if pod is None or pod["spec"].get("schedulingGates") or pod["status"]["phase"] != "Pending":
            return False
        self.starts.append(pod["metadata"]["uid"])
        self.attempts_started.append((pod["metadata"]["name"], pod["metadata"].get("labels", {}).get(LABEL_ATTEMPT)))
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
            "containerStatuses": [container(terminated=terminated(exit_code) | {"finishedAt": self.time})],
        }
        return True

    def tick(self, *, exit_code: int = 143) -> None:
        """kubelet does what it was asked: it ends what was deleted, and what is past its deadline."""
        for key, pod in list(self.pods.items()):
            if "deletionTimestamp" in pod["metadata"]:
                self.end(key, exit_code)
                del self.pods[key]
            elif pod["spec"].get("activeDeadlineSeconds") == 1 and self.end(key, exit_code):
                pod["status"] |= {"phase": "Failed", "reason": "DeadlineExceeded", "message": "Pod was active too long"}


def _unfinished(bodies: dict[Key, Body]) -> list[Body]:
    return [deepcopy(body) for body in bodies.values() if body.get("status", {}).get("phase") not in FINAL_PHASES]


def hold_to_transitions(old: Body, new: Body) -> None:
    """reaper_api.transitions; tests/integration holds the real API server to them."""
    before, after = (status.get("attempts") or (1 if "podUID" in status else 0) for status in (old, new))
    over = old.get("phase") in FINAL_PHASES
    assert "podUID" not in old or ("podUID" in new and (new["podUID"] == old["podUID"] or after > before))
    assert after == before or (after == before + 1 and "podUID" in new and (before == 0 or "nextAttemptTime" in old)), (
        "attempts"
    )
    assert not over or (new.get("phase") == old["phase"] and after == before)
    assert new.get("phase") not in FINAL_PHASES or "hostProcessPID" not in new


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
            "suspend": False,
            "backoffLimit": 0,
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
