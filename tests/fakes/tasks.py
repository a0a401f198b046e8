"""ReaperTasks as the node agent knows them, behind its port."""

from __future__ import annotations

import copy
from typing import Any

from reaper_node.errors import ApiError

Body = dict[str, Any]
NODE = "worker"
OURS = ("hostProcessPID", "overlayNamespaceID")


class FakeTasks:
    """Tasks by name, in one namespace. A write is an apply of one field manager: what it leaves out goes."""

    def __init__(self, namespace: str = "default") -> None:
        self.namespace = namespace
        self.tasks: dict[str, Body] = {}
        self.writes: list[tuple[str, Body]] = []
        self.reads = 0
        self.down: set[str] = set()  # names of tasks about which nothing can be said or done

    def add(self, name: str = "hello", pod_uid: str = "pod-1", **status: Any) -> None:
        """A task whose Pod is on the node."""
        self.tasks[name] = {
            "apiVersion": "reaper.io/v1alpha1",
            "kind": "ReaperTask",
            "metadata": {"namespace": self.namespace, "name": name, "uid": f"uid-{name}", "resourceVersion": "1"},
            "status": {"phase": "Running", "nodeName": NODE, "podUID": pod_uid, **status},
        }

    def said(self, name: str = "hello") -> Body:
        """What the agent has said about it."""
        status = self.tasks[name]["status"]
        return {field: status[field] for field in OURS if field in status}

    def update(self, name: str, **status: Any) -> None:
        """The operator writes; None removes a field."""
        task = self.tasks[name]
        task["status"] = {k: v for k, v in {**task["status"], **status}.items() if v is not None}
        task["metadata"]["resourceVersion"] += "1"

    def task(self, namespace: str, name: str) -> Body:
        self.reads += 1
        self._answer(name)
        if namespace != self.namespace or name not in self.tasks:
            raise ApiError(f"GET {name}", 404, "not found")
        return copy.deepcopy(self.tasks[name])

    def apply_status(self, task: Body) -> None:
        name = task["metadata"]["name"]
        self._answer(name)
        for field in ("uid", "resourceVersion"):
            if task["metadata"][field] != self.tasks[name]["metadata"][field]:
                raise ApiError(f"PATCH {name}", 409, "the object has been modified")
        assert set(task["status"]) <= set(OURS)
        self.writes.append((name, task["status"]))
        self.update(name, **{**dict.fromkeys(OURS), **task["status"]})

    def _answer(self, name: str) -> None:
        if name in self.down:
            raise ApiError(f"GET {name}", 500, "etcd is slow")
