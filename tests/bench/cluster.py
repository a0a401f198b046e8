"""The kind cluster `reaper`, for the rows that need a kubelet and a containerd with CRI."""

from __future__ import annotations

import subprocess
import sys
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kubernetes import client, config, watch

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
READY = "reaper.io/runtime=ready"
GONE_SECONDS = 120
QUIET_SECONDS, QUIET_SHARE, REST_SECONDS = 3, 0.25, 60  # a cluster of one's own works for 5 to 15 percent at rest
BUSYBOX = ("/bin/busybox",)
RUNTIMES = {"reaper": "reaper-v2", "runc": None}  # RuntimeClass


@dataclass(frozen=True)
class Cluster:
    """A namespace of its own, and a node with the runtime."""

    api: client.CoreV1Api
    namespace: str
    node: str

    def pod(self, name: str, runtime: str, *, busybox: bool = False) -> dict[str, Any]:
        """A Pod that sleeps on the node. Both runtimes are spared the pod network.

        busybox: a reference that has more programs than one that sleeps, from the installer's image.
        """
        main: dict[str, Any] = {"name": "main", "imagePullPolicy": "IfNotPresent"}
        if runtime == "reaper":
            main |= {"image": "placeholder", "command": ["/bin/sleep", "3600"]}
        elif busybox:
            main |= {"image": "reaper-node:dev", "command": [*BUSYBOX, "sleep", "3600"]}
        else:
            main |= {"image": self._pause()}
        spec = {
            "nodeName": self.node,
            "hostNetwork": True,
            "terminationGracePeriodSeconds": 0,
            "automountServiceAccountToken": False,
            "containers": [main],
        }
        if RUNTIMES[runtime]:
            spec["runtimeClassName"] = RUNTIMES[runtime]
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}

    def create(self, body: dict[str, Any]) -> None:
        """Create a Pod."""
        self.api.create_namespaced_pod(self.namespace, body)  # type: ignore[arg-type]

    def running(self, patience: int) -> Iterator[str]:
        """The names of Pods as a watch sees them Running, from now on; ends after so many seconds."""
        version = _as_json(self.api, self.api.list_namespaced_pod(self.namespace))["metadata"]["resourceVersion"]
        seen = watch.Watch().stream(  # type: ignore[no-untyped-call]
            self.api.list_namespaced_pod, self.namespace, resource_version=version, timeout_seconds=patience
        )
        return (each["raw_object"]["metadata"]["name"] for each in seen
                if each["raw_object"]["status"].get("phase") == "Running")  # fmt: skip

    def container(self, pod: str) -> str:
        """The id of the one container of a Pod that runs."""
        found = _as_json(self.api, self.api.read_namespaced_pod(pod, self.namespace))
        (status,) = found["status"]["containerStatuses"]
        return str(status["containerID"].partition("://")[2])

    def clear(self) -> None:
        """Delete all Pods of the namespace, and wait until they are gone."""
        self.api.delete_collection_namespaced_pod(self.namespace)
        deadline = time.monotonic() + GONE_SECONDS
        while self.api.list_namespaced_pod(self.namespace).items:
            if time.monotonic() > deadline:
                raise SystemExit(f"Pods of namespace {self.namespace} are not gone after {GONE_SECONDS} s")
            time.sleep(0.2)

    def containerd_socket(self) -> str:
        """The node's containerd, reached through the root directory of the node's first process."""
        command = ["docker", "inspect", "--format", "{{.State.Pid}}", self.node]
        pid = subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
        return f"unix:///proc/{pid}/root/run/containerd/containerd.sock"

    def _pause(self) -> str:
        """The image that every kubelet has: it only sleeps, and is 0.7 MB."""
        images = self._node_status()["images"]
        names: list[str] = [name for image in images for name in image.get("names", ()) if "/pause:" in name]
        if not names:
            raise SystemExit(f"node {self.node} has no pause image: the reference has nothing to run")
        return max(names)

    def versions(self) -> str:
        """Of Kubernetes and of the node's containerd."""
        about = self._node_status()["nodeInfo"]
        return f"Kubernetes {about['kubeletVersion']}, {about['containerRuntimeVersion'].replace('://', ' ')}"

    def _node_status(self) -> dict[str, Any]:
        return dict(_as_json(self.api, self.api.read_node(self.node))["status"])


def rest() -> None:
    """Wait until the machine has hardly worked for a while: kubelet and containerd clean up for seconds after the API
    has forgotten the Pods, and would make the next ones slower."""
    deadline, quiet = time.monotonic() + REST_SECONDS, 0
    while quiet < QUIET_SECONDS:
        if time.monotonic() > deadline:
            print(f"  the machine has other work and does not come to rest in {REST_SECONDS} s", file=sys.stderr)
            return
        before = _processors()
        time.sleep(1)
        worked, idle = (now - then for now, then in zip(_processors(), before, strict=True))
        quiet = quiet + 1 if worked < QUIET_SHARE * (worked + idle) else 0


def _processors() -> tuple[int, int]:
    """How long all of them have worked and been idle (proc(5), /proc/stat: the fourth is idle, and not because of a
    disk)."""
    with Path("/proc/stat").open() as file:
        times = [int(each) for each in file.readline().split()[1:]]
    return sum(times) - times[3], times[3]


def _as_json(api: client.CoreV1Api, answer: object) -> dict[str, Any]:
    """As kubectl shows it: the client's classes say of each field that it may be missing."""
    found: dict[str, Any] = api.api_client.sanitize_for_serialization(answer)
    return found


@contextmanager
def connect() -> Iterator[Cluster]:
    """The cluster; SystemExit with what to do where there is none with the runtime on a node."""
    try:
        config.load_kube_config(  # type: ignore[no-untyped-call]
            str(ROOT / ".tools" / "kubeconfig")
        )
        api = client.CoreV1Api()
        nodes = _as_json(api, api.list_node(label_selector=READY))["items"]
    except Exception as error:  # of many libraries
        raise SystemExit(f"the cluster cannot be reached: run `make install`: {error}") from error
    if not nodes:
        raise SystemExit(f"no node has the label {READY}: run `make install`")
    namespace = f"bench-{uuid.uuid4().hex[:8]}"
    metadata = client.V1ObjectMeta(name=namespace, labels={"reaper.io/allow": "true"})
    api.create_namespace(client.V1Namespace(metadata=metadata))
    try:
        yield Cluster(api, namespace, nodes[0]["metadata"]["name"])
    finally:
        api.delete_namespace(namespace)
