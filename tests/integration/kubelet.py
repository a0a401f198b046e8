"""What scheduler and kubelet say of Pods, where there are no nodes. `pods`: the path of those of a namespace."""

from __future__ import annotations

from typing import Any

from tests.integration.api import MERGE, Api

Body = dict[str, Any]


def add_node(api: Api, name: str) -> None:
    """A Node that nobody has, unless it is there. Pods on one that the API server does not know are deleted within a
    minute, by a controller of Kubernetes."""
    answer = api.request("POST", "/api/v1/nodes", {"metadata": {"name": name}})
    assert answer.status in {201, 409}, answer.message


def bind(api: Api, pods: str, name: str) -> None:
    """A Pod is put on a node that nobody has."""
    add_node(api, "nowhere")
    target = {"apiVersion": "v1", "kind": "Node", "name": "nowhere"}
    binding = {"apiVersion": "v1", "kind": "Binding", "metadata": {"name": name}, "target": target}
    api.request("POST", f"{pods}/{name}/binding", binding).ok()


def tell(api: Api, pods: str, name: str, phase: str, state: Body, **more: Any) -> None:
    """The phase of a task's Pod, and the state of its container."""
    container = {"name": "task", "state": state, "ready": False, "restartCount": 0, "image": "", "imageID": ""}
    status = {"phase": phase, "containerStatuses": [container], **more}
    api.request("PATCH", f"{pods}/{name}/status", {"status": status}, content_type=MERGE).ok()
