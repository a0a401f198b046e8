"""A control plane with nodes that are none: kwok says of each Pod on them that it runs, and at once that it is over.

Everything is as a cluster has it, but for two things: no client of the control plane is held up by its own rate limit
(the controller manager's of 20 requests a second would be all that is measured), and kubelets cost nothing.
"""

from __future__ import annotations

import json
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from cluster.cli import Application
from cluster.host.commands import Processes
from cluster.host.console import Console
from reaper_api.vocabulary import ALLOWED, LABEL_ALLOW
from tests.integration import planes
from tests.integration.api import Api
from tests.integration.charts import render
from tests.integration.control_plane import ControlPlane, Part
from tests.integration.replicas import Replica, eventually
from tests.integration.tenancy import MUTATING
from tests.ports import free_port

if TYPE_CHECKING:
    from collections.abc import Iterator

Body = dict[str, Any]

NODES, PODS_A_NODE = 100, 110
OPERATOR = "system:serviceaccount:reaper-system:reaper-operator"
JOB_CONTROLLER = "system:serviceaccount:kube-system:job-controller"
# As the API server sees a service account, so that its flow control treats the operator as in a cluster; and the one by
# which the audit log has what it reads.
_GROUPS = "system:serviceaccounts,system:serviceaccounts:reaper-system,system:authenticated,reaper-operators"
_OF_THE_CHART = {"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding", "RuntimeClass", "ServiceAccount"}
_STAGES = Path(__file__).with_name("stages.yaml")
_NO_LIMIT = ("--kube-api-qps=5000", "--kube-api-burst=10000")
_PATIENCE = 120.0  # seconds


class Simulated:
    """One that runs."""

    def __init__(self, plane: ControlPlane, folder: Path) -> None:
        self.plane = plane
        self.api = Api(str(plane.kubeconfig()))
        self._folder = folder

    @contextmanager
    def operator(self) -> Iterator[Replica]:
        """The operator, with the chart's rights and its settings, when it leads."""
        settings = {"retry_base_seconds": 0.5, "retry_limit_seconds": 300}
        kubeconfig = self._folder / "operator.kubeconfig"
        self.plane.kubeconfig(OPERATOR).replace(kubeconfig)  # a colon in its path would make two paths of it
        replica = Replica(self._folder, "operator", kubeconfig, **settings)
        replica.start()
        try:
            eventually("the operator leads", _PATIENCE, lambda: replica.leads and replica.ready)
            yield replica
        except AssertionError as error:
            raise SystemExit(f"{error}: {replica.log[-2000:]}") from error
        finally:
            replica.end()

    def namespace(self, name: str) -> str:
        """A namespace in which host processes may run."""
        metadata = {"name": name, "labels": {LABEL_ALLOW: ALLOWED}}
        self.api.request("POST", "/api/v1/namespaces", {"metadata": metadata}).ok()
        account = f"/api/v1/namespaces/{name}/serviceaccounts/default"
        eventually("the namespace has a service account", _PATIENCE, lambda: self.api.request("GET", account).body)
        return name


@contextmanager
def running() -> Iterator[Simulated]:
    """A fresh one, with the chart on it but for what runs in Pods. Everything that was started has ended after it."""
    programs = Application(Processes(), Console(sys.stderr)).programs
    slots = {name: programs.slot(name) for name in ("kubernetes", "etcd", "kwok")}
    if missing := [name for name, slot in slots.items() if not slot.exists()]:
        raise SystemExit(f"not built yet: {', '.join(missing)}: run `make bench`")
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="reaper-bench-")))
        users = {OPERATOR: _GROUPS}
        plane = ControlPlane(folder, slots["kubernetes"], slots["etcd"], users, controllers=_NO_LIMIT)
        stack.callback(plane.stop)
        plane.start()
        simulated = Simulated(plane, folder)
        _install_chart(simulated.api)
        scheduler = _scheduler(folder, slots["kubernetes"], plane)
        kwok = Part(
            folder,
            slots["kwok"] / "kwok",
            f"--kubeconfig={plane.kubeconfig()}",
            f"--config={_STAGES}",
            "--manage-all-nodes=true",
            "--node-lease-duration-seconds=40",
        )
        for part in (scheduler, kwok):
            stack.callback(part.stop)
            part.start()
        _add_nodes(simulated.api)
        yield simulated


def _install_chart(api: Api) -> None:
    api.request("POST", "/api/v1/namespaces", {"metadata": {"name": "reaper-system"}}).ok()
    planes.install_crd(api)
    for (kind, name), item in render(has=[MUTATING]).items():
        if (kind in _OF_THE_CHART or "AdmissionPolicy" in kind) and "removal" not in name:
            planes.install(api, item)


def _scheduler(folder: Path, kubernetes: Path, plane: ControlPlane) -> Part:
    program = folder / "kube-scheduler"
    program.symlink_to(kubernetes / "hyperkube")
    configuration = folder / "scheduler.json"
    connection = {"kubeconfig": str(plane.kubeconfig()), "qps": 5000, "burst": 10000}
    configuration.write_text(
        json.dumps(
            {
                "apiVersion": "kubescheduler.config.k8s.io/v1",
                "kind": "KubeSchedulerConfiguration",
                "clientConnection": connection,
                "leaderElection": {"leaderElect": False},
            }
        )
    )
    flags = (f"--config={configuration}", "--bind-address=127.0.0.1", f"--secure-port={free_port()}")
    return Part(folder, program, *flags)


def _add_nodes(api: Api) -> None:
    """Nodes that can run reaper pods; returns when kwok says of the last that it is ready."""
    room = {"cpu": "32", "memory": "256Gi", "pods": str(PODS_A_NODE)}
    for number in range(NODES):
        metadata = {"name": f"node-{number:03}", "labels": {"reaper.io/runtime": "ready"}}
        status = {"allocatable": room, "capacity": room}
        api.request("POST", "/api/v1/nodes", {"metadata": metadata, "status": status}).ok()

    def all_ready() -> bool:
        nodes = api.request("GET", "/api/v1/nodes").ok()["items"]
        return all(_ready(node) and not node["spec"].get("taints") for node in nodes)

    eventually("all nodes are ready", _PATIENCE, all_ready)


def _ready(node: Body) -> bool:
    conditions = node["status"].get("conditions") or ()
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
