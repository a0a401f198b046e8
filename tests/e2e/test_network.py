"""The node's network, or the pod's where it is asked for: its IP, Services and probes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from kubectl import ready
from manifests import container, pod
from waiting import eventually

if TYPE_CHECKING:
    from kubectl import Kubectl, Node

Object = dict[str, Any]

PORT = 18181
_SERVER = (
    "socat",
    f"TCP-LISTEN:{PORT},fork,reuseaddr",
    "SYSTEM:echo HTTP/1.0 200 OK; echo; echo hello from $POD; cat >/dev/null & sleep 0.1",
)


def networked(name: str, network: str, *command: str, **more: Any) -> Object:
    """A Pod in this network, "host" or "pod"."""
    env = [{"name": "POD", "value": name}]
    manifest = pod(name, container("main", *command, env=env, **more), terminationGracePeriodSeconds=1)
    manifest["metadata"] |= {
        "labels": {"app": name},
        "annotations": {"reaper.runtime/network": network, "reaper.runtime/dns-mode": "kubernetes"},
    }
    manifest["spec"] |= {"hostNetwork": network == "host", "restartPolicy": "Always"}
    if network == "host":
        manifest["spec"]["dnsPolicy"] = "ClusterFirstWithHostNet"
    return manifest


def service(name: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": name},
        "spec": {"selector": {"app": name}, "ports": [{"port": 80, "targetPort": PORT}]},
    }


def restarts(kubectl: Kubectl, name: str) -> int:
    found = kubectl.get("pod", name)["status"].get("containerStatuses", [])
    return found[0]["restartCount"] if found else 0


def test_a_pods_own_network_has_its_ip_and_its_service(kubectl: Kubectl, node: Node) -> None:
    """Two servers with the same port, neither seen on the node; each found by its name from either network."""
    for name in ("web", "other"):
        kubectl.apply(networked(name, "pod", *_SERVER, readinessProbe=_probes()["http"]), service(name))
    kubectl.apply(networked("near", "pod", "sleep", "600"), networked("far", "host", "sleep", "600"))
    for name in ("web", "other"):
        eventually(lambda name=name: ready(kubectl.get("pod", name)), 40, f"{name} is ready")  # type: ignore[misc]
    for name in ("near", "far"):
        kubectl.in_phase("pod", name, "Running")

    address = kubectl.get("pod", "web")["status"]["podIP"]
    assert address not in node.sh("ip -o addr")
    assert f"inet {address}/" in kubectl.execute("web", "ip", "-o", "addr").out  # an exec is in that network too
    assert f":{PORT} " not in node.sh("ss -ltn")
    for name in ("web", "other"):
        for client in ("near", "far"):
            url = f"http://{name}.{kubectl.namespace}.svc.cluster.local/"
            ask = ("curl", "--silent", "--retry", "8", "--retry-all-errors", "--retry-delay", "1", "--max-time", "5")
            done = kubectl.execute(client, *ask, url)
            assert done.out == f"hello from {name}\n", f"{client} asked {name}: {done}"
    assert kubectl.execute("near", "curl", "--silent", "--max-time", "5", f"http://{address}:{PORT}/").out


def _probes() -> dict[str, Object]:
    often = {"periodSeconds": 1, "failureThreshold": 30}
    return {
        "http": {"httpGet": {"path": "/", "port": PORT}, **often},
        "tcp": {"tcpSocket": {"port": PORT}, **often},
        "exec": {"exec": {"command": ["test", "-e", "/proc/self"]}, **often},
    }


@pytest.mark.parametrize("network", ["host", "pod"])
def test_probes(kubectl: Kubectl, network: str) -> None:
    """Those that succeed let a Pod become and stay ready; one that fails restarts it, or keeps it from being ready."""
    probes = _probes()
    turns = (("http", "tcp", "exec"), ("tcp", "exec", "http"), ("exec", "http", "tcp"))
    once = {"periodSeconds": 1, "failureThreshold": 1}
    absent = {"exec": {"command": ["test", "-e", "/no/such/file"]}, **once}
    closed = {"tcpSocket": {"port": PORT + 1}, **once}
    nowhere = {"httpGet": {"path": "/", "port": PORT + 1}, **once}
    good = {}
    # On the node's network one server has the port, and the probes of the others ask it too.
    for number, (startup, liveness, readiness) in enumerate(turns):
        command = _SERVER if network == "pod" or number == 0 else ("sleep", "600")
        good[f"good-{number}"] = networked(
            f"good-{number}", network, *command,
            startupProbe=probes[startup], livenessProbe=probes[liveness], readinessProbe=probes[readiness],
        )  # fmt: skip
    sleeps = ("sleep", "600")
    kubectl.apply(
        *good.values(),
        networked("dead", network, *sleeps, livenessProbe=absent),
        networked("unheard", network, *sleeps, livenessProbe=nowhere),
        networked("late", network, *sleeps, startupProbe=closed),
        networked("unready", network, *sleeps, readinessProbe=absent),
    )
    for name in good:
        eventually(lambda name=name: ready(kubectl.get("pod", name)), 40, f"{name} is ready")  # type: ignore[misc]
    for name in ("dead", "unheard", "late"):
        eventually(lambda name=name: restarts(kubectl, name) > 0, 40, f"{name} is restarted")  # type: ignore[misc]
    kubectl.event("unready", "Unhealthy", "Readiness probe failed")
    assert not ready(kubectl.get("pod", "unready"))
    assert [restarts(kubectl, name) for name in (*good, "unready")] == [0, 0, 0, 0]
    kubectl.run("delete", "pods", "--all", "--wait=false")
